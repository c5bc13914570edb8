"""What is read off the raw figures: medians over the rounds, ratios of medians; None where nothing was measured."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import fairness
import inprocess
import precision
import sampling
from load import Load
from results import Outcome, Results

Figure = Callable[[Outcome], float]
NPY: Final = Load(1024, 8, "npy")
NOTHING: Final = "-"
PRECISE: Final = 100  # from here on a figure has no decimals


def requests_per_second(outcome: Outcome) -> float:
    """Of one load."""
    return outcome.requests_per_second


def rows_per_second(outcome: Outcome) -> float:
    """Of one load."""
    return outcome.rows_per_second


def p50(outcome: Outcome) -> float:
    """Milliseconds."""
    return outcome.p50_ms


@dataclass(frozen=True, slots=True)
class Figures:
    """Questions to the results."""

    results: Results

    def outcomes(self, server: str, graph: str, load: Load) -> list[Outcome]:
        """Of every round."""
        visits = [visit for visit in self.results.visits if (visit.server, visit.graph) == (server, graph)]
        return [outcome for visit in visits for outcome in visit.outcomes if outcome.load == load.key]

    def fault(self, server: str, graph: str) -> str | None:
        """Why a server has no figures for a graph; None where it has."""
        visits = [visit for visit in self.results.visits if (visit.server, visit.graph) == (server, graph)]
        faults = [visit.fault for visit in visits if visit.fault]
        return faults[0] if faults and len(faults) == len(visits) else None

    def median(self, server: str, graph: str, load: Load, figure: Figure) -> float | None:
        """Over the rounds."""
        return median(figure(outcome) for outcome in self.outcomes(server, graph, load))

    def times(self, server: str, other: str, load: Load, figure: Figure = requests_per_second) -> float | None:
        """The figure of one server in that of another, on the small graph."""
        return ratio(self.median(server, "flow64", load, figure), self.median(other, "flow64", load, figure))

    def ready_seconds(self, server: str) -> float | None:
        """From the start of the process to the first answer, the small graph."""
        return median(
            visit.ready_seconds
            for visit in self.results.visits
            if (visit.server, visit.graph) == (server, "flow64") and not visit.fault
        )

    def memory_mb(self, server: str) -> float | None:
        """The most after any of the loads on the small graph."""
        return median(
            max(outcome.memory_bytes for outcome in visit.outcomes) / 1e6
            for visit in self.results.visits
            if (visit.server, visit.graph) == (server, "flow64") and visit.outcomes
        )

    def errors(self, server: str) -> int | None:
        """Over all loads and rounds."""
        outcomes = [outcome for visit in self.results.visits if visit.server == server for outcome in visit.outcomes]
        return sum(outcome.errors for outcome in outcomes) if outcomes else None

    def ceiling(self, graph: str, figure: Callable[[inprocess.Ceiling], float]) -> float | None:
        """In process."""
        rounds = [name for name in self.results.scenarios if name.startswith(inprocess.NAME)]
        found = [ceiling for name in rounds for ceiling in self.results.records(name, inprocess.Ceiling)]
        return median(figure(ceiling) for ceiling in found if ceiling.graph == graph)

    def npy_share(self, server: str, graph: str) -> float | None:
        """Rows per second over HTTP in npy, of those in process with the machine to themselves."""
        ceiling = self.ceiling(graph, lambda found: found.rows_per_second)
        return ratio(self.median(server, graph, NPY, rows_per_second), ceiling)

    def client_cores(self, server: str, graph: str) -> float | None:
        """Cores that wrk kept busy meanwhile."""
        return self.median(server, graph, NPY, lambda outcome: outcome.client_cpu_seconds / outcome.seconds)

    def samples(self, form: str) -> list[sampling.Sample]:
        """Draws of a million rows."""
        return [one for one in self.results.records("sampling", sampling.Sample) if one.form == form]

    def sample(self, form: str, figure: Callable[[sampling.Sample], float]) -> float | None:
        """Median over the draws."""
        return median(figure(one) for one in self.samples(form) if not one.fault)

    def sample_share(self, form: str) -> float | None:
        """Rows drawn per second over HTTP, of those in process."""
        ceiling = self.ceiling("flow64", lambda found: found.draws_per_second)
        return ratio(self.sample(form, lambda one: sampling.ROWS / one.seconds), ceiling)

    def growth_mb(self, form: str) -> float | None:
        """The most that the server grew by while it drew, over all draws."""
        grown = [(one.peak_bytes - one.before_bytes) / 1e6 for one in self.samples(form) if not one.fault]
        return max(grown, default=None)

    def company(self, beside: str, figure: Callable[[fairness.Company], float]) -> float | None:
        """Of the small caller."""
        found = self.results.records("fairness", fairness.Company)
        return median(figure(company) for company in found if company.beside == beside)

    def fair_p99_ms(self) -> float | None:
        """Three times what the small caller sees alone, and one chunk of another's."""
        alone = self.company(fairness.ALONE, lambda company: company.p99_ms)
        chunk = self.ceiling(fairness.GRAPH, lambda found: found.chunk_ms)
        return None if alone is None or chunk is None else 3 * alone + chunk

    def precision(self, name: str) -> float | None:
        """Rows per second of the wide flow."""
        found = self.results.records("precision", precision.Scored)
        return median(scored.rows_per_second for scored in found if scored.precision == name)


def median(values: Iterable[float]) -> float | None:
    """None of nothing."""
    found = list(values)
    return statistics.median(found) if found else None


def ratio(figure: float | None, other: float | None) -> float | None:
    """None where either is missing."""
    return None if figure is None or not other else figure / other


def number(figure: float | None) -> str:
    """Three digits, or all of those before the point."""
    if figure is None:
        return NOTHING
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{figure:,.0f}" if figure >= PRECISE else f"{figure:#.3g}".rstrip(".")
