"""What is asked of one model over HTTP, as steps; every part of one call is answered by one version.

Large tables go in portions and large samples in pages; where the service says 413 to one, half of it is tried.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import numpy as np

from diffeo.bundle import npy
from diffeo.density import Direction, Draw, Part, Rows, Vector, latent
from diffeo.errors import DiffeoError, Problem
from diffeo.tables import arrays as unnamed
from diffeo.tables import frames
from diffeo.tables.frames import F, Frame

from . import arrays
from .retries import Attempts, Endpoint
from .steps import Answer, Give, Head, Lost, Request, Steps, given, read

# Below every limit of a service as it comes: 64 MiB a body, a million rows in npz.
PORTION_BYTES: Final = 16 * 2**20
PORTION_ROWS: Final = 500_000
PAGE_ROWS: Final = 1_000_000
LADJ: Final = "log_abs_det_jacobian"

Description = dict[str, object]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows of one version look like, and the digest of its bundle."""

    version: int
    columns: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Verbs:
    """One model of a service; no version means the newest, no precision the model's own."""

    endpoint: Endpoint
    name: str
    version: int | None = None
    precision: str | None = None

    def describe(self) -> Steps[Description]:
        """What the service says of the model, or of this version of it."""
        path = f"/models/{quote(self.name, safe='')}"
        if self.version is not None:
            path = f"{path}/versions/{self.version}"
        answer = yield from self.endpoint.exchange(Request("GET", path))
        return _document(self.endpoint, answer)

    def shape(self) -> Steps[Shape]:
        """What would answer now.

        Raises:
            DiffeoError: no version is served.
        """
        content = yield from self.describe()
        # Absent is not null: a service of another kind says nothing of a newest version.
        match content if self.version is not None else content.get("newest", ""):
            case {"version": int(version), "columns": list(columns), "digest": str(digest)}:
                return Shape(version, tuple(map(str, columns)), digest)
            case None | {"columns": None}:
                raise DiffeoError(f"no such version of {self.name} is served; GET /models/{self.name} says why")
        raise self.endpoint.stranger()

    def log_prob(self, x: Rows | Frame) -> Steps[Vector]:
        """Exact log density of each row."""
        at, rows, _ = yield from self._rows(x, "forward")
        return (yield from at.sent("/log_prob", rows, {}, ["log_prob"]))["log_prob"]

    def image(self, rows: Rows | Frame, direction: Direction) -> Steps[Rows | Frame]:
        """z of x, or x of z, as a frame of the same kind where it came as one."""
        part = "z" if direction == "forward" else "x"
        at, table, columns = yield from self._rows(rows, direction)
        answer = (yield from at.sent("/transform", table, {"direction": direction}, [part]))[part]
        if not frames.is_frame(rows):
            return answer
        return frames.like(rows, answer, latent(columns) if direction == "forward" else columns)

    def transform(self, rows: Rows | Frame, direction: Direction) -> Steps[tuple[Rows, Vector]]:
        """z or x of each row, and the log|det| of that direction."""
        part = "z" if direction == "forward" else "x"
        at, table, _ = yield from self._rows(rows, direction)
        answer = yield from at.sent("/transform", table, {"direction": direction}, [part, LADJ])
        return answer[part], answer[LADJ]

    def sent(self, path: str, rows: Rows, query: Mapping[str, str], parts: Sequence[str]) -> Steps[arrays.Tensors]:
        """What the service answers to the rows."""
        named = {**query, "return": ",".join(parts)} if path == "/transform" else query

        def portion(begin: int, count: int) -> Request:
            headers = {"content-type": arrays.NPY, "accept": arrays.accept(parts)}
            return Request("POST", path, named, npy.write(rows[begin : begin + count]), headers)

        size = max(1, min(PORTION_ROWS, PORTION_BYTES // (rows.itemsize * max(1, rows.shape[1]))))
        return (yield from self._joined(len(rows), size, portion, parts))

    def draw(self, draw: Draw, parts: Sequence[Part]) -> Steps[arrays.Tensors]:
        """The rows of a draw with the parts asked for, from one pass."""

        def page(begin: int, count: int) -> Request:
            query = {**draw.rows(begin, count), "return": ",".join(parts)}
            return Request("POST", "/sample", query, headers={"accept": arrays.accept(parts)})

        return (yield from self._joined(draw.num_samples, PORTION_ROWS, page, parts))

    def sample(self, draw: Draw) -> Steps[Rows]:
        """x of a draw, all of it."""
        found = yield from given(self.pieces(draw, max(1, draw.num_samples)))
        return found[0]

    def sample_frame(self, kind: type[F], draw: Draw) -> Steps[F]:
        """The same as a frame with the model's columns."""
        frames.check(kind)
        shape = yield from self.shape()
        rows = yield from replace(self, version=shape.version).sample(draw)
        return frames.build(kind, rows, shape.columns)

    def pieces(self, draw: Draw, rows: int) -> Steps[None]:
        """Give x of a draw in tables of `rows`, the last one shorter, however often the stream is cut."""
        inflow = arrays.Inflow(draw.num_samples, rows)
        attempts = Attempts(self.endpoint)
        at, page = self, PAGE_ROWS
        while True:
            begin = inflow.received
            count = min(page, draw.num_samples - begin)
            request = Request("POST", "/sample", at.addressed(draw.rows(begin, count)), headers={"accept": arrays.NPY})
            head = yield from attempts.open(request)
            failed: Answer | Lost | None
            if isinstance(head, Lost):
                failed = head
            elif head.refused:
                failed = yield from attempts.whole(head)
            else:
                at = at.pinned(head)
                inflow.begin(count)
                failed = yield from self._poured(inflow, attempts)
            if failed is None:
                if inflow.received == draw.num_samples:
                    return
            elif count > 1 and _too_large(failed):
                page = count // 2
            else:
                yield from attempts.pause(failed)

    def addressed(self, query: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
        """The parameters of a request to this model."""
        address = {"model": self.name, "version": self.version, "precision": self.precision}
        return {**query, **{name: value for name, value in address.items() if value is not None}}

    def pinned(self, head: Head) -> "Verbs":
        """The version that answered, so that it answers the rest too, whatever is published meanwhile."""
        version = head.headers.get("diffeo-version", "")
        return replace(self, version=int(version)) if version.isdigit() else self

    def _rows(self, table: Rows | Frame, direction: Direction) -> Steps["tuple[Verbs, Rows, tuple[str, ...]]"]:
        if not frames.has_names(table):
            return self, unnamed.rows(table), ()
        # Which columns a table must have is for the version to say that then answers.
        shape = yield from self.shape()
        names = shape.columns if direction == "forward" else latent(shape.columns)
        return replace(self, version=shape.version), frames.rows(table, names), shape.columns

    def _joined(
        self, total: int, size: int, request: Callable[[int, int], Request], parts: Sequence[str]
    ) -> Steps[arrays.Tensors]:
        found: list[arrays.Tensors] = []
        at, begin = self, 0
        # Nothing is asked for too: what the service says to that is its own to say.
        while begin < total or not found:
            count = min(size, total - begin)
            asked = request(begin, count)
            try:
                answer = yield from self.endpoint.exchange(replace(asked, query=at.addressed(asked.query)))
            except Problem as told:
                if told.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE or count <= 1:
                    raise
                size = count // 2
                continue
            at = at.pinned(answer)
            found.append(self._tensors(answer, parts, count))
            begin += count
        return found[0] if len(found) == 1 else {part: np.concatenate([each[part] for each in found]) for part in parts}

    def _tensors(self, answer: Answer, parts: Sequence[str], rows: int) -> arrays.Tensors:
        try:
            return arrays.tensors(answer, parts, rows)
        except arrays.NotOurs as error:
            raise self.endpoint.stranger() from error

    def _poured(self, inflow: arrays.Inflow, attempts: Attempts) -> Steps[Lost | None]:
        while True:
            data = yield from read()
            if isinstance(data, Lost) or not data:
                # Where all rows are there, it does not matter how the answer ended.
                return None if inflow.whole else data or Lost("its answer was not whole", passing=True)
            try:
                for rows in inflow.feed(data):
                    yield Give(rows)
            except arrays.NotOurs as error:
                raise self.endpoint.stranger() from error
            # Rows came, and their caller took time of its own.
            attempts.begin()


def names(endpoint: Endpoint) -> Steps[list[str]]:
    """The names of the models of a service."""
    answer = yield from endpoint.exchange(Request("GET", "/models"))
    match _document(endpoint, answer):
        case {"models": list(models)} if all(isinstance(entry, dict) and "model" in entry for entry in models):
            return [str(entry["model"]) for entry in models]
    raise endpoint.stranger()


def _document(endpoint: Endpoint, answer: Answer) -> Description:
    try:
        content = json.loads(answer.content)
    except ValueError as error:
        raise endpoint.stranger() from error
    if not isinstance(content, dict):
        raise endpoint.stranger()
    return content


def _too_large(failed: Answer | Lost) -> bool:
    return isinstance(failed, Answer) and failed.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
