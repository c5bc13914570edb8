"""The simulation obeys the laws of queues, agrees with its formulas, and docs/scaling.md holds their numbers."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale.costs.costs import COSTS, Costs, ReplicaCosts
from benchmarks.scale.costs.job_measurements import JobMeasurements
from benchmarks.scale.costs.request_mix import MIX
from benchmarks.scale.costs.serving_measurements import ServingMeasurements
from benchmarks.scale.formulas import formulas
from benchmarks.scale.report import scaling_tables
from benchmarks.scale.simulation.bulk_job import BulkJob, simulate_job
from benchmarks.scale.simulation.routing import ROUTERS
from benchmarks.scale.simulation.simulation import Fleet, Outcome, simulate
from benchmarks.scale.simulation.traffic import ClosedTraffic, OpenTraffic, Traffic, bursts, poisson, sizes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
# c = 0.2 ms, a = 0.3 ms, p + b = 2 us. The arithmetic of a chunk takes 1.5 ms.
REPLICA = ReplicaCosts(0.2e-3, 0.3e-3, 0.5e-6, 1.5e-6)
ONE = {1: 1.0}
SEED = 3


def generator() -> np.random.Generator:
    return np.random.default_rng((SEED, 1))


def equal_requests(rate: float, rows: int = 1, count: int = 10_000) -> OpenTraffic:
    return poisson(rate, np.full(count, rows), generator())


def mixed_requests(rate: float, count: int = 3_000) -> OpenTraffic:
    return poisson(rate, sizes(MIX, count, generator()), generator())


def closed_traffic(connections: int, rows: int = 1, count: int = 6_000) -> ClosedTraffic:
    return ClosedTraffic(connections, np.full(count, rows))


def contents(outcome: Outcome) -> list[object]:
    return [
        outcome.left.tolist(),
        outcome.rejected.tolist(),
        outcome.busy_seconds.tolist(),
        outcome.turns,
        outcome.longest_queue,
    ]


@pytest.mark.parametrize("policy", ROUTERS)
def test_the_same_seed_gives_the_same_answer(policy: str) -> None:
    fleet = Fleet(REPLICA, 5, policy, 3, Costs.read().proxy)
    first, again = (simulate(fleet, mixed_requests(8_000), SEED) for _ in range(2))
    assert contents(first) == contents(again)


def test_another_seed_gives_another_answer() -> None:
    first, other = (simulate(Fleet(REPLICA, 5), mixed_requests(8_000), seed) for seed in (1, 2))
    assert contents(first) != contents(other)


@pytest.mark.parametrize("policy", ROUTERS)
@pytest.mark.parametrize("traffic", [mixed_requests(20_000), closed_traffic(40, 64)], ids=["open", "closed"])
@pytest.mark.parametrize(("queue_rows", "limit"), [(2**53, None), (3_000, None), (2**53, 6)])
def test_every_request_is_answered_or_rejected(
    policy: str, traffic: Traffic, queue_rows: int, limit: int | None
) -> None:
    fleet = Fleet(replace(REPLICA, queue_rows=queue_rows), 3, policy, 2, limit=limit)
    outcome = simulate(fleet, traffic, SEED)
    assert not np.isnan(outcome.left).any()
    assert np.count_nonzero(outcome.answered) + np.count_nonzero(outcome.rejected) == len(traffic.rows)
    assert outcome.computed_rows == outcome.rows[outcome.answered].sum()
    if isinstance(traffic, OpenTraffic) and (limit or queue_rows == 3_000):
        assert 0 < np.count_nonzero(outcome.rejected) < len(traffic.rows)


@given(
    rows=st.lists(st.integers(1, 5_000), min_size=1, max_size=30),
    gap=st.floats(0, 5e-3),
    gather=st.sampled_from([None, 1, 3]),
)
def test_no_request_is_answered_sooner_than_at_an_idle_replica(rows: list[int], gap: float, gather: int | None) -> None:
    traffic = OpenTraffic(gap * np.arange(float(len(rows))), np.array(rows))
    outcome = simulate(Fleet(REPLICA, gather=gather), traffic, SEED)
    for size, latency in zip(rows, outcome.left - outcome.arrived, strict=True):
        alone = OpenTraffic(np.zeros(1), np.array([size]))
        idle = simulate(Fleet(REPLICA), alone, SEED)
        assert latency >= idle.left[0] - idle.arrived[0] - 1e-9


@given(rows=st.lists(st.integers(1, 5_000), min_size=1, max_size=30), gap=st.floats(0, 5e-3))
def test_the_core_is_never_idle_while_a_request_waits(rows: list[int], gap: float) -> None:
    traffic = OpenTraffic(gap * np.arange(float(len(rows))), np.array(rows))
    outcome = simulate(Fleet(REPLICA), traffic, SEED)
    busy, until = 0.0, 0.0
    for arrived, left in sorted(zip(outcome.arrived, outcome.left, strict=True)):
        busy += max(0.0, left - max(arrived, until))
        until = max(until, left)
    assert outcome.busy_seconds.sum() == pytest.approx(busy)


@pytest.mark.parametrize("rows", [1, 64, 1024])
def test_the_latency_at_an_idle_replica_matches_the_formula(rows: int) -> None:
    outcome = simulate(Fleet(REPLICA), OpenTraffic(np.arange(20.0), np.full(20, rows)), SEED)
    assert outcome.latencies == pytest.approx(formulas.idle_latency(REPLICA, rows))


@pytest.mark.parametrize("load", [0.4, 0.7])
def test_one_request_per_turn_matches_the_pollaczek_khinchine_formula(load: float) -> None:
    rate = load / formulas.idle_latency(REPLICA, 1)
    outcome = simulate(Fleet(REPLICA, gather=1), equal_requests(rate, count=30_000), SEED)
    assert outcome.mean == pytest.approx(formulas.unbatched_latency(REPLICA, ONE, rate), rel=0.04)
    assert outcome.utilisation == pytest.approx(load, rel=0.03)


def test_the_latency_of_bursts_matches_the_formula() -> None:
    rate = 0.4 / formulas.idle_latency(REPLICA, 1)
    traffic = bursts(rate, 4.0, np.full(30_000, 1), generator())
    outcome = simulate(Fleet(REPLICA, gather=1), traffic, SEED)
    assert outcome.mean == pytest.approx(formulas.unbatched_latency(REPLICA, ONE, rate, 4.0), rel=0.06)


@pytest.mark.parametrize("load", [0.2, 0.6, 0.9])
def test_the_mean_latency_with_batching_is_just_below_its_upper_bound(load: float) -> None:
    rate = load * formulas.saturation(REPLICA, ONE)
    mean = simulate(Fleet(REPLICA), equal_requests(rate, count=20_000), SEED).mean
    bound = formulas.batched_latency(REPLICA, ONE, rate)
    assert 0.93 * bound < mean < 1.02 * bound


@pytest.mark.parametrize(("rows", "replicas"), [(1, 1), (64, 1), (1024, 1), (1, 4)])
def test_the_rate_of_closed_traffic_matches_the_formula(rows: int, replicas: int) -> None:
    expected = replicas * formulas.closed_rate(REPLICA, rows, 32)
    outcome = simulate(Fleet(REPLICA, replicas, "fewest"), closed_traffic(32 * replicas, rows), SEED)
    assert outcome.requests_per_second == pytest.approx(expected, rel=0.04)


def test_one_proxy_core_limits_the_rate_of_many_replicas() -> None:
    proxy = Costs.read().proxy
    outcome = simulate(Fleet(REPLICA, 30, "in turn", 1, proxy), closed_traffic(480, count=8_000), SEED)
    assert outcome.requests_per_second == pytest.approx(1 / proxy.seconds(1, "json"), rel=0.02)


def test_batches_form_only_under_load() -> None:
    idle, busy = (simulate(Fleet(REPLICA), equal_requests(rate), SEED).batch_rows for rate in (50, 4_000))
    assert idle < 1.05
    assert busy > 3


def simulate_with_large_requests(large: list[int], small: OpenTraffic) -> Outcome:
    """Large requests that all arrive at time 0, and small ones."""
    times = np.append(np.zeros(len(large)), small.times)
    return simulate(Fleet(REPLICA), OpenTraffic(times, np.append(large, small.rows)), SEED)


def test_large_requests_do_not_delay_small_ones() -> None:
    outcome = simulate_with_large_requests([20_000] * 20, equal_requests(500, count=500))
    chunk = REPLICA.turn_seconds + REPLICA.seconds(REPLICA.chunk_rows)
    assert (outcome.left - outcome.arrived)[-500:].max() < 20 * REPLICA.request_seconds + 3 * chunk


def test_small_requests_do_not_starve_large_ones() -> None:
    outcome = simulate(Fleet(REPLICA), ClosedTraffic(64, np.append(20_000, np.full(6_000, 64))), SEED)
    assert outcome.left[0] < 0.3 * outcome.left.max()


def test_a_large_request_does_not_wait_for_the_end_of_a_larger_one() -> None:
    larger, large = simulate_with_large_requests([200_000, 5_000], equal_requests(10, count=2)).left[:2]
    assert large < 0.1 * larger


def test_two_choices_have_a_shorter_tail_than_random_routing() -> None:
    fleets = [Fleet(REPLICA, 100, policy) for policy in ("random", "two choices", "fewest")]
    rate = 90 * formulas.saturation(REPLICA, MIX)
    random, two, fewest = (simulate(fleet, mixed_requests(rate, 12_000), SEED) for fleet in fleets)
    assert two.quantile(0.99) < 0.8 * random.quantile(0.99)
    assert fewest.quantile(0.99) <= 1.05 * two.quantile(0.99)


def test_random_routing_and_two_choices_match_their_formulas() -> None:
    service = ReplicaCosts(0.0, 0.0, 0.0, 1e-3, chunk_rows=2**40, inline_seconds=1e9)
    random_stream = generator()
    traffic = poisson(0.7 * 100, random_stream.geometric(1e-3, size=20_000), random_stream)
    random, two = (
        simulate(Fleet(service, 100, policy, gather=1), traffic, SEED) for policy in ("random", "two choices")
    )
    assert random.mean == pytest.approx(formulas.random_sojourn(0.7), rel=0.1)
    assert two.mean == pytest.approx(formulas.two_choices_sojourn(0.7), rel=0.05)


def test_overload_lowers_the_answered_rate_with_a_full_queue_but_not_with_a_limit_at_the_proxy() -> None:
    short = replace(REPLICA, queue_rows=10_000)
    large = {1024: 1.0}
    saturation = formulas.saturation(short, large)
    twice, limited = (
        simulate(Fleet(short, limit=limit), equal_requests(2 * saturation, 1024, 6_000), SEED).requests_per_second
        for limit in (None, 8)
    )
    assert twice == pytest.approx(formulas.goodput(short, large, 2 * saturation), rel=0.05)
    assert twice < 0.9 * saturation
    assert limited == pytest.approx(saturation, rel=0.03)


@pytest.mark.parametrize("workers", [4, 400])
def test_the_rate_of_a_job_over_one_link_matches_its_bound(workers: int) -> None:
    costs = Costs.read()
    link, row_seconds = costs.storage.machine_bytes_per_second, costs.row_seconds["flow64"]
    expected = formulas.bulk_rate(costs.bulk, row_seconds, workers, link)
    assert simulate_job(BulkJob(costs.bulk, workers, row_seconds, link), 40 * workers, SEED).rate == pytest.approx(
        expected, rel=0.06
    )


def test_every_cost_has_a_comment_with_its_reason() -> None:
    lines = COSTS.read_text(encoding="utf-8").splitlines()
    table = ""
    for line in lines:
        table = line if line.startswith("[") else table
        if re.match(r"\w+ = [0-9]", line) and not table.startswith(("[[", "[replica.")):
            assert "#" in line or "#" in table, line


def tables() -> dict[str, str]:
    return scaling_tables.tables(Costs.read(), ServingMeasurements(), JobMeasurements())


def test_the_tables_of_the_page_are_rendered_from_the_costs() -> None:
    filled = scaling_tables.fill(PAGE, tables())
    assert filled == PAGE, "run python -m benchmarks.scale --tables"


def test_the_page_has_every_table() -> None:
    assert set(re.findall(r"<!-- table: (\w+) -->", PAGE)) == set(tables())


def test_every_link_of_the_page_points_to_a_file() -> None:
    for target in re.findall(r"\]\(([^)h#][^)#]*)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
