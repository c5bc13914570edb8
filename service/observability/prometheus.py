"""Exports the shared counters as Prometheus metrics: names, help texts and labels."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from . import client_counters, counters
from .client_counters import CLIENT
from .counters import Rejection
from .registry import ENDPOINT, GRAPH
from .shared_counters import SharedCounters, add
from .slot_file import SlotKey, Sums

ENDPOINT_LABELS: Final = ("operation", "model", "version")
GRAPH_LABELS: Final = ("graph", "model", "version", "precision")
CLIENT_LABELS: Final = ("client",)
INFO_LABELS: Final = ("model", "version", "digest", "engine", "precision")
STATE_LABELS: Final = ("model", "version", "state")
OK: Final = 200
# A histogram has twenty lines. Of a thousand models most are idle, and the zeros of theirs would take seconds a scrape.
ZERO_HISTOGRAMS: Final = 300
SERVED, REFUSED = "served", "refused"


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram metric: its name, its help text, and the index in a slot where its values start."""

    name: str
    text: str
    index: int


DURATIONS: Final = (
    Histogram(
        "diffeo_request_duration_seconds",
        "Time from the arrival of a request to the end of its response",
        counters.REQUEST,
    ),
    Histogram(
        "diffeo_queue_duration_seconds",
        "Time from the first rows of an answered request in a queue to the start of their computation",
        counters.QUEUE,
    ),
    Histogram(
        "diffeo_compute_duration_seconds",
        "Time from the first to the last computed row of an answered request",
        counters.COMPUTE,
    ),
    Histogram(
        "diffeo_encode_duration_seconds",
        "Time to encode the answer of a request; of a stream its first block",
        counters.ENCODE,
    ),
)
BATCH_ROWS: Final = Histogram("diffeo_batch_rows", "Rows in one call of an engine", counters.BATCH)


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One model version on disk.

    Attributes:
        model: name of the model.
        version: version of the model.
        digest: sha256 of the manifest; empty if the version is refused.
        precisions: the precisions in which it is served; none if the version is refused.
        is_loading: True if its check has not ended, so that it is neither served nor refused yet.
        error: how far it computed from its golden vectors when it was last checked; None if it was not yet.
    """

    model: str
    version: str
    digest: str = ""
    precisions: Sequence[str] = ()
    is_loading: bool = False
    error: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PrometheusMetrics(Collector):
    """Collects all metrics of the service when Prometheus scrapes it.

    Args:
        shared: the counters of all processes.
        rejections: all ways in which a request can end without an answer.
        versions: returns all model versions that are on disk now.
        engine: name of the runtime that computes the graphs.
        labels: added to every metric. Services that share no counters need different labels.
    """

    shared: SharedCounters
    rejections: Sequence[Rejection]
    versions: Callable[[], Sequence[VersionStatus]]
    engine: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def collect(self) -> Iterator[Metric]:
        """All metrics with their current values."""
        for family in self._families():
            if self.labels:
                family.samples = [one._replace(labels={**one.labels, **self.labels}) for one in family.samples]
            yield family

    def _families(self) -> Iterator[Metric]:
        sums = self.shared.sums()
        endpoints = _by_labels(sums, ENDPOINT, len(ENDPOINT_LABELS))
        graphs = _by_labels(sums, GRAPH, len(GRAPH_LABELS))
        clients = _by_labels(sums, CLIENT, len(CLIENT_LABELS))
        yield self._requests(endpoints)
        yield self._rejected(endpoints, clients)
        for histogram in DURATIONS:
            yield _histogram(histogram, ENDPOINT_LABELS, endpoints, counters.SECONDS_BOUNDS)
        yield _counter("diffeo_rows", "Rows answered", endpoints, counters.ROWS_ANSWERED)
        yield _counter("diffeo_rows_invalid", "Rows answered without a finite value", endpoints, counters.ROWS_INVALID)
        yield _histogram(BATCH_ROWS, GRAPH_LABELS, graphs, counters.ROWS_BOUNDS)
        yield _queued_rows(graphs)
        yield _of_clients(
            "diffeo_client_requests", "Requests that an API key allows", clients, client_counters.REQUESTS
        )
        yield _of_clients("diffeo_client_rows", "Rows of requests with an API key", clients, client_counters.ROWS)
        versions = self.versions()
        yield self._info(versions)
        yield _state(versions)
        yield _canary(versions)

    def _requests(self, endpoints: Mapping[SlotKey, Sums]) -> Metric:
        text = "Requests that have ended, by HTTP status code"
        family = CounterMetricFamily("diffeo_requests", text, labels=(*ENDPOINT_LABELS, "code"))
        for key, values in endpoints.items():
            codes = defaultdict[int, float](float, {OK: counters.answered(values)})
            for index, (_, code) in enumerate(self.rejections, counters.REJECTED):
                codes[code] += float(values[index])
            for code, count in codes.items():
                # Zeros are exported for code 200 of a served model only: there are many other codes.
                if count or (code == OK and key[1]):
                    family.add_metric((*key, str(code)), count)
        return family

    def _rejected(self, endpoints: Mapping[SlotKey, Sums], clients: Mapping[SlotKey, Sums]) -> Metric:
        text = "Requests that ended without an answer, by problem type"
        family = CounterMetricFamily("diffeo_requests_rejected", text, labels=("problem",))
        problems = defaultdict[str, float](float)
        for index, (problem, _) in enumerate(self.rejections, counters.REJECTED):
            problems[problem] += sum(float(values[index]) for values in endpoints.values())
        for problem, index in client_counters.REJECTIONS.items():
            problems[problem] += sum(float(values[index]) for values in clients.values())
        for problem, count in problems.items():
            family.add_metric((problem,), count)
        return family

    def _info(self, versions: Sequence[VersionStatus]) -> Metric:
        family = GaugeMetricFamily("diffeo_model_info", "Served model versions; always 1", labels=INFO_LABELS)
        for one in versions:
            for precision in one.precisions:
                family.add_metric((one.model, one.version, one.digest, self.engine, precision), 1)
        return family


def _by_labels(sums: Mapping[SlotKey, Sums], kind: str, labels: int) -> dict[SlotKey, Sums]:
    """The slots of one kind, by the labels of its metrics. Slots that differ in other parts of the key are added."""
    found: dict[SlotKey, Sums] = {}
    for (first, *rest), values in sums.items():
        if first == kind:
            key = tuple(rest[:labels])
            found[key] = add(found[key], values) if key in found else values
    return found


def _counter(name: str, text: str, endpoints: Mapping[SlotKey, Sums], index: int) -> Metric:
    family = CounterMetricFamily(name, text, labels=ENDPOINT_LABELS)
    for key, values in endpoints.items():
        family.add_metric(key, float(values[index]))
    return family


def _of_clients(name: str, text: str, clients: Mapping[SlotKey, Sums], index: int) -> Metric:
    family = CounterMetricFamily(name, text, labels=CLIENT_LABELS)
    for key, values in clients.items():
        # The empty name stands for requests without a valid key.
        if all(key):
            family.add_metric(key, float(values[index]))
    return family


def _histogram(
    histogram: Histogram, labels: Sequence[str], slots: Mapping[SlotKey, Sums], bounds: Sequence[float]
) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.text, labels=labels)
    names = [*map(floatToGoString, bounds), "+Inf"]
    sum_index = histogram.index + len(names)
    for key, values in slots.items():
        counts = values[histogram.index : sum_index].cumsum().tolist()
        if not counts[-1] and len(slots) > ZERO_HISTOGRAMS:
            continue
        family.add_metric(key, list(zip(names, counts, strict=True)), float(values[sum_index]))
    return family


def _queued_rows(graphs: Mapping[SlotKey, Sums]) -> Metric:
    text = "Rows in the queue: no engine computes them yet"
    family = GaugeMetricFamily("diffeo_queued_rows", text, labels=GRAPH_LABELS)
    for key, values in graphs.items():
        family.add_metric(key, float(values[counters.QUEUED_ROWS]))
    return family


def _state(versions: Sequence[VersionStatus]) -> Metric:
    text = "State of each model version on disk: 1 for its state, 0 for the other"
    family = GaugeMetricFamily("diffeo_model_state", text, labels=STATE_LABELS)
    for one in versions:
        family.add_metric((one.model, one.version, SERVED), bool(one.precisions))
        family.add_metric((one.model, one.version, REFUSED), not one.precisions and not one.is_loading)
    return family


def _canary(versions: Sequence[VersionStatus]) -> Metric:
    text = "Largest relative error of a version on its golden rows, when this process last computed them"
    family = GaugeMetricFamily("diffeo_canary_error", text, labels=("model", "version"))
    for each in versions:
        if each.error is not None:
            family.add_metric((each.model, each.version), each.error)
    return family
