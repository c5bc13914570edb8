"""Finds the counters for a request: one set for each operation of each served model version."""

import time
from collections.abc import Collection, Sequence
from typing import Final, Protocol
from weakref import WeakSet

from .counters import EndpointCounters, GraphCounters, Rejection
from .shared_counters import SharedCounters
from .slot_file import SlotKey

ModelVersion = tuple[str, str]  # name of the model, and its version

# The first part of a slot's key: the kind of its counters.
ENDPOINT: Final = "endpoint"
GRAPH: Final = "graph"
# The counts of a withdrawn version move to this one after a while, so that the sum over all versions never decreases.
WITHDRAWN: Final = "withdrawn"
FORGET_SECONDS: Final = 120.0  # longer than common intervals of Prometheus, so that it reads the last counts


class CountedGraph(Protocol):
    """One graph of a model with its counters."""

    @property
    def counters(self) -> GraphCounters:
        """Engine calls and queued rows of the graph."""


class CountedModel(Protocol):
    """The attributes of a served model version that the registry reads."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> int:
        """Version of the model."""

    @property
    def precision(self) -> str:
        """Precision in which the graphs compute."""

    @property
    def forward(self) -> CountedGraph:
        """The graph from x to z."""

    @property
    def inverse(self) -> CountedGraph:
        """The graph from z to x."""


class CounterRegistry:
    """All counters of one process.

    Labels come from operations and from loaded bundles, never from a request, so no client can create a time series.

    Args:
        shared: the file into which this process counts.
        rejections: all ways in which a request can end without an answer.

    Attributes:
        shared: the same file, and the sums over all processes.
    """

    def __init__(self, shared: SharedCounters, rejections: Sequence[Rejection]) -> None:
        self.shared = shared
        self._rejections = rejections
        self._endpoints: dict[tuple[str, str, int, str], EndpointCounters] = {}
        self._graphs: dict[SlotKey, WeakSet[GraphCounters]] = {}
        self._missing_since: dict[ModelVersion, float] = {}
        # The served versions and the number of keys when no version was missing.
        self._all_served: tuple[frozenset[ModelVersion], int] | None = None

    def unmatched(self, operation: str) -> EndpointCounters:
        """The counters of requests for an operation whose model was not found."""
        return self._endpoints.get((operation, "", 0, "")) or self._create(operation, "", 0, "")

    def counters_for(self, operation: str, model: CountedModel, protocol_model: str = "") -> EndpointCounters:
        """The counters of requests for one operation of one model version.

        Args:
            operation: sample, log_prob or transform.
            model: the model version. If it is new, its graphs are counted from now on too.
            protocol_model: name of the model in the Open Inference Protocol; empty for requests of the native API.
        """
        if not model.forward.counters.bound:
            self._bind_graphs(model)
        key = operation, model.name, model.version, protocol_model
        return self._endpoints.get(key) or self._create(*key)

    def export_zeros(self, model: CountedModel) -> None:
        """Create the counters of a model version before its first request.

        Prometheus' rate() misses a counter that first appears with the value 1, so zeros are exported first.
        """
        for operation in {operation for operation, *_ in self._endpoints}:
            self.counters_for(operation, model)

    def forget_withdrawn(self, served: Collection[ModelVersion], now: float | None = None) -> None:
        """Free the slots of versions that have not been served for a while; call it on the event loop.

        Args:
            served: name and version of all versions that are served.
            now: time.monotonic(); tests pass another one.
        """
        now = time.monotonic() if now is None else now
        # Also the keys that an ended process left in the file.
        state = frozenset(served), len(self.shared.keys())
        if state == self._all_served:
            return
        keys = {key: version for key in self.shared.keys() if (version := _version_of(key))}  # noqa: SIM118  (no dict)
        missing = {*keys.values()} - {*served}
        self._all_served = None if missing else state
        self._missing_since = {each: self._missing_since.get(each, now) for each in missing}
        old = {each for each, since in self._missing_since.items() if now - since >= FORGET_SECONDS}
        for key, version in keys.items():
            if version in old:
                self._forget(key)

    def _forget(self, key: SlotKey) -> None:
        kind, name, model, version, *rest = key
        total = self.shared.move(key, (kind, name, "", WITHDRAWN, ""))
        # A request of the version that still runs is counted there too.
        if kind == ENDPOINT and (endpoint := self._endpoints.pop((name, model, int(version), rest[0]), None)):
            endpoint.rebind(total)
        for graph in self._graphs.pop(key, ()):
            graph.rebind(total)

    def _create(self, operation: str, model: str, version: int, protocol_model: str) -> EndpointCounters:
        counters = EndpointCounters(operation, model, str(version or ""), self._rejections)
        counters.bind(self.shared.slot(ENDPOINT, operation, model, counters.version, protocol_model))
        return self._endpoints.setdefault((operation, model, version, protocol_model), counters)

    def _bind_graphs(self, model: CountedModel) -> None:
        for name, graph in (("forward", model.forward), ("inverse", model.inverse)):
            key = GRAPH, name, model.name, str(model.version), model.precision
            graph.counters.bind(self.shared.slot(*key))
            self._graphs.setdefault(key, WeakSet()).add(graph.counters)


def _version_of(key: SlotKey) -> ModelVersion | None:
    """The model version whose counts the key has; None if it belongs to none."""
    if key[0] not in {ENDPOINT, GRAPH}:
        return None
    model, version = key[2:4]
    return (model, version) if version and version != WITHDRAWN else None
