"""Which meter counts what: one for each verb of each version that is served, bound to pages of one ledger."""

from collections.abc import Sequence
from typing import Final

from ..model import Model
from .counters import EndpointCounters, Refusal
from .shared_counters import SharedCounters

VERB: Final = "verb"
GRAPH: Final = "graph"


class Metrics:
    """The meters of one process.

    Labels come from here and from bundles that were loaded, never from a request: a name that no model has is not one.

    Args:
        ledger: where they count.
        refusals: reasons and statuses that a request can end with.
    """

    def __init__(self, ledger: SharedCounters, refusals: Sequence[Refusal]) -> None:
        self._ledger = ledger
        self._refusals = refusals
        self._verbs: dict[tuple[str, str, int], EndpointCounters] = {}

    def verb(self, verb: str) -> EndpointCounters:
        """The meter of requests that no model is found for."""
        return self._verb_of(verb, "", 0)

    def meet(self, verb: str, model: Model) -> EndpointCounters:
        """The meter of a verb's requests to a model; a model that is met for the first time is counted from then on."""
        if not model.forward.meter.bound:
            self._bind(model)
        return self._verbs.get((verb, model.name, model.version)) or self._verb_of(verb, model.name, model.version)

    def expect(self, model: Model) -> None:
        """Show the model with zeros before the first request: what begins at one is no increase to who watches."""
        for verb in {verb for verb, _, _ in self._verbs}:
            self.meet(verb, model)

    def _verb_of(self, verb: str, model: str, version: int) -> EndpointCounters:
        meter = EndpointCounters(verb, model, str(version or ""), self._refusals)
        meter.bind(self._ledger.page(VERB, verb, meter.model, meter.version))
        return self._verbs.setdefault((verb, model, version), meter)

    def _bind(self, model: Model) -> None:
        for graph, batcher in (("forward", model.forward), ("inverse", model.inverse)):
            batcher.meter.bind(self._ledger.page(GRAPH, graph, model.name, str(model.version), model.precision))
