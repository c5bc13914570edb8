"""The service with engines that wait for a gate, so a test decides when rows are computed."""

import threading
from pathlib import Path

import httpx
import pytest

from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.engine import Engine, Graphs, Tensors
from diffeo.runtime.engines.options import EngineOptions
from diffeo.service.app import create_service
from diffeo.service.settings import Settings
from tests.given.flows import affine

SECONDS = 10  # time limit of a test that would hang


class GatedBundleEngine:
    """The engine of the bundle, but each call waits until the gate is open; records the rows of each call."""

    def __init__(self, engine: Engine, gate: threading.Event, rows: list[int]) -> None:
        self._engine = engine
        self._gate = gate
        self._rows = rows

    def run(self, tensors: Tensors) -> Tensors:
        assert self._gate.wait(SECONDS)
        self._rows.append(len(next(iter(tensors.values()))))
        return self._engine.run(tensors)


class GatedService:
    """The service over `models` with gated engines, and HTTP clients that call it in this process."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, timeout_seconds: float = SECONDS, models: Path = affine.DATA
    ) -> None:
        self.gate, self.rows = threading.Event(), list[int]()
        load = ENGINES["onnx"]

        def gated(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
            forward, inverse = load(graphs, options)
            return GatedBundleEngine(forward, self.gate, self.rows), GatedBundleEngine(inverse, self.gate, self.rows)

        monkeypatch.setitem(ENGINES, "onnx", gated)
        # No call may run on the event loop, because it must not wait for the gate.
        monkeypatch.setattr("diffeo.service.offload.COMPUTE_SECONDS", 0)
        self.gate.set()
        settings = Settings(models=models, threads=1, chunk_rows=4, max_queue_rows=20, timeout_seconds=timeout_seconds)
        service = create_service(settings)
        self.app, self.health_probe, self.canary = service.app, service.health_probe, service.canary
        self.gate.clear()
        self.rows.clear()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://service.test")
