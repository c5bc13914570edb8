"""The canary withholds a version whose numbers drift, and serves it again when they are right."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.types import ASGIApp, Message

from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.engine import Engine, Graphs, Tensors
from diffeo.runtime.engines.options import EngineOptions
from diffeo.runtime.errors import EngineFailed
from diffeo.service.app import create_app
from diffeo.service.errors import VersionRefused
from diffeo.service.repository import repository
from diffeo.service.repository.canary import Canary
from diffeo.service.requests import ModelSelector
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.metrics_scrape import Scrape

NEWEST = ModelSelector(None, None)
KEY = ("affine2d", 1)
SECONDS = 10  # time limit of a test that would hang


class DriftingEngine:
    """The engine of a bundle; `drift` changes what the engines from number `first` on compute."""

    drift: Callable[[Tensors], Tensors] | None = None
    first = 0
    count = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._number = DriftingEngine.count
        DriftingEngine.count += 1

    def run(self, tensors: Tensors) -> Tensors:
        result = self._engine.run(tensors)
        drift = DriftingEngine.drift
        return result if drift is None or self._number < DriftingEngine.first else drift(result)


def add(error: float) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name: values + np.float32(error) for name, values in tensors.items()}


def fail(_: Tensors) -> Tensors:
    raise EngineFailed("the device is gone\nand more")


@pytest.fixture(autouse=True)
def _drifting_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    load = ENGINES["onnx"]

    def drifting(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
        forward, inverse = load(graphs, options)
        return DriftingEngine(forward), DriftingEngine(inverse)

    monkeypatch.setitem(ENGINES, "onnx", drifting)
    for name, value in (("drift", None), ("first", 0), ("count", 0)):
        monkeypatch.setattr(DriftingEngine, name, value)


class Served:
    """A repository with one model, and its canary."""

    def __init__(self, models: Path, chunk_rows: int = 1024) -> None:
        # One thread loads the versions in their order.
        settings = Settings(models=models, threads=1, chunk_rows=chunk_rows)
        self.repository = repository.load(settings, ThreadPoolExecutor(1))
        self.canary = Canary(self.repository)
        self.model = self.repository.find(NEWEST)
        self.check()

    def check(self) -> bool:
        """Check once; whether the repository is ready."""
        asyncio.run(self.canary.check())
        return self.repository.ready


@pytest.fixture
def served(tmp_path: Path) -> Served:
    affine.copy_to(tmp_path)
    return Served(tmp_path)


def test_right_numbers_keep_a_version_served(served: Served) -> None:
    before = served.repository.models
    assert served.check()
    assert served.repository.models is before
    error = served.repository.error(*KEY)
    assert error is not None
    assert 0 <= error < 1e-6


def test_no_engine_call_of_the_canary_has_more_rows_than_a_chunk(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    sizes: list[int] = []

    def count(tensors: Tensors) -> Tensors:
        sizes.append(len(tensors["log_prob"]))
        return tensors

    served = Served(tmp_path, chunk_rows=16)
    DriftingEngine.drift = count
    assert served.check()
    assert max(sizes) == 16
    assert sum(sizes) == 2 * len(np.load(affine.PATH / "golden.npy"))


DRIFTS = {
    "far": (add(0.01), r"in float32 it computes 1\.00e-02 away from its golden vectors; expected 1e-05 at most"),
    "just beyond ten times the certificate": (add(2e-5), r"in float32 it computes .*e-05 away"),
    "not a number": (add(float("nan")), "in float32 it computes nan away"),
    "a failing engine": (fail, "its engine fails on its golden rows: the device is gone"),
}


@pytest.mark.parametrize(("drift", "reason"), DRIFTS.values(), ids=DRIFTS.keys())
def test_a_version_that_drifts_is_withheld_until_its_numbers_are_right_again(
    drift: Callable[[Tensors], Tensors], reason: str, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = served.repository.find(NEWEST)
    monkeypatch.setattr(DriftingEngine, "drift", drift)
    assert not served.check()
    assert list(served.repository.withheld) == [KEY]
    with pytest.raises(VersionRefused, match=reason) as error:
        served.repository.find(NEWEST)
    assert "\n" not in str(error.value)
    monkeypatch.setattr(DriftingEngine, "drift", None)
    assert served.check()
    assert served.repository.find(NEWEST) is model


def test_a_drift_within_ten_times_the_certificate_is_served(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DriftingEngine, "drift", add(5e-6))
    assert served.check()


def test_a_version_that_is_replaced_while_it_is_withheld_is_served(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = served.repository.loaded
    monkeypatch.setattr(DriftingEngine, "drift", add(0.01))
    assert not served.check()
    served.repository.replace({"affine2d": {1: replace(served.model, digest="other")}})
    assert served.repository.ready
    assert served.repository.find(NEWEST).digest == "other"
    assert loaded is not served.repository.loaded


def test_another_version_answers_for_one_that_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (1, 2):
        affine.copy_to(tmp_path, version=version)
    served = Served(tmp_path)
    assert served.repository.find(NEWEST).version == 2
    # Each version has two engines, and version 2 was loaded last.
    monkeypatch.setattr(DriftingEngine, "first", 2)
    monkeypatch.setattr(DriftingEngine, "drift", add(0.01))
    assert not served.check()
    assert served.repository.find(NEWEST).version == 1


@contextlib.asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app that is started and stopped as a server does."""
    received: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    await sent.get()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test") as http:
        yield http
    await received.put({"type": "lifespan.shutdown"})
    await task


async def wait_for(http: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], bool]) -> httpx.Response:
    async with asyncio.timeout(SECONDS):
        while not holds(answer := await http.get(path)):  # noqa: ASYNC110  (a client can only ask again)
            await asyncio.sleep(0.01)
        return answer


def test_readyz_names_the_version_and_the_metrics_show_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    affine.copy_to(tmp_path)
    monkeypatch.setattr("diffeo.service.repository.canary.PERIOD_SECONDS", 0.01)

    async def main() -> None:
        async with running(create_app(Settings(models=tmp_path))) as http:
            right = await wait_for(http, "/metrics", lambda answer: "diffeo_canary_error{" in answer.text)
            assert Scrape(right.text).of("diffeo_canary_error", model="affine2d", version="1") < 1e-6
            assert (await http.get("/readyz")).json() == {"status": "ready", "models": 1}
            monkeypatch.setattr(DriftingEngine, "drift", add(0.5))
            answer = await wait_for(http, "/readyz", lambda answer: answer.status_code == 503)
            reason = answer.json()["withheld"]["affine2d/1"]
            assert reason.startswith("in float32 it computes 5.00e-01 away from its golden vectors; expected ")
            assert (await http.get("/v2/health/ready")).status_code == 503
            assert (await http.post("/log_prob", json={"x": [[0, 0]]})).status_code == 503
            (version,) = (await http.get("/models/affine2d")).json()["versions"]
            assert (version["state"], version["reason"]) == ("refused", reason)
            scrape = Scrape((await http.get("/metrics")).text)
            assert scrape.of("diffeo_canary_error", model="affine2d") == pytest.approx(0.5, rel=1e-3)
            assert scrape.of("diffeo_model_state", model="affine2d", state="refused") == 1
            monkeypatch.setattr(DriftingEngine, "drift", None)
            await wait_for(http, "/readyz", lambda answer: answer.status_code == 200)

    asyncio.run(main())
