"""Reads the shared counters as the statistics of the Open Inference Protocol: counts and nanoseconds per model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from . import counters
from .registry import ENDPOINT
from .shared_counters import LATEST, add
from .slot_file import SlotKey, Sums

NANOSECONDS: Final = 1_000_000_000  # a second
MILLISECONDS: Final = 1000  # a second

ProtocolVersion = tuple[str, str]  # name of a model in the protocol, and its version


@dataclass(frozen=True, slots=True)
class CountAndDuration:
    """How often something happened, and how many nanoseconds it took in all."""

    count: int = 0
    ns: int = 0


NEVER: Final = CountAndDuration()


@dataclass(frozen=True, slots=True)
class InferenceStatistics:
    """Sums over all requests to one model version since the service started, over all processes.

    Attributes:
        rows: rows answered.
        last_ms: when the last request was answered, milliseconds since 1970; 0 before the first.
        success: answered requests; the duration is the sum of the four phases below.
        fail: requests that ended without an answer; the duration is from their arrival to the end of the response.
        compute_input: of the answered requests, decoding and checking, and drawing of samples.
        queue: of the answered requests, waiting until an engine computed their first rows.
        compute_infer: of the answered requests, computing.
        compute_output: of the answered requests, encoding.
    """

    rows: int = 0
    last_ms: int = 0
    success: CountAndDuration = NEVER
    fail: CountAndDuration = NEVER
    compute_input: CountAndDuration = NEVER
    queue: CountAndDuration = NEVER
    compute_infer: CountAndDuration = NEVER
    compute_output: CountAndDuration = NEVER


def read(sums: Mapping[SlotKey, Sums]) -> dict[ProtocolVersion, InferenceStatistics]:
    """The statistics of each model version that received a request of the Open Inference Protocol."""
    found: dict[ProtocolVersion, Sums] = {}
    for key, values in sums.items():
        if key[0] == ENDPOINT and key[-1]:
            name = key[-1], key[-2]
            found[name] = add(found[name], values) if name in found else values
    return {name: _statistics(values) for name, values in found.items()}


def _statistics(values: Sums) -> InferenceStatistics:
    answered = round(counters.answered(values))
    ended = round(counters.histogram_count(values, counters.REQUEST))
    compute_input = _nanoseconds(values[counters.PREPARE_SECONDS])
    queue, compute, encode = (
        _nanoseconds(counters.histogram_sum(values, index))
        for index in (counters.QUEUE, counters.COMPUTE, counters.ENCODE)
    )
    return InferenceStatistics(
        rows=round(values[counters.ROWS_ANSWERED]),
        last_ms=round(values[LATEST] * MILLISECONDS),
        success=CountAndDuration(answered, compute_input + queue + compute + encode),
        fail=CountAndDuration(ended - answered, _nanoseconds(values[counters.REJECTED_SECONDS])),
        compute_input=CountAndDuration(answered, compute_input),
        queue=CountAndDuration(answered, queue),
        compute_infer=CountAndDuration(answered, compute),
        compute_output=CountAndDuration(answered, encode),
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)
