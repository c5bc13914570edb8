"""The simulation obeys the laws of queues and agrees with its formulas, and docs/scaling.md says what they say."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale import formulas, page
from benchmarks.scale.costs import COSTS, Costs, ReplicaCosts
from benchmarks.scale.crew import Crew, work
from benchmarks.scale.files import Files
from benchmarks.scale.measured import Measured
from benchmarks.scale.routing import ROUTERS
from benchmarks.scale.simulation import Fleet, Outcome, simulate
from benchmarks.scale.traffic import MIX, Closed, Open, Traffic, bursts, poisson, sizes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
# c = 0.2 ms, a = 0.3 ms, p + b = 2 us; a chunk takes 1.5 ms of arithmetic.
REPLICA = ReplicaCosts(0.2e-3, 0.3e-3, 0.5e-6, 1.5e-6)
ONE = {1: 1.0}
SEED = 3


def generator() -> np.random.Generator:
    return np.random.default_rng((SEED, 1))


def coming(rate: float, rows: int = 1, count: int = 10_000) -> Open:
    return poisson(rate, np.full(count, rows), generator())


def mixed(rate: float, count: int = 3_000) -> Open:
    return poisson(rate, sizes(MIX, count, generator()), generator())


def asking(connections: int, rows: int = 1, count: int = 6_000) -> Closed:
    return Closed(connections, np.full(count, rows))


def figures(outcome: Outcome) -> list[object]:
    return [outcome.left.tolist(), outcome.refused.tolist(), outcome.seconds.tolist(), outcome.turns, outcome.longest]


@pytest.mark.parametrize("policy", ROUTERS)
def test_the_same_seed_gives_the_same_answer(policy: str) -> None:
    fleet = Fleet(REPLICA, 5, policy, 3, Costs.read().proxy)
    first, again = (simulate(fleet, mixed(8_000), SEED) for _ in range(2))
    assert figures(first) == figures(again)


def test_another_seed_gives_another_answer() -> None:
    first, other = (simulate(Fleet(REPLICA, 5), mixed(8_000), seed) for seed in (1, 2))
    assert figures(first) != figures(other)


@pytest.mark.parametrize("policy", ROUTERS)
@pytest.mark.parametrize("traffic", [mixed(20_000), asking(40, 64)], ids=["open", "closed"])
@pytest.mark.parametrize(("queue_rows", "limit"), [(2**53, None), (3_000, None), (2**53, 6)])
def test_every_request_is_answered_or_refused(
    policy: str, traffic: Traffic, queue_rows: int, limit: int | None
) -> None:
    fleet = Fleet(replace(REPLICA, queue_rows=queue_rows), 3, policy, 2, limit=limit)
    outcome = simulate(fleet, traffic, SEED)
    assert not np.isnan(outcome.left).any()
    assert np.count_nonzero(outcome.answered) + np.count_nonzero(outcome.refused) == len(traffic.rows)
    assert outcome.computed == outcome.rows[outcome.answered].sum()
    if isinstance(traffic, Open) and (limit or queue_rows == 3_000):
        assert 0 < np.count_nonzero(outcome.refused) < len(traffic.rows)


@given(
    rows=st.lists(st.integers(1, 5_000), min_size=1, max_size=30),
    gap=st.floats(0, 5e-3),
    gather=st.sampled_from([None, 1, 3]),
)
def test_nobody_is_answered_sooner_than_alone(rows: list[int], gap: float, gather: int | None) -> None:
    traffic = Open(gap * np.arange(len(rows)), np.array(rows))
    outcome = simulate(Fleet(REPLICA, gather=gather), traffic, SEED)
    for brought, latency in zip(rows, outcome.left - outcome.came, strict=True):
        alone = Open(np.zeros(1), np.array([brought]))
        quickest = simulate(Fleet(REPLICA), alone, SEED)
        assert latency >= quickest.left[0] - quickest.came[0] - 1e-9


@given(rows=st.lists(st.integers(1, 5_000), min_size=1, max_size=30), gap=st.floats(0, 5e-3))
def test_the_core_is_never_idle_while_something_waits(rows: list[int], gap: float) -> None:
    traffic = Open(gap * np.arange(len(rows)), np.array(rows))
    outcome = simulate(Fleet(REPLICA), traffic, SEED)
    present = [(came, left) for came, left in zip(outcome.came, outcome.left, strict=True)]
    busy, until = 0.0, 0.0
    for came, left in sorted(present):
        busy += max(0.0, left - max(came, until))
        until = max(until, left)
    assert outcome.seconds.sum() == pytest.approx(busy)


@pytest.mark.parametrize("rows", [1, 64, 1024])
def test_an_idle_replica_takes_what_the_formula_says(rows: int) -> None:
    outcome = simulate(Fleet(REPLICA), Open(np.arange(20.0), np.full(20, rows)), SEED)
    assert outcome.latencies == pytest.approx(formulas.idle_latency(REPLICA, rows))


@pytest.mark.parametrize("load", [0.4, 0.7])
def test_a_turn_each_is_pollaczek_and_khinchine(load: float) -> None:
    rate = load / formulas.idle_latency(REPLICA, 1)
    outcome = simulate(Fleet(REPLICA, gather=1), coming(rate, count=30_000), SEED)
    assert outcome.mean == pytest.approx(formulas.unbatched_latency(REPLICA, ONE, rate), rel=0.04)
    assert outcome.utilisation == pytest.approx(load, rel=0.03)


def test_bursts_wait_for_each_other_as_the_formula_says() -> None:
    rate = 0.4 / formulas.idle_latency(REPLICA, 1)
    traffic = bursts(rate, 4.0, np.full(30_000, 1), generator())
    outcome = simulate(Fleet(REPLICA, gather=1), traffic, SEED)
    assert outcome.mean == pytest.approx(formulas.unbatched_latency(REPLICA, ONE, rate, 4.0), rel=0.06)


@pytest.mark.parametrize("load", [0.2, 0.6, 0.9])
def test_the_batchers_mean_is_just_below_its_bound(load: float) -> None:
    rate = load * formulas.saturation(REPLICA, ONE)
    mean = simulate(Fleet(REPLICA), coming(rate, count=20_000), SEED).mean
    bound = formulas.batched_latency(REPLICA, ONE, rate)
    assert 0.93 * bound < mean < 1.02 * bound


@pytest.mark.parametrize(("rows", "replicas"), [(1, 1), (64, 1), (1024, 1), (1, 4)])
def test_saturation_is_what_the_formula_says(rows: int, replicas: int) -> None:
    expected = replicas * formulas.closed_rate(REPLICA, rows, 32)
    outcome = simulate(Fleet(REPLICA, replicas, "fewest"), asking(32 * replicas, rows), SEED)
    assert outcome.requests_per_second == pytest.approx(expected, rel=0.04)


def test_a_proxy_ends_what_replicas_could_give() -> None:
    proxy = Costs.read().proxy
    outcome = simulate(Fleet(REPLICA, 30, "in turn", 1, proxy), asking(480, count=8_000), SEED)
    assert outcome.requests_per_second == pytest.approx(1 / proxy.seconds(1, "json"), rel=0.02)


def test_batches_form_only_under_load() -> None:
    idle, busy = (simulate(Fleet(REPLICA), coming(rate), SEED).batch_rows for rate in (50, 4_000))
    assert idle < 1.05
    assert busy > 3


def together(large: list[int], small: Open) -> Outcome:
    """Large requests that all come at first, and small ones."""
    times = np.append(np.zeros(len(large)), small.times)
    return simulate(Fleet(REPLICA), Open(times, np.append(large, small.rows)), SEED)


def test_large_requests_do_not_hold_up_small_ones() -> None:
    outcome = together([20_000] * 20, coming(500, count=500))
    chunk = REPLICA.turn_seconds + REPLICA.own(REPLICA.chunk_rows)
    assert (outcome.left - outcome.came)[-500:].max() < 20 * REPLICA.request_seconds + 3 * chunk


def test_small_requests_do_not_hold_up_large_ones_for_ever() -> None:
    outcome = simulate(Fleet(REPLICA), Closed(64, np.append(20_000, np.full(6_000, 64))), SEED)
    assert outcome.left[0] < 0.3 * outcome.left.max()


def test_a_large_request_does_not_wait_for_a_larger_one() -> None:
    larger, large = together([200_000, 5_000], coming(10, count=2)).left[:2]
    assert large < 0.1 * larger


def test_choosing_the_better_of_two_shortens_the_longest_queue() -> None:
    fleets = [Fleet(REPLICA, 100, policy) for policy in ("random", "two choices", "fewest")]
    rate = 90 * formulas.saturation(REPLICA, MIX)
    random, two, fewest = (simulate(fleet, mixed(rate, 12_000), SEED) for fleet in fleets)
    assert two.quantile(0.99) < 0.8 * random.quantile(0.99)
    assert fewest.quantile(0.99) <= 1.05 * two.quantile(0.99)


def test_two_choices_reach_their_law() -> None:
    service = ReplicaCosts(0.0, 0.0, 0.0, 1e-3, chunk_rows=2**40, inline_seconds=1e9)
    dice = generator()
    traffic = poisson(0.7 * 100, dice.geometric(1e-3, size=20_000), dice)
    random, two = (
        simulate(Fleet(service, 100, policy, gather=1), traffic, SEED) for policy in ("random", "two choices")
    )
    assert random.mean == pytest.approx(formulas.random_sojourn(0.7), rel=0.1)
    assert two.mean == pytest.approx(formulas.two_choices_sojourn(0.7), rel=0.05)


def test_a_full_queue_answers_less_the_more_it_is_asked_and_a_limit_at_the_proxy_does_not() -> None:
    short = replace(REPLICA, queue_rows=10_000)
    large = {1024: 1.0}
    most = formulas.saturation(short, large)
    twice, limited = (
        simulate(Fleet(short, limit=limit), coming(2 * most, 1024, 6_000), SEED).requests_per_second
        for limit in (None, 8)
    )
    assert twice == pytest.approx(formulas.goodput(short, large, 2 * most), rel=0.05)
    assert twice < 0.9 * most
    assert limited == pytest.approx(most, rel=0.03)


@pytest.mark.parametrize("workers", [4, 400])
def test_a_job_over_one_wire_is_as_fast_as_its_bound(workers: int) -> None:
    costs = Costs.read()
    wire, row_seconds = costs.storage.machine_bytes_per_second, costs.row_seconds["flow64"]
    expected = formulas.bulk_rate(costs.bulk, row_seconds, workers, wire)
    assert work(Crew(costs.bulk, workers, row_seconds, wire), 40 * workers, SEED).rate == pytest.approx(
        expected, rel=0.06
    )


def test_every_figure_that_is_assumed_or_measured_has_its_reason() -> None:
    lines = COSTS.read_text(encoding="utf-8").splitlines()
    table = ""
    for line in lines:
        table = line if line.startswith("[") else table
        if re.match(r"\w+ = [0-9]", line) and not table.startswith(("[[", "[replica.")):
            assert "#" in line or "#" in table, line


def test_the_tables_of_the_page_follow_from_the_costs() -> None:
    filled = page.fill(PAGE, page.tables(Costs.read(), Measured(), Files()))
    assert filled == PAGE, "run python -m benchmarks.scale --tables"


def test_every_table_is_on_the_page() -> None:
    assert set(re.findall(r"<!-- table: (\w+) -->", PAGE)) == set(page.tables(Costs.read(), Measured(), Files()))


def test_every_file_it_points_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)h#][^)#]*)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
