"""Parses the parameters and rows of each operation. A parsed request is valid; no later code checks it again.

The names, bounds and defaults of all parameters are public constants of this module.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self, get_args

import numpy as np
import numpy.typing as npt

from diffeo.bundle import parameters as ranges
from diffeo.bundle.base import SEED_LIMIT, START_LIMIT
from diffeo.bundle.manifest import Manifest
from diffeo.bundle.parameters import (
    LOG_ABS_DET_JACOBIAN,
    MAX_TEMPERATURE,
    NUM_SAMPLES_LIMIT,
    SAMPLE_OUTPUTS,
    InvalidParameter,
)
from diffeo.tables.columns import positions
from diffeo.tables.errors import WrongColumns

from .errors import FieldError, InvalidRequest, TooLarge, listed

Rows = npt.NDArray[np.floating]  # [rows, D]
Parameters = Mapping[str, object]
Direction = Literal["forward", "inverse"]
OnInvalid = Literal["null", "error"]


class IntegerParameter(NamedTuple):
    """A parameter that is an integer from `minimum` to `maximum`, both included.

    Attributes:
        default: the value of a request without the parameter; None if it has no fixed default.
    """

    name: str
    minimum: int
    maximum: int
    default: int | None = None

    def parse(self, parameters: Parameters, maximum: int | None = None) -> int:
        """The value in a request, or the default; `maximum` replaces the parameter's own for this request."""
        limit = (self.maximum if maximum is None else maximum) + 1
        try:
            return ranges.whole_number(parameters.get(self.name, self.default), self.name, self.minimum, limit)
        except InvalidParameter as error:
            raise InvalidRequest.at(error.pointer, str(error)) from None


class NumberParameter(NamedTuple):
    """A parameter that is a number above `above` and at most `maximum`."""

    name: str
    above: float
    maximum: float
    default: float


class OutputChoice(NamedTuple):
    """The outputs that a request can select with `return`, in the order of the answer, and the default selection."""

    known: tuple[str, ...]
    default: tuple[str, ...]


MODEL: Final = "model"
PRECISION: Final = "precision"
DIRECTION: Final = "direction"
ON_INVALID: Final = "on_invalid"
RETURN: Final = "return"
VERSION: Final = IntegerParameter("version", 1, 2**31 - 1)
NUM_SAMPLES: Final = IntegerParameter("num_samples", 1, NUM_SAMPLES_LIMIT - 1, default=1)
SEED: Final = IntegerParameter("seed", 0, SEED_LIMIT - 1)
# The last row of a request must be below START_LIMIT too.
START: Final = IntegerParameter("start", 0, START_LIMIT - 1, default=0)
TEMPERATURE: Final = NumberParameter("temperature", 0.0, MAX_TEMPERATURE, default=1.0)
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
ON_INVALID_VALUES: Final[tuple[OnInvalid, ...]] = get_args(OnInvalid)
ON_INVALID_DEFAULT: Final[OnInvalid] = "null"

# The names that a body can give to its rows.
ROWS_NAMES: Final = ("x", "z")
TRANSFORM_ROWS: Final[Mapping[Direction, str]] = {"forward": "x", "inverse": "z"}
SAMPLE_CHOICE: Final = OutputChoice(SAMPLE_OUTPUTS, ("x",))
TRANSFORM_CHOICE: Final[Mapping[Direction, OutputChoice]] = {
    "forward": OutputChoice(("z", LOG_ABS_DET_JACOBIAN), ("z", LOG_ABS_DET_JACOBIAN)),
    "inverse": OutputChoice(("x", LOG_ABS_DET_JACOBIAN), ("x", LOG_ABS_DET_JACOBIAN)),
}

# These select the model, so they are parsed before the manifest is known.
MODEL_PARAMETERS: Final = frozenset({MODEL, VERSION.name, PRECISION})
SAMPLE_PARAMETERS: Final = frozenset({NUM_SAMPLES.name, SEED.name, START.name, TEMPERATURE.name, RETURN})
LOG_PROB_PARAMETERS: Final = frozenset({ON_INVALID})
TRANSFORM_PARAMETERS: Final = frozenset({DIRECTION, ON_INVALID, RETURN})
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# An error response never repeats a long text of the client.
MAX_NAME_SHOWN: Final = 64


class UnreadableColumn(NamedTuple):
    """A named column that does not hold numbers. That is an error only if the model takes a column of this name."""

    name: str
    error: FieldError


class Payload(NamedTuple):
    """A decoded request body and query string.

    Attributes:
        parameters: the parameters by name.
        rows: the table, if the body has one.
        rows_name: the name of the table in the body, x or z; None if the format has no name for it.
        columns: the names of the columns of the rows; None if the body does not name columns.
        unreadable: further columns of the body, which do not hold numbers and are not in the rows.
    """

    parameters: Parameters
    rows: Rows | None = None
    rows_name: str | None = None
    columns: tuple[str, ...] | None = None
    unreadable: tuple[UnreadableColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest number of rows in one request, sent and drawn, and of bytes in its body when it is decompressed."""

    max_rows: int
    max_num_samples: int
    max_body_bytes: int = 64 * 2**20


DEFAULT_LIMITS: Final = Limits(1_000_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class ModelSelector:
    """The model, version and precision that a request names; the repository chooses where one is None."""

    model: str | None
    version: int | None
    precision: str | None = None

    @classmethod
    def parse(cls, parameters: Parameters) -> Self:
        """Parse the parameters that select the model; every operation has them."""
        model = _parse_name(parameters, MODEL, "model must be a name of letters, digits, - and _, at most 64")
        version = VERSION.parse(parameters) if VERSION.name in parameters else None
        expected = "precision must be a name such as float32 or int8"
        return cls(model, version, _parse_name(parameters, PRECISION, expected))


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A request for rows [start, start + num_samples) of the infinite sample that `seed` determines."""

    num_samples: int
    seed: int | None
    start: int
    temperature: float
    outputs: tuple[str, ...]

    @classmethod
    def parse(cls, payload: Payload, limits: Limits) -> Self:
        """Parse the parameters of a sample request."""
        parameters = payload.parameters
        if payload.rows is not None:
            pointer = f"/{payload.rows_name}" if payload.rows_name is not None else ""
            raise InvalidRequest.at(pointer, "a sample request takes no rows; send only parameters")
        _check_names(parameters, SAMPLE_PARAMETERS)
        number = NUM_SAMPLES.parse(parameters)
        if number > limits.max_num_samples:
            fact = f"num_samples is {number}; the limit is {limits.max_num_samples}"
            raise TooLarge.at(f"/{NUM_SAMPLES.name}", f"{fact}: draw the rows in several requests with start")
        seed = SEED.parse(parameters) if SEED.name in parameters else None
        start = START.parse(parameters, START.maximum - number)
        temperature = _parse_temperature(parameters)
        return cls(number, seed, start, temperature, _parse_outputs(parameters, SAMPLE_CHOICE))


@dataclass(frozen=True, slots=True)
class LogProbRequest:
    """A request for the exact log density of rows of x."""

    x: Rows
    on_invalid: OnInvalid

    @staticmethod
    def check_parameters(parameters: Parameters) -> None:
        """Reject wrong parameters, before the rows are known."""
        _check_names(parameters, LOG_PROB_PARAMETERS)
        _parse_on_invalid(parameters)

    @classmethod
    def parse(cls, payload: Payload, manifest: Manifest, limits: Limits) -> Self:
        """Parse the rows and parameters of a log_prob request."""
        cls.check_parameters(payload.parameters)
        return cls(_parse_rows(payload, "x", manifest, limits), _parse_on_invalid(payload.parameters))


@dataclass(frozen=True, slots=True)
class TransformRequest:
    """A request to transform rows: x to z if forward, z to x if inverse."""

    direction: Direction
    rows: Rows
    on_invalid: OnInvalid
    outputs: tuple[str, ...]

    @staticmethod
    def check_parameters(parameters: Parameters) -> Direction:
        """Reject wrong parameters, before the rows are known; the direction."""
        _check_names(parameters, TRANSFORM_PARAMETERS)
        direction = _parse_direction(parameters)
        _parse_outputs(parameters, TRANSFORM_CHOICE[direction])
        _parse_on_invalid(parameters)
        return direction

    @classmethod
    def parse(cls, payload: Payload, manifest: Manifest, limits: Limits) -> Self:
        """Parse the rows and parameters of a transform request."""
        parameters = payload.parameters
        _check_names(parameters, TRANSFORM_PARAMETERS)
        direction = _parse_direction(parameters)
        outputs = _parse_outputs(parameters, TRANSFORM_CHOICE[direction])
        rows = _parse_rows(payload, TRANSFORM_ROWS[direction], manifest, limits)
        return cls(direction, rows, _parse_on_invalid(parameters), outputs)


def _parse_name(parameters: Parameters, parameter: str, expected: str) -> str | None:
    if parameter not in parameters:
        return None
    value = parameters[parameter]
    if not (isinstance(value, str) and MODEL_NAME.fullmatch(value)):
        raise InvalidRequest.at(f"/{parameter}", expected)
    return value


def _check_names(parameters: Parameters, known: frozenset[str]) -> None:
    for name in parameters:
        if name not in known and name not in MODEL_PARAMETERS:
            # Escaped as RFC 6901 requires.
            pointer = "/" + name[:MAX_NAME_SHOWN].replace("~", "~0").replace("/", "~1")
            expected = listed(sorted(known | MODEL_PARAMETERS))
            raise InvalidRequest.at(pointer, f"unknown parameter; this operation takes {expected}")


def _parse_temperature(parameters: Parameters) -> float:
    try:
        return ranges.temperature(parameters.get(TEMPERATURE.name, TEMPERATURE.default))
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _parse_direction(parameters: Parameters) -> Direction:
    value = parameters.get(DIRECTION)
    for direction in DIRECTIONS:
        if value == direction:
            return direction
    raise InvalidRequest.at(f"/{DIRECTION}", 'direction must be "forward" (x to z) or "inverse" (z to x)')


def _parse_on_invalid(parameters: Parameters) -> OnInvalid:
    value = parameters.get(ON_INVALID, ON_INVALID_DEFAULT)
    for known in ON_INVALID_VALUES:
        if value == known:
            return known
    expected = " or ".join(f'"{known}"' for known in ON_INVALID_VALUES)
    raise InvalidRequest.at(f"/{ON_INVALID}", f"on_invalid must be {expected}")


def _parse_outputs(parameters: Parameters, choice: OutputChoice) -> tuple[str, ...]:
    if RETURN not in parameters:
        return choice.default
    try:
        return ranges.outputs(parameters[RETURN], choice.known)
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _parse_rows(payload: Payload, name: str, manifest: Manifest, limits: Limits) -> Rows:
    rows = payload.rows
    # A table without a name is the table that the operation takes.
    if rows is None or payload.rows_name not in {name, None}:
        if payload.rows_name is not None:
            detail = f"this operation takes rows of {name}, not of {payload.rows_name}"
            raise InvalidRequest.at(f"/{payload.rows_name}", detail)
        raise InvalidRequest.at(f"/{name}", f"{name} is missing; send a list of rows of {manifest.dimension} numbers")
    if payload.columns is None:
        _check_width(rows, name, manifest)
    else:
        names = manifest.columns if name == "x" else tuple(f"z{index}" for index in range(manifest.dimension))
        rows = _select_columns(rows, payload.columns, payload.unreadable, names)
    if len(rows) > limits.max_rows:
        fact = f"{name} has {len(rows)} rows; the limit is {limits.max_rows}"
        raise TooLarge.at(f"/{name}", f"{fact}: send the rows in several requests")
    return rows if len(rows) else rows.reshape(0, manifest.dimension)


def _check_width(rows: Rows, name: str, manifest: Manifest) -> None:
    try:
        ranges.check_width(rows, name, manifest.columns)
    except InvalidParameter as error:
        raise InvalidRequest.at(error.pointer, str(error)) from None


def _select_columns(
    rows: Rows, columns: tuple[str, ...], unreadable: tuple[UnreadableColumn, ...], names: tuple[str, ...]
) -> Rows:
    if columns == names and not unreadable:
        return rows
    try:
        selected = positions([*columns, *(column.name for column in unreadable)], names)
    except WrongColumns as error:
        raise InvalidRequest.at("", str(error)) from None
    for position in selected:
        if position >= len(columns):
            wrong = unreadable[position - len(columns)].error
            raise InvalidRequest(wrong.detail, [wrong])
    return rows[:, selected]
