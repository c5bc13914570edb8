"""The calls to one model over HTTP, as steps: which requests are sent and how their responses become arrays.

A large table or sample is split into several requests. After a 413 response the client sends half as many rows.
The version that answers the first request of a call also answers the rest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike

from diffeo.bundle import npy
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.density import Direction, Output, Rows, SeededSample, Vector, latent_columns
from diffeo.errors import DiffeoError, Problem
from diffeo.tables import arrays as unnamed
from diffeo.tables import frames
from diffeo.tables.frames import F, Frame

from . import arrays
from .arrays import Arrays, NpyStreamReader, UnexpectedArrays
from .retries import Attempts, RemoteService
from .steps import Request, Response, ResponseHead, Steps, TransportFailure, YieldRows, collect_rows, read_bytes

# Below the default limits of a service: 64 MiB in a body, a million rows in npz.
REQUEST_BYTES: Final = 16 * 2**20
REQUEST_ROWS: Final = 500_000
STREAM_REQUEST_ROWS: Final = 1_000_000

Description = dict[str, object]


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version of a model: its number, the columns of x, and the digest of its bundle."""

    version: int
    columns: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """The calls to one model. Without a version the newest one answers, without a precision the model's own."""

    service: RemoteService
    name: str
    version: int | None = None
    precision: str | None = None

    def describe(self) -> Steps[Description]:
        """The metadata of the model, or of this version of it."""
        path = f"/models/{quote(self.name, safe='')}"
        if self.version is not None:
            path = f"{path}/versions/{self.version}"
        response = yield from self.service.fetch(Request("GET", path))
        return _json_object(self.service, response)

    def version_info(self) -> Steps[VersionInfo]:
        """The version that answers now.

        Raises:
            DiffeoError: no version is served.
        """
        content = yield from self.describe()
        # A model without a served version has `"newest": null`. A missing key means that this is another service.
        match content if self.version is not None else content.get("newest", ""):
            case {"version": int(version), "columns": list(columns), "digest": str(digest)}:
                return VersionInfo(version, tuple(map(str, columns)), digest)
            case None | {"columns": None}:
                raise DiffeoError(f"the service serves no such version of {self.name}; see GET /models/{self.name}")
        raise self.service.unexpected_response()

    def log_prob(self, x: ArrayLike | Frame) -> Steps[Vector]:
        """Exact log density of each row."""
        calls, rows, _ = yield from self._as_array(x, "forward")
        return (yield from calls.send_rows("/log_prob", rows, {}, ["log_prob"]))["log_prob"]

    def transform_rows(self, rows: ArrayLike | Frame, direction: Direction) -> Steps[Rows | Frame]:
        """z (forward) or x (inverse) of each row; a frame gives a frame of the same kind."""
        output = "z" if direction == "forward" else "x"
        calls, array, columns = yield from self._as_array(rows, direction)
        answer = (yield from calls.send_rows("/transform", array, {"direction": direction}, [output]))[output]
        if not frames.is_frame(rows):
            return answer
        return frames.like(rows, answer, latent_columns(columns) if direction == "forward" else columns)

    def transform(self, rows: ArrayLike | Frame, direction: Direction) -> Steps[tuple[Rows, Vector]]:
        """z (forward) or x (inverse) of each row, and log|det| of the Jacobian of that direction."""
        output = "z" if direction == "forward" else "x"
        calls, array, _ = yield from self._as_array(rows, direction)
        outputs = [output, LOG_ABS_DET_JACOBIAN]
        answer = yield from calls.send_rows("/transform", array, {"direction": direction}, outputs)
        return answer[output], answer[LOG_ABS_DET_JACOBIAN]

    def draw(self, sample: SeededSample, outputs: Sequence[Output]) -> Steps[Arrays]:
        """The requested outputs of a sample."""

        def request(begin: int, count: int) -> Request:
            query = {**sample.parameters(begin, count), "return": ",".join(outputs)}
            return Request("POST", "/sample", query, headers={"accept": arrays.media_type(outputs)})

        return (yield from self._send_all(sample.num_samples, REQUEST_ROWS, request, outputs))

    def sample(self, sample: SeededSample) -> Steps[Rows]:
        """All rows of x of a sample, in one array."""
        blocks = yield from collect_rows(self.stream_sample(sample, max(1, sample.num_samples)))
        return blocks[0]

    def sample_and_log_prob(self, sample: SeededSample) -> Steps[tuple[Rows, Vector]]:
        """All rows of x of a sample, and the log density of each."""
        answer = yield from self.draw(sample, ("x", "log_prob"))
        return answer["x"], answer["log_prob"]

    def sample_frame(self, frame_class: type[F], sample: SeededSample) -> Steps[F]:
        """All rows of x of a sample, in a frame with the model's columns."""
        frames.check(frame_class)
        info = yield from self.version_info()
        rows = yield from replace(self, version=info.version).sample(sample)
        return frames.build(frame_class, rows, info.columns)

    def stream_sample(self, sample: SeededSample, block_rows: int) -> Steps[None]:
        """Yield x of a sample in blocks; a stream that breaks is requested again from its last whole row."""
        reader = NpyStreamReader(sample.num_samples, block_rows)
        attempts = Attempts(self.service)
        calls, request_rows = self, STREAM_REQUEST_ROWS
        while True:
            begin = reader.rows_received
            count = min(request_rows, sample.num_samples - begin)
            query = calls.with_address(sample.parameters(begin, count))
            head = yield from attempts.open(Request("POST", "/sample", query, headers={"accept": arrays.NPY}))
            failed: Response | TransportFailure | None
            if isinstance(head, TransportFailure):
                failed = head
            elif head.is_error:
                failed = yield from attempts.read_body(head)
            else:
                calls = calls.pinned_to(head)
                reader.start_stream(count)
                failed = yield from self._read_stream(reader, attempts)
            if failed is None:
                if reader.rows_received == sample.num_samples:
                    return
            elif count > 1 and _is_too_large(failed):
                request_rows = count // 2
            else:
                yield from attempts.wait_before_retry(failed)

    def send_rows(self, path: str, rows: Rows, query: Mapping[str, str], outputs: Sequence[str]) -> Steps[Arrays]:
        """Send these rows and return the arrays of the response."""
        if path == "/transform":
            query = {**query, "return": ",".join(outputs)}

        def request(begin: int, count: int) -> Request:
            headers = {"content-type": arrays.NPY, "accept": arrays.media_type(outputs)}
            return Request("POST", path, query, npy.write(rows[begin : begin + count]), headers)

        row_bytes = rows.itemsize * max(1, rows.shape[1])
        request_rows = max(1, min(REQUEST_ROWS, REQUEST_BYTES // row_bytes))
        return (yield from self._send_all(len(rows), request_rows, request, outputs))

    def with_address(self, query: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
        """The query with the parameters that name this model."""
        address = {"model": self.name, "version": self.version, "precision": self.precision}
        return {**query, **{name: value for name, value in address.items() if value is not None}}

    def pinned_to(self, head: ResponseHead) -> "ModelCalls":
        """The calls to the version that sent this response, whatever is published later."""
        version = head.headers.get("diffeo-version", "")
        return replace(self, version=int(version)) if version.isdigit() else self

    def _as_array(
        self, table: ArrayLike | Frame, direction: Direction
    ) -> Steps["tuple[ModelCalls, Rows, tuple[str, ...]]"]:
        if not frames.has_names(table):
            return self, unnamed.rows(table), ()
        # The frame is matched to the columns of one version, so the same version must answer the request.
        info = yield from self.version_info()
        names = info.columns if direction == "forward" else latent_columns(info.columns)
        return replace(self, version=info.version), frames.rows(table, names), info.columns

    def _send_all(
        self, total_rows: int, request_rows: int, request: Callable[[int, int], Request], outputs: Sequence[str]
    ) -> Steps[Arrays]:
        """Send requests for at most `request_rows` rows each, one after the other, and join their answers."""
        answers: list[Arrays] = []
        calls, begin = self, 0
        # A table without rows is sent too: the service decides how it answers.
        while begin < total_rows or not answers:
            count = min(request_rows, total_rows - begin)
            part = request(begin, count)
            try:
                response = yield from self.service.fetch(replace(part, query=calls.with_address(part.query)))
            except Problem as problem:
                if problem.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE or count <= 1:
                    raise
                request_rows = count // 2
                continue
            calls = calls.pinned_to(response)
            answers.append(self._parse(response, outputs, count))
            begin += count
        if len(answers) == 1:
            return answers[0]
        return {output: np.concatenate([answer[output] for answer in answers]) for output in outputs}

    def _read_stream(self, reader: NpyStreamReader, attempts: Attempts) -> Steps[TransportFailure | None]:
        while True:
            data = yield from read_bytes()
            if isinstance(data, TransportFailure) or not data:
                # When all rows have arrived, it does not matter how the response ended.
                if reader.stream_is_complete:
                    return None
                return data or TransportFailure("the response was not complete", transient=True)
            try:
                for rows in reader.feed(data):
                    yield YieldRows(rows)
            except UnexpectedArrays as error:
                raise self.service.unexpected_response() from error
            # The deadline is for the service; the caller may take any time between two blocks.
            attempts.restart()

    def _parse(self, response: Response, outputs: Sequence[str], rows: int) -> Arrays:
        try:
            return arrays.parse(response, outputs, rows)
        except UnexpectedArrays as error:
            raise self.service.unexpected_response() from error


def list_models(service: RemoteService) -> Steps[list[str]]:
    """The names of the models of a service."""
    response = yield from service.fetch(Request("GET", "/models"))
    match _json_object(service, response):
        case {"models": list(models)} if all(isinstance(entry, dict) and "model" in entry for entry in models):
            return [str(entry["model"]) for entry in models]
    raise service.unexpected_response()


def _json_object(service: RemoteService, response: Response) -> Description:
    try:
        content = json.loads(response.content)
    except ValueError as error:
        raise service.unexpected_response() from error
    if not isinstance(content, dict):
        raise service.unexpected_response()
    return content


def _is_too_large(failed: Response | TransportFailure) -> bool:
    return isinstance(failed, Response) and failed.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
