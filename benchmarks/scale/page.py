"""The tables of docs/scaling.md, between their marks: rendered from costs and measurements, nothing simulated."""

import re
from collections.abc import Mapping
from typing import Final

from benchmarks.scale import formulas
from benchmarks.scale.costs import Costs
from benchmarks.scale.estimates import BILLION, REPLICAS, TRILLION, WAYS, card_estimates, estimate
from benchmarks.scale.files import Files
from benchmarks.scale.measured import LOADS, Measured
from benchmarks.scale.text import dollars, number, percent, round_number, signed, span, table

MARKED: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
BITS: Final = 8e-9  # Gbit of a byte


def fill(text: str, tables: Mapping[str, str]) -> str:
    """A page with each table that it marks."""
    return MARKED.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n\n{found[3]}", text)


def tables(costs: Costs, measured: Measured, files: Files) -> dict[str, str]:
    """By name; nothing of them is simulated."""
    return {
        "conditions": f"`benchmarks/serving.json`, {measured.conditions}.",
        "measured": _measured(costs, measured),
        "steps": _steps(costs),
        "files": _files(files),
        "saturation": _saturation(costs),
        "price": _price(costs),
        "cards": _cards(costs),
        "storage": _storage(costs),
    }


def _measured(costs: Costs, measured: Measured) -> str:
    head = ["JSON, flow64", "1 worker, requests/s", "2 workers, requests/s", "times", "2 workers, rows/s"]
    head += ["2 workers, p99, ms", "2 workers, CPU a request, ms", "by the formula", "differs"]
    rows = []
    replica = costs.replica()
    for key, (size, together) in LOADS.items():
        one, two = measured.load("diffeo-1", key), measured.load("diffeo", key)
        said = replica.own(size) + replica.turn_seconds / together
        rows.append(
            [
                f"{size:,} row{'s' * (size > 1)}, {key.partition('x')[2]} connection{'s' * (key[-2:] != 'x1')}",
                number(one.requests_per_second),
                number(two.requests_per_second),
                number(two.requests_per_second / one.requests_per_second),
                number(two.rows_per_second),
                number(two.p99_ms),
                number(two.cpu_seconds * 1e3),
                number(said * 1e3),
                signed(said / two.cpu_seconds - 1),
            ]
        )
    return table(head, rows)


def _steps(costs: Costs) -> str:
    rows = [
        ("c: read, check and answer one request", costs.request_seconds * 1e3, "ms"),
        ("a: one turn of the loop and one call of the engine", costs.turn_seconds * 1e3, "ms"),
        *((f"p: parse and write one row, {form}", p * 1e9, "ns") for form, p in costs.read_seconds.items()),
        *((f"b: arithmetic of one row, {graph}", b * 1e9, "ns") for graph, b in costs.row_seconds.items()),
        ("memory of one more replica", costs.memory_bytes / 1e6, "MB"),
        (f"memory of {REPLICAS:,} replicas", REPLICAS * costs.memory_bytes / 1e9, "GB"),
    ]
    return table(["step", "costs"], [[name, f"{number(figure)} {unit}"] for name, figure, unit in rows])


def _files(files: Files) -> str:
    drawn = files.drawn_per_second
    rows = [
        (f"{files.rows:,} rows of Parquet scored, rows/s", files.rows_per_second),
        ("the same rows in memory, without files, rows/s", files.in_memory),
        (f"blocks/s, of {files.block_rows:,} rows", files.blocks_per_second),
        *((f"{files.drawn:,} rows drawn, rows/s, workers: {count}", rate) for count, rate in drawn.items()),
        ("most that the job held, MB", files.held_bytes / 1e6),
        ("read, match and write one row, one core, beside its arithmetic, ns", files.read_seconds_per_row * 1e9),
    ]
    return table(["files, `models/moons`, two cores", ""], [[name, number(figure)] for name, figure in rows])


def _saturation(costs: Costs) -> str:
    head = [
        "way",
        "rows/s of a core",
        "of it arithmetic",
        "replicas that a proxy core feeds",
        "that one in Python feeds",
    ]
    head += [f"proxy cores for {REPLICAS:,}", f"Gbit/s of {REPLICAS:,}", f"10^12 rows on {REPLICAS:,}"]
    rows = []
    for found in (estimate(costs, way) for way in WAYS):
        proxied = found.way.form is not None
        rows.append(
            [
                found.way.name,
                round_number(found.core_rate),
                percent(found.arithmetic),
                round_number(found.fed) if proxied else "no proxy",
                round_number(found.fed_by_python) if proxied else "no proxy",
                round_number(REPLICAS / found.fed) if proxied else "no proxy",
                round_number(REPLICAS * found.wire * BITS),
                span(found.seconds(REPLICAS)),
            ]
        )
    return table(head, rows)


def _price(costs: Costs) -> str:
    graphs = list(costs.row_seconds)
    head = ["way", *(f"{graph}, {unit}" for graph in graphs for unit in ("core hours", "dollars"))]
    rows = []
    for way in WAYS:
        hours = [estimate(costs, way, graph).core_hours for graph in graphs]
        paid = [(round_number(one), dollars(one * costs.machine.dollars_per_core_hour)) for one in hours]
        rows.append([way.name, *(cell for cells in paid for cell in cells)])
    return table(head, rows)


def _cards(costs: Costs) -> str:
    head = ["card", "graph", "rows/s", "limited by", "Gbit/s", "cores that parse JSON for it", "10^12 rows", "dollars"]
    rows = [
        [
            found.card.name,
            found.graph,
            round_number(found.rate),
            found.limit,
            round_number(found.wire * BITS),
            round_number(found.parsing),
            span(TRILLION / found.rate),
            dollars(found.dollars),
        ]
        for found in card_estimates(costs)
    ]
    return table(head, rows)


def _storage(costs: Costs) -> str:
    bulk, storage = costs.bulk, costs.storage
    core = formulas.bulk_core_rate(bulk, costs.row_seconds["flow64"])
    blocks = BILLION / bulk.block_rows
    kept = BILLION * bulk.row_bytes * storage.month_dollars_per_byte
    wires = (
        ("blocks/s of one core, assumed", core / bulk.block_rows),
        ("cores that fill one wire of 10 Gbit/s", storage.machine_bytes_per_second / (core * bulk.row_bytes)),
        ("cores that fill the store", storage.store_bytes_per_second / (core * bulk.row_bytes)),
        (f"blocks/s of {REPLICAS:,} cores", REPLICAS * core / bulk.block_rows),
        (f"prefixes for {REPLICAS:,} cores", formulas.prefixes(storage, bulk, REPLICAS * core)),
        ("TB of 10^12 rows, in and out", TRILLION * bulk.row_bytes / 1e12),
    )
    paid = (
        ("dollars of 10^9 rows: asking the store", blocks * (storage.read_dollars + storage.write_dollars)),
        ("dollars of 10^9 rows: keeping them for a month", kept),
    )
    rows = [[name, round_number(figure)] for name, figure in wires] + [[name, dollars(sum_)] for name, sum_ in paid]
    return table(["files, flow64", ""], rows)
