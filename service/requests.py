"""Parse once, at the door: a request that exists is valid, and nothing after this file checks it again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from diffeo.bundle import parameters as ranges
from diffeo.bundle.base import SEED_LIMIT, START_LIMIT
from diffeo.bundle.manifest import Manifest
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN, NUM_SAMPLES_LIMIT, SAMPLE_OUTPUTS, InvalidParameter

from .errors import InvalidRequest, TooLarge, listed

Rows = npt.NDArray[np.floating]  # [rows, D]
Parameters = Mapping[str, object]
Direction = Literal["forward", "inverse"]
OnInvalid = Literal["null", "error"]

LADJ: Final = LOG_ABS_DET_JACOBIAN
# Parameters that pick the model; they are read before the manifest is known.
ADDRESS: Final = frozenset({"model", "version", "precision"})
SAMPLE_PARAMETERS: Final = frozenset({"num_samples", "seed", "start", "temperature", "return"})
LOG_PROB_PARAMETERS: Final = frozenset({"on_invalid"})
TRANSFORM_PARAMETERS: Final = frozenset({"direction", "on_invalid", "return"})
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Payload(NamedTuple):
    """A decoded body.

    Attributes:
        parameters: by name, from the body or the query string.
        rows: the table, if the body carries one.
        rows_name: what the body calls the table, x or z; None where the format has no name for it.
        columns: what the body calls the columns, in its own order; None where the format does not name them.
    """

    parameters: Parameters
    rows: Rows | None = None
    rows_name: str | None = None
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one request may ask for."""

    max_rows: int
    max_num_samples: int


@dataclass(frozen=True, slots=True)
class Address:
    """Which model, which version of it, computed how; None leaves the choice to the repository."""

    model: str | None
    version: int | None
    precision: str | None = None

    @classmethod
    def parse(cls, parameters: Parameters) -> Self:
        """The address in the parameters of any request."""
        model = _name(parameters, "model", "model must be a name of letters, digits, - and _, at most 64")
        version = _whole(parameters, "version", 1, 2**31) if "version" in parameters else None
        return cls(model, version, _name(parameters, "precision", "precision must be a name such as float32 or int8"))


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Rows [start, start + num_samples) of the endless sample that `seed` names."""

    num_samples: int
    seed: int | None
    start: int
    temperature: float
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, payload: Payload, limits: Limits) -> Self:
        """Check the parameters of a sample request."""
        parameters = payload.parameters
        if payload.rows is not None:
            raise InvalidRequest.at(f"/{payload.rows_name}", "a sample request carries no rows")
        _refuse_unknown(parameters, SAMPLE_PARAMETERS)
        number = _whole(parameters, "num_samples", 1, NUM_SAMPLES_LIMIT, default=1)
        if number > limits.max_num_samples:
            detail = f"num_samples is {number}; the limit here is {limits.max_num_samples}: page with start"
            raise TooLarge.at("/num_samples", detail)
        seed = _whole(parameters, "seed", 0, SEED_LIMIT) if "seed" in parameters else None
        start = _whole(parameters, "start", 0, START_LIMIT - number, default=0)
        return cls(number, seed, start, _temperature(parameters), _parts(parameters, SAMPLE_OUTPUTS, ("x",)))


@dataclass(frozen=True, slots=True)
class LogProbRequest:
    """Rows of x whose exact log density is asked."""

    x: Rows
    on_invalid: OnInvalid

    @classmethod
    def parse(cls, payload: Payload, manifest: Manifest, limits: Limits) -> Self:
        """Check the rows and parameters of a log_prob request."""
        _refuse_unknown(payload.parameters, LOG_PROB_PARAMETERS)
        return cls(_rows(payload, "x", manifest, limits), _on_invalid(payload.parameters))


@dataclass(frozen=True, slots=True)
class TransformRequest:
    """Rows to send through the flow: x to z when forward, z to x when inverse."""

    direction: Direction
    rows: Rows
    on_invalid: OnInvalid
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, payload: Payload, manifest: Manifest, limits: Limits) -> Self:
        """Check the rows and parameters of a transform request."""
        parameters = payload.parameters
        _refuse_unknown(parameters, TRANSFORM_PARAMETERS)
        direction = _direction(parameters)
        source, image = ("x", "z") if direction == "forward" else ("z", "x")
        parts = _parts(parameters, (image, LADJ), (image, LADJ))
        rows = _rows(payload, source, manifest, limits)
        return cls(direction, rows, _on_invalid(parameters), parts)


def _name(parameters: Parameters, parameter: str, sentence: str) -> str | None:
    if parameter not in parameters:
        return None
    value = parameters[parameter]
    if not (isinstance(value, str) and NAME.fullmatch(value)):
        raise InvalidRequest.at(f"/{parameter}", sentence)
    return value


def _refuse_unknown(parameters: Parameters, known: frozenset[str]) -> None:
    for name in parameters:
        if name not in known and name not in ADDRESS:
            # Escaped as RFC 6901 asks; cut, because an answer never repeats a body.
            pointer = "/" + name[:64].replace("~", "~0").replace("/", "~1")
            raise InvalidRequest.at(pointer, f"unknown parameter; this call takes {listed(sorted(known | ADDRESS))}")


def _whole(parameters: Parameters, name: str, low: int, high: int, *, default: int | None = None) -> int:
    try:
        return ranges.whole_number(parameters.get(name, default), name, low, high)
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _temperature(parameters: Parameters) -> float:
    try:
        return ranges.temperature(parameters.get("temperature", 1.0))
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _direction(parameters: Parameters) -> Direction:
    value = parameters.get("direction")
    if value == "forward":
        return "forward"
    if value == "inverse":
        return "inverse"
    raise InvalidRequest.at("/direction", 'direction must be "forward" (x to z) or "inverse" (z to x)')


def _on_invalid(parameters: Parameters) -> OnInvalid:
    value = parameters.get("on_invalid", "null")
    if value == "null":
        return "null"
    if value == "error":
        return "error"
    raise InvalidRequest.at("/on_invalid", 'on_invalid must be "null" or "error"')


def _parts(parameters: Parameters, known: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
    if "return" not in parameters:
        return default
    try:
        return ranges.outputs(parameters["return"], known)
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _rows(payload: Payload, name: str, manifest: Manifest, limits: Limits) -> Rows:
    rows = payload.rows
    # A binary body carries one unnamed array: it is whatever this call takes.
    if rows is None or payload.rows_name not in {name, None}:
        if payload.rows_name is not None:
            raise InvalidRequest.at(f"/{payload.rows_name}", f"unknown parameter; this call takes rows of {name}")
        raise InvalidRequest.at(f"/{name}", f"{name} is missing: a list of rows of {manifest.dimension} numbers")
    _check_width(rows, name, manifest)
    if payload.columns is not None and len(rows):
        names = manifest.columns if name == "x" else tuple(f"z{index}" for index in range(manifest.dimension))
        rows = _in_order(rows, payload.columns, names)
    if len(rows) > limits.max_rows:
        detail = f"{name} has {len(rows)} rows; the limit here is {limits.max_rows}: send it in parts"
        raise TooLarge.at(f"/{name}", detail)
    return rows if len(rows) else rows.reshape(0, manifest.dimension)


def _check_width(rows: Rows, name: str, manifest: Manifest) -> None:
    try:
        ranges.check_width(rows, name, manifest.columns)
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _in_order(rows: Rows, given: tuple[str, ...], names: tuple[str, ...]) -> Rows:
    # Named columns are matched by name: a table with its columns in another order means the same rows.
    if given == names:
        return rows
    missing = [name for name in names if name not in given]
    if missing or len(given) != len(names):
        lacks = f"lacks {listed(missing)}" if missing else "has more"
        raise InvalidRequest.at("", f"the table {lacks}; this call takes the columns {listed(names)}")
    return rows[:, [given.index(name) for name in names]]
