"""Summaries of the raw results: medians over the rounds and ratios of medians; None where nothing was measured."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from benchmarks.serving.load.wrk import Load
from benchmarks.serving.scenarios import fairness, in_process, precision, sampling
from benchmarks.serving.scenarios.results import LoadResult, Results, ServerRun

Metric = Callable[[LoadResult], float]
SMALL_GRAPH: Final = "flow64"
NPY: Final = Load(1024, 8, "npy")


def requests_per_second(load: LoadResult) -> float:
    """Answered requests per second."""
    return load.requests_per_second


def rows_per_second(load: LoadResult) -> float:
    """Rows of answered requests per second."""
    return load.rows_per_second


def p50(load: LoadResult) -> float:
    """Median latency in milliseconds."""
    return load.p50_ms


def p99(load: LoadResult) -> float:
    """99th percentile of the latency in milliseconds."""
    return load.p99_ms


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians and ratios of one results file."""

    results: Results

    def runs(self, server: str, graph: str) -> list[ServerRun]:
        """The runs of one server with one graph."""
        return [run for run in self.results.runs if (run.server, run.graph) == (server, graph)]

    def loads(self, server: str, graph: str, load: Load) -> list[LoadResult]:
        """One load in every round."""
        return [result for run in self.runs(server, graph) for result in run.loads if result.load == load.key]

    def failure(self, server: str, graph: str) -> str | None:
        """Why a server has no measurement for a graph; None if it has one."""
        runs = self.runs(server, graph)
        failures = [run.failure for run in runs if run.failure]
        return failures[0] if failures and len(failures) == len(runs) else None

    def median(self, server: str, graph: str, load: Load, metric: Metric) -> float | None:
        """Median of the metric over the rounds."""
        return median(metric(result) for result in self.loads(server, graph, load))

    def times(self, server: str, other: str, load: Load, metric: Metric = requests_per_second) -> float | None:
        """The metric of one server divided by that of another, on the small graph."""
        return ratio(self.median(server, SMALL_GRAPH, load, metric), self.median(other, SMALL_GRAPH, load, metric))

    def ready_seconds(self, server: str) -> float | None:
        """Seconds from the start of the process to the first answer, on the small graph."""
        return median(run.ready_seconds for run in self.runs(server, SMALL_GRAPH) if not run.failure)

    def memory_mb(self, server: str) -> float | None:
        """Largest memory after any load on the small graph, MB."""
        return median(
            max(result.memory_bytes for result in run.loads) / 1e6
            for run in self.runs(server, SMALL_GRAPH)
            if run.loads
        )

    def errors(self, server: str) -> int | None:
        """Number of errors over all loads and rounds."""
        loads = [result for run in self.results.runs if run.server == server for result in run.loads]
        return sum(result.errors for result in loads) if loads else None

    def in_process(self, graph: str, metric: Callable[[in_process.InProcess], float]) -> float | None:
        """The metric of the graph without a server."""
        rounds = [name for name in self.results.scenarios if name.startswith(in_process.NAME)]
        found = [record for name in rounds for record in self.results.records(name, in_process.InProcess)]
        return median(metric(record) for record in found if record.graph == graph)

    def npy_share(self, server: str, graph: str) -> float | None:
        """Rows per second over HTTP in npy, divided by those in process."""
        without_server = self.in_process(graph, lambda found: found.rows_per_second)
        return ratio(self.median(server, graph, NPY, rows_per_second), without_server)

    def client_cores(self, server: str, graph: str) -> float | None:
        """Cores that wrk used during the npy load."""
        return self.median(server, graph, NPY, lambda result: result.client_cpu_seconds / result.seconds)

    def samples(self, name: str) -> list[sampling.SampleResult]:
        """Requests for a million rows in this format."""
        return [one for one in self.results.records("sampling", sampling.SampleResult) if one.format == name]

    def sample(self, name: str, metric: Callable[[sampling.SampleResult], float]) -> float | None:
        """Median of the metric over the requests for a million rows."""
        return median(metric(one) for one in self.samples(name) if not one.failure)

    def sample_failure(self, name: str) -> str | None:
        """Why the server gave no million rows in this format; None if it did."""
        return next((one.failure for one in self.samples(name) if one.failure), None)

    def sample_share(self, name: str) -> float | None:
        """Rows drawn per second over HTTP, divided by those in process."""
        without_server = self.in_process(SMALL_GRAPH, lambda found: found.draws_per_second)
        return ratio(self.sample(name, lambda one: sampling.ROWS / one.seconds), without_server)

    def growth_mb(self, name: str) -> float | None:
        """Largest growth of the server's memory over all requests for a million rows, MB."""
        growths = [(one.peak_bytes - one.before_bytes) / 1e6 for one in self.samples(name) if not one.failure]
        return max(growths, default=None)

    def fairness(self, heavy_load: str, metric: Callable[[fairness.FairnessResult], float]) -> float | None:
        """Median of the small client's metric beside this heavy load."""
        found = self.results.records("fairness", fairness.FairnessResult)
        return median(metric(result) for result in found if result.heavy_load == heavy_load)

    def fair_p99_ms(self) -> float | None:
        """The bound for fairness: three times the p99 of the small client alone, plus one chunk of another client."""
        alone = self.fairness(fairness.ALONE, lambda result: result.p99_ms)
        chunk = self.in_process(fairness.GRAPH, lambda found: found.chunk_ms)
        return None if alone is None or chunk is None else 3 * alone + chunk

    def precision(self, name: str) -> float | None:
        """Rows per second of the wide flow in this precision."""
        found = self.results.records("precision", precision.PrecisionResult)
        return median(result.rows_per_second for result in found if result.precision == name)


def median(values: Iterable[float]) -> float | None:
    """The median; None if there are no values."""
    found = list(values)
    return statistics.median(found) if found else None


def ratio(value: float | None, other: float | None) -> float | None:
    """value / other; None if either is missing."""
    return None if value is None or not other else value / other
