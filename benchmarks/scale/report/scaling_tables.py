"""Renders the tables of docs/scaling.md from costs and measurements. Nothing here is simulated."""

import re
from collections.abc import Mapping
from typing import Final

from benchmarks.markdown import dollars, duration, estimate, number, percent, signed_percent, table
from benchmarks.scale.costs.costs import Costs
from benchmarks.scale.costs.job_measurements import JobMeasurements
from benchmarks.scale.costs.serving_measurements import LOADS, ServingMeasurements
from benchmarks.scale.formulas import formulas
from benchmarks.scale.formulas.estimates import (
    BILLION,
    REPLICAS,
    TRILLION,
    WORKLOADS,
    estimate_gpus,
    estimate_workload,
)

MARKED_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
GBIT: Final = 8e-9  # of one byte
NO_PROXY: Final = "no proxy"


def fill(text: str, tables: Mapping[str, str]) -> str:
    """Replaces the content between the marks of each table."""
    return MARKED_TABLE.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n\n{found[3]}", text)


def tables(costs: Costs, serving: ServingMeasurements, jobs: JobMeasurements) -> dict[str, str]:
    """All tables by name."""
    return {
        "conditions": f"`benchmarks/results/serving.json`, {serving.conditions}.",
        "measured": _measured(costs, serving),
        "steps": _steps(costs),
        "files": _files(jobs),
        "saturation": _saturation(costs),
        "price": _price(costs),
        "gpus": _gpus(costs),
        "storage": _storage(costs),
    }


def _measured(costs: Costs, serving: ServingMeasurements) -> str:
    head = ["JSON, flow64", "1 worker, requests/s", "2 workers, requests/s", "ratio", "2 workers, rows/s"]
    head += ["2 workers, p99, ms", "2 workers, CPU per request, ms", "by the formula", "difference"]
    rows = []
    replica = costs.replica()
    for key, (size, per_turn) in LOADS.items():
        one, two = serving.load("diffeo-1", key), serving.load("diffeo", key)
        predicted = replica.seconds(size) + replica.turn_seconds / per_turn
        rows.append(
            [
                f"{size:,} row{'s' * (size > 1)}, {key.partition('x')[2]} connection{'s' * (key[-2:] != 'x1')}",
                number(one.requests_per_second),
                number(two.requests_per_second),
                number(two.requests_per_second / one.requests_per_second),
                number(two.rows_per_second),
                number(two.p99_ms),
                number(two.cpu_seconds * 1e3),
                number(predicted * 1e3),
                signed_percent(predicted / two.cpu_seconds - 1),
            ]
        )
    return table(head, rows)


def _steps(costs: Costs) -> str:
    rows = [
        ("c: read, check and answer one request", costs.request_seconds * 1e3, "ms"),
        ("a: one turn of the event loop and one call of the engine", costs.turn_seconds * 1e3, "ms"),
        *((f"p: parse and write one row, {name}", p * 1e9, "ns") for name, p in costs.read_seconds.items()),
        *((f"b: arithmetic of one row, {graph}", b * 1e9, "ns") for graph, b in costs.row_seconds.items()),
        ("memory of one more replica", costs.memory_bytes / 1e6, "MB"),
        (f"memory of {REPLICAS:,} replicas", REPLICAS * costs.memory_bytes / 1e9, "GB"),
    ]
    return table(["step", "cost"], [[name, f"{number(value)} {unit}"] for name, value, unit in rows])


def _files(jobs: JobMeasurements) -> str:
    drawn = jobs.drawn_per_second
    rows = [
        (f"{jobs.scored_rows:,} rows of Parquet scored, rows/s", jobs.rows_per_second),
        ("the same rows in memory, without files, rows/s", jobs.in_memory),
        (f"blocks/s, of {jobs.block_rows:,} rows", jobs.blocks_per_second),
        *((f"{jobs.drawn_rows:,} rows drawn, rows/s, workers: {count}", rate) for count, rate in drawn.items()),
        ("peak memory of the job, MB", jobs.peak_bytes / 1e6),
        ("read, match and write one row on one core, without its arithmetic, ns", jobs.read_seconds_per_row * 1e9),
    ]
    return table(["files, `models/moons`, two cores", ""], [[name, number(value)] for name, value in rows])


def _saturation(costs: Costs) -> str:
    head = [
        "workload",
        "rows/s per core",
        "share of arithmetic",
        "replicas per proxy core",
        "replicas per core of a proxy in Python",
        f"proxy cores for {REPLICAS:,} replicas",
        f"Gbit/s of {REPLICAS:,} replicas",
        f"10^12 rows on {REPLICAS:,} replicas",
    ]
    rows = []
    for found in (estimate_workload(costs, workload) for workload in WORKLOADS):
        proxied = found.workload.body_format is not None
        rows.append(
            [
                found.workload.name,
                estimate(found.core_rate),
                percent(found.arithmetic),
                estimate(found.per_proxy_core) if proxied else NO_PROXY,
                estimate(found.per_python_proxy_core) if proxied else NO_PROXY,
                estimate(REPLICAS / found.per_proxy_core) if proxied else NO_PROXY,
                estimate(REPLICAS * found.bytes_per_second * GBIT),
                duration(found.seconds(REPLICAS)),
            ]
        )
    return table(head, rows)


def _price(costs: Costs) -> str:
    graphs = list(costs.row_seconds)
    head = ["workload", *(f"{graph}, {unit}" for graph in graphs for unit in ("core hours", "dollars"))]
    rows = []
    for workload in WORKLOADS:
        hours = [estimate_workload(costs, workload, graph).core_hours for graph in graphs]
        paid = [(estimate(one), dollars(one * costs.machine.dollars_per_core_hour)) for one in hours]
        rows.append([workload.name, *(cell for cells in paid for cell in cells)])
    return table(head, rows)


def _gpus(costs: Costs) -> str:
    head = ["GPU", "graph", "rows/s", "limited by", "Gbit/s", "cores that parse JSON for it", "10^12 rows", "dollars"]
    rows = [
        [
            found.gpu.name,
            found.graph,
            estimate(found.rate),
            found.limit,
            estimate(found.bytes_per_second * GBIT),
            estimate(found.parsing_cores),
            duration(TRILLION / found.rate),
            dollars(found.dollars),
        ]
        for found in estimate_gpus(costs)
    ]
    return table(head, rows)


def _storage(costs: Costs) -> str:
    bulk, storage = costs.bulk, costs.storage
    core = formulas.bulk_core_rate(bulk, costs.row_seconds["flow64"])
    blocks = BILLION / bulk.block_rows
    rates = (
        ("blocks/s of one core, assumed", core / bulk.block_rows),
        ("cores that fill one link of 10 Gbit/s", storage.machine_bytes_per_second / (core * bulk.row_bytes)),
        ("cores that fill the store", storage.store_bytes_per_second / (core * bulk.row_bytes)),
        (f"blocks/s of {REPLICAS:,} cores", REPLICAS * core / bulk.block_rows),
        (f"prefixes for {REPLICAS:,} cores", formulas.prefixes(storage, bulk, REPLICAS * core)),
        ("TB of 10^12 rows, in and out", TRILLION * bulk.row_bytes / 1e12),
    )
    prices = (
        ("dollars for 10^9 rows: requests to the store", blocks * (storage.read_dollars + storage.write_dollars)),
        ("dollars for 10^9 rows: storage for a month", BILLION * bulk.row_bytes * storage.month_dollars_per_byte),
    )
    rows = [[name, estimate(value)] for name, value in rates] + [[name, dollars(value)] for name, value in prices]
    return table(["files, flow64", ""], rows)
