"""Trials run in worker processes. If one fails or is killed, finished outcomes stay in the cache."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from diffeo.training.errors import DataMissing, StudyError
from diffeo.training.flow_section import FlowSection
from diffeo.training.recipe import FitSection
from diffeo.training.study import store, workers
from diffeo.training.study.trial import Trial


def small(data: str) -> Trial:
    fit = FitSection(epochs=1, batch=64, learning_rate=1e-3)
    return Trial(experiment="grid", data=data, rows=200, flow=FlowSection(layers=1, hidden=4), fit=fit)


def test_a_failing_trial_stops_the_study_but_keeps_finished_outcomes(tmp_path: Path) -> None:
    good, bad = small("moons"), small("magic")
    with pytest.raises(DataMissing, match=r"magic\.gamma\.npz"):
        workers.run_all([good, bad], tmp_path, None, 1)
    assert store.has(tmp_path, good.digest)
    assert not store.has(tmp_path, bad.digest)
    assert len(list(tmp_path.iterdir())) == 1


class Broken:
    """An executor whose workers are killed at start."""

    def submit(self, *_: object) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(BrokenProcessPool())
        return future

    def shutdown(self, **_: object) -> None:
        pass


def test_the_error_for_a_killed_worker_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", lambda *_, **__: Broken())
    with pytest.raises(StudyError, match="run the same command again"):
        workers.run_all([small("moons")], tmp_path, None, 1)


def test_no_worker_starts_if_all_outcomes_are_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", None)
    workers.run_all([], tmp_path, None, 1)
