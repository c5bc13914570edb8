"""The counts of withdrawn versions move to one series: sums never decrease, and the number of series is bounded."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from diffeo.service.observability import counters
from diffeo.service.observability.counters import GraphCounters
from diffeo.service.observability.prometheus import PrometheusMetrics
from diffeo.service.observability.registry import FORGET_SECONDS, CounterRegistry
from diffeo.service.observability.shared_counters import SharedCounters
from diffeo.service.observability.timing import RequestTiming
from diffeo.service.routes.problems import REJECTIONS


@dataclass
class Graph:
    """One graph with its counters."""

    counters: GraphCounters = field(default_factory=GraphCounters)


@dataclass
class Version:
    """A version of a model, as the registry sees it."""

    version: int
    name: str = "moons"
    precision: str = "float32"
    forward: Graph = field(default_factory=Graph)
    inverse: Graph = field(default_factory=Graph)


def total(shared: SharedCounters, name: str) -> float:
    """The sum of all samples of this name."""
    metrics = PrometheusMetrics(shared, REJECTIONS, tuple, "onnx")
    return sum(each.value for family in metrics.collect() for each in family.samples if each.name == name)


def lines(shared: SharedCounters) -> int:
    """The number of samples of a scrape."""
    return sum(len(family.samples) for family in PrometheusMetrics(shared, REJECTIONS, tuple, "onnx").collect())


def count_one_request(registry: CounterRegistry, version: Version) -> None:
    """Count an answered request, a rejected one and an engine call."""
    timing = RequestTiming()
    timing.rows = 3
    registry.counters_for("log_prob", version).count(timing, 200, "")
    registry.counters_for("log_prob", version).count(RequestTiming(), 500, "internal")
    version.forward.counters.count_batch(3)


def test_five_hundred_swaps_leave_as_many_series_as_five() -> None:
    shared = SharedCounters()
    registry = CounterRegistry(shared, REJECTIONS)
    sizes, slots = {}, {}
    for number in range(1, 501):
        version = Version(number)
        count_one_request(registry, version)
        now = number * FORGET_SECONDS / 2
        registry.forget_withdrawn({("moons", str(number))}, now)
        if number not in {5, 6, 7, 100, 500}:
            continue
        sizes[number], slots[number] = lines(shared), len(shared.keys())
        assert total(shared, "diffeo_requests_total") == 2 * number
        assert total(shared, "diffeo_rows_total") == 3 * number
        assert total(shared, "diffeo_requests_rejected_total") == number
        assert total(shared, "diffeo_batch_rows_sum") == 3 * number
    assert sizes[500] == sizes[5]
    assert slots[500] == slots[5]


def test_a_withdrawn_version_is_exported_until_prometheus_has_read_it() -> None:
    shared = SharedCounters()
    registry = CounterRegistry(shared, REJECTIONS)
    count_one_request(registry, Version(1))
    registry.forget_withdrawn(set(), 0.0)
    registry.forget_withdrawn(set(), FORGET_SECONDS - 1)
    assert any(key[3] == "1" for key in shared.keys())  # noqa: SIM118  (no dict)
    registry.forget_withdrawn(set(), FORGET_SECONDS)
    assert {key[3] for key in shared.keys()} == {"withdrawn"}  # noqa: SIM118


def test_a_request_that_outlives_its_version_is_counted() -> None:
    shared = SharedCounters()
    registry = CounterRegistry(shared, REJECTIONS)
    version = Version(1)
    endpoint = registry.counters_for("log_prob", version)
    version.forward.counters.set_queued_rows(5)
    for now in (0.0, FORGET_SECONDS):
        registry.forget_withdrawn(set(), now)
    endpoint.count(RequestTiming(), 200, "")
    version.forward.counters.set_queued_rows(0)
    version.forward.counters.count_batch(4)
    assert total(shared, "diffeo_requests_total") == 1
    assert total(shared, "diffeo_queued_rows") == 0
    assert total(shared, "diffeo_batch_rows_sum") == 4


def test_a_version_that_comes_back_counts_again() -> None:
    shared = SharedCounters()
    registry = CounterRegistry(shared, REJECTIONS)
    count_one_request(registry, Version(1))
    for now in (0.0, FORGET_SECONDS):
        registry.forget_withdrawn(set(), now)
    count_one_request(registry, Version(1))
    assert total(shared, "diffeo_requests_total") == 4
    (values,) = [values for key, values in shared.sums().items() if key[:4] == ("endpoint", "log_prob", "moons", "1")]
    assert counters.answered(values) == 1


def test_the_counts_that_an_ended_process_left_are_forgotten_too(new_counters: Callable[[], SharedCounters]) -> None:
    first = new_counters()
    count_one_request(CounterRegistry(first, REJECTIONS), Version(1))
    first.close()
    second = new_counters()
    registry = CounterRegistry(second, REJECTIONS)
    for now in (0.0, FORGET_SECONDS):
        registry.forget_withdrawn({("moons", "2")}, now)
    assert {key[3] for key in second.keys()} == {"withdrawn"}  # noqa: SIM118
    assert total(second, "diffeo_rows_total") == 3


@pytest.mark.parametrize("models", [1000])
def test_a_thousand_models_in_two_processes_are_all_exported(
    new_counters: Callable[[], SharedCounters], models: int
) -> None:
    registries = [CounterRegistry(new_counters(), REJECTIONS) for _ in range(2)]
    for number in range(models):
        for registry in registries:
            count_one_request(registry, Version(1, f"model{number}"))
    assert total(registries[0].shared, "diffeo_rows_total") == 2 * 3 * models
