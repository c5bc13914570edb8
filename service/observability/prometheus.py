"""The numbers of a ledger as metrics: what each is called, what it means, and which labels it has."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ..model import Model
from ..repository.repository import Repository
from . import counters
from .counters import Refusal
from .registry import GRAPH, VERB, Metrics
from .shared_counters import LEVEL, Key, SharedCounters, Sums

BY_VERB: Final = ("verb", "model", "version")
BY_GRAPH: Final = ("graph", "model", "version", "precision")
INFO: Final = ("model", "version", "digest", "engine", "precision")
OK: Final = 200
SERVED, REFUSED = "served", "refused"
SPANS: Final = {
    "diffeo_request_seconds": (counters.REQUEST, "Time from a request's arrival to the end of its answer"),
    "diffeo_queue_seconds": (counters.QUEUE, "Time of an answered request until an engine took its first rows"),
    "diffeo_compute_seconds": (
        counters.COMPUTE,
        "Time of an answered request from its first to its last computed rows",
    ),
    "diffeo_encode_seconds": (counters.ENCODE, "Time in which an answer was written"),
}


@dataclass(frozen=True, slots=True, eq=False)
class PrometheusText(Collector):
    """Everything that a scrape shows, read when it is asked for.

    Args:
        ledger: what all processes counted.
        metrics: what counts there in this process.
        refusals: reasons and statuses that a request can end with.
        repository: what is served now.
        engine: the runtime that computes the graphs.
        labels: of every number, where no scrape reaches all processes and each must tell its own.
    """

    ledger: SharedCounters
    metrics: Metrics
    refusals: Sequence[Refusal]
    repository: Repository
    engine: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def expect(self) -> None:
        """Show what is served now, asked for or not; on the loop, where the meters count."""
        for model in self._served():
            self.metrics.expect(model)

    def collect(self) -> Iterator[Metric]:
        """Every metric with its numbers."""
        for family in self._families():
            if self.labels:
                family.samples = [one._replace(labels={**one.labels, **self.labels}) for one in family.samples]
            yield family

    def _families(self) -> Iterator[Metric]:
        sums = self.ledger.sums()
        verbs = {key[1:]: cells for key, cells in sums.items() if key[0] == VERB}
        graphs = {key[1:]: cells for key, cells in sums.items() if key[0] == GRAPH}
        yield self._requests(verbs)
        yield self._rejected(verbs)
        for name, (place, text) in SPANS.items():
            yield _histogram(name, text, BY_VERB, verbs, place, counters.SECONDS)
        yield _counter("diffeo_rows", "Rows answered", BY_VERB, verbs, counters.ROWS_ANSWERED)
        invalid = "Rows answered without a value, for they or their answer are not finite"
        yield _counter("diffeo_invalid_rows", invalid, BY_VERB, verbs, counters.ROWS_INVALID)
        batch = "Rows in one call of an engine"
        yield _histogram("diffeo_batch_rows", batch, BY_GRAPH, graphs, counters.BATCH, counters.ROWS)
        yield _waiting(graphs)
        yield self._info()
        yield self._state()

    def _requests(self, verbs: Mapping[Key, Sums]) -> Metric:
        family = CounterMetricFamily("diffeo_requests", "Requests that have ended", labels=(*BY_VERB, "code"))
        for key, cells in verbs.items():
            codes = defaultdict[int, float](float, {OK: _answered(cells)})
            for place, (_, code) in enumerate(self.refusals, counters.REFUSED):
                codes[code] += float(cells[place])
            for code, count in codes.items():
                # Answers of a model are shown from the beginning, the many other statuses once there is one.
                if count or (code == OK and key[1]):
                    family.add_metric((*key, str(code)), count)
        return family

    def _rejected(self, verbs: Mapping[Key, Sums]) -> Metric:
        family = CounterMetricFamily("diffeo_rejected", "Requests that ended without an answer", labels=("reason",))
        reasons = defaultdict[str, float](float)
        for place, (reason, _) in enumerate(self.refusals, counters.REFUSED):
            reasons[reason] += sum(float(cells[place]) for cells in verbs.values())
        for reason, count in reasons.items():
            family.add_metric((reason,), count)
        return family

    def _info(self) -> Metric:
        family = GaugeMetricFamily("diffeo_model_info", "What is served; always 1", labels=INFO)
        for model in self._served():
            family.add_metric((model.name, str(model.version), model.digest, self.engine, model.precision), 1)
        return family

    def _state(self) -> Metric:
        labels = ("model", "version", "state")
        family = GaugeMetricFamily("diffeo_model_state", "1 in the state that a version is in", labels=labels)
        for name, found in self.repository.models.items():
            for version, entry in found.items():
                state = SERVED if isinstance(entry, Model) else REFUSED
                for each in (SERVED, REFUSED):
                    family.add_metric((name, str(version), each), each == state)
        return family

    def _served(self) -> Iterator[Model]:
        for found in self.repository.models.values():
            for entry in found.values():
                if isinstance(entry, Model):
                    yield entry
                    yield from entry.variants.values()


def _counter(name: str, text: str, labels: Sequence[str], pages: Mapping[Key, Sums], place: int) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, cells in pages.items():
        family.add_metric(key, float(cells[place]))
    return family


def _histogram(  # noqa: PLR0913, PLR0917  (what a histogram is made of)
    name: str, text: str, labels: Sequence[str], pages: Mapping[Key, Sums], place: int, bounds: Sequence[float]
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    names = [*map(floatToGoString, bounds), "+Inf"]
    for key, cells in pages.items():
        counts = cells[place : place + len(names)].cumsum().tolist()
        family.add_metric(key, list(zip(names, counts, strict=True)), float(cells[place + len(names)]))
    return family


def _answered(cells: Sums) -> float:
    # Whatever was answered has a time in every histogram.
    return float(cells[counters.QUEUE : counters.QUEUE + len(counters.SECONDS) + 1].sum())


def _waiting(graphs: Mapping[Key, Sums]) -> Metric:
    family = GaugeMetricFamily("diffeo_pending_rows", "Rows that nobody computes yet", labels=BY_GRAPH)
    for key, cells in graphs.items():
        family.add_metric(key, float(cells[LEVEL]))
    return family
