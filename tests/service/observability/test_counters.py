"""Counters put each value at its index in a slot, and keep what they counted before they were bound to it."""

import math
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.observability import counters
from diffeo.service.observability.counters import EndpointCounters, GraphCounters
from diffeo.service.observability.shared_counters import GAUGE, LATEST, SharedCounters
from diffeo.service.observability.timing import RequestTiming
from diffeo.service.routes.problems import PROBLEM_TYPES, REJECTIONS


def test_every_problem_type_and_status_has_its_own_value_in_the_slot() -> None:
    native = {(kind.type, kind.status) for kind in PROBLEM_TYPES.values()}
    of_the_protocol = {("invalid-request", 400)}
    assert set(REJECTIONS) == native | of_the_protocol | {("internal", 500), ("client-disconnected", 499)}
    assert len(set(REJECTIONS)) == len(REJECTIONS)
    endpoint, values = EndpointCounters("sample", rejections=REJECTIONS), SharedCounters().slot("a")
    endpoint.bind(values)
    for problem, status in (("", 200), *REJECTIONS, ("an-unknown-type", 418)):
        endpoint.count(RequestTiming(), status, problem)
    # An unknown problem type is counted as the first one, which is the internal error.
    assert REJECTIONS[0] == ("internal", 500)
    ends = [values[counters.REJECTED + number] for number in range(len(REJECTIONS))]
    assert ends == [2] + [1] * (len(REJECTIONS) - 1)


@given(st.lists(st.floats(0, 100) | st.sampled_from(counters.SECONDS_BOUNDS), max_size=20))
def test_a_histogram_counts_each_value_under_the_first_bound_that_is_not_smaller(values: list[float]) -> None:
    slot = SharedCounters().slot("a")
    for value in values:
        counters.observe_seconds(slot, counters.QUEUE, value)
    size = len(counters.SECONDS_BOUNDS) + 1
    counts = [slot[counters.QUEUE + index] for index in range(size)]
    expected = [sum(bisect_left(counters.SECONDS_BOUNDS, value) == index for value in values) for index in range(size)]
    assert counts == expected
    assert math.isclose(slot[counters.QUEUE + size], sum(values), abs_tol=1e-9)
    for index, bound in enumerate(counters.SECONDS_BOUNDS):
        assert sum(counts[: index + 1]) == sum(value <= bound for value in values)


def test_the_values_of_a_slot_do_not_overlap() -> None:
    assert GAUGE < LATEST < min(counters.ROWS_ANSWERED, counters.BATCH)
    starts = [
        counters.ROWS_ANSWERED,
        counters.ROWS_INVALID,
        counters.PREPARE_SECONDS,
        counters.REJECTED_SECONDS,
        counters.REQUEST,
        counters.QUEUE,
        counters.COMPUTE,
        counters.ENCODE,
    ]
    sizes = [1, 1, 1, 1, *[len(counters.SECONDS_BOUNDS) + 2] * 4]
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    assert ends == [*starts[1:], counters.REJECTED]
    assert counters.REJECTED + len(REJECTIONS) <= len(SharedCounters().slot("a"))


def test_binding_adds_what_was_counted_before_to_the_slot() -> None:
    graph, values = GraphCounters(), SharedCounters().slot("a")
    graph.count_batch(3)
    graph.set_queued_rows(5)
    graph.bind(values)
    graph.count_batch(2)
    graph.set_queued_rows(1)
    rows_sum = counters.BATCH + len(counters.ROWS_BOUNDS) + 1
    assert (values[rows_sum], values[GAUGE]) == (5, 1)


def test_two_models_of_one_name_share_a_slot_while_one_replaces_the_other() -> None:
    old, new, values = GraphCounters(), GraphCounters(), SharedCounters().slot("a")
    old.bind(values)
    old.set_queued_rows(10)
    new.bind(values)
    new.set_queued_rows(4)
    old.set_queued_rows(0)
    assert values[GAUGE] == 4
