"""Several flows are fitted at the same time, with the weights, the errors and the interruptions of fits alone."""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import torch

from diffeo.training.errors import FitError
from diffeo.training.fitting.batches import FitRows, fixed_rows
from diffeo.training.fitting.interruption import FitInterrupted
from diffeo.training.fitting.parallel.fit_all import fit_all
from diffeo.training.fitting.parallel.reports import Entry
from diffeo.training.fitting.trainer import TrainerOptions, train
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.splines.coupling import SplineCouplingSpec
from diffeo.training.flows.transform import TransformSpec
from diffeo.training.recipe import FitSection

SETTINGS: Final = FitSection(steps=200, batch=64, learning_rate=5e-3, seed=3)
KINDS: Final[dict[str, TransformSpec]] = {"affine": AffineCouplingSpec(), "spline": SplineCouplingSpec(bins=4)}


def flow(kind: str) -> Flow:
    torch.manual_seed(0)
    architecture = Architecture(2, 2, 8, 1, KINDS[kind], residual=True, dropout=0.2, noise=0.1)
    return architecture.build(torch.zeros(2), torch.ones(2))


def rows() -> FitRows:
    x = torch.randn(1200, 2, generator=torch.Generator().manual_seed(1))
    x[:, 1] += x[:, 0] ** 2
    return fixed_rows(x[:1000], x[1000:], SETTINGS.batch, SETTINGS.seed)


def entry(
    kind: str, folder: Path, settings: FitSection = SETTINGS, said: list[str] | None = None, threads: int = 4
) -> Entry:
    note = (lambda _: None) if said is None else said.append
    options = TrainerOptions("mine", folder / kind, kind, threads=threads, note=note, shows_progress=False)
    return Entry(kind, flow(kind), settings, options)


def late(each: Entry) -> Entry:
    """The entry with a budget that is used up."""
    settings = FitSection.model_validate(SETTINGS.model_dump(by_alias=False) | {"steps": None, "budget": "1s"})
    return replace(each, settings=settings, options=replace(each.options, started=time.monotonic() - 10))


def weights(fitted: Flow) -> list[list[float]]:
    return [value.flatten().tolist() for value in fitted.state_dict().values()]


def test_flows_that_are_fitted_together_have_the_weights_of_fits_alone(tmp_path: Path) -> None:
    together = fit_all([entry(kind, tmp_path) for kind in KINDS], rows())
    for kind, state in zip(KINDS, together, strict=True):
        alone = entry(kind, tmp_path / "alone", threads=1)
        expected = train(alone.flow, rows(), SETTINGS, alone.options)
        assert state is not None
        assert (state.step, state.best_nll) == (expected.step, expected.best_nll)
        assert weights(state.best) == weights(expected.best)


def test_a_fit_that_fails_is_said_and_leaves_the_others(tmp_path: Path) -> None:
    said: list[str] = []
    impossible = late(entry("affine", tmp_path, said=said))
    failed, fitted = fit_all([impossible, entry("spline", tmp_path)], rows())
    assert failed is None
    assert fitted is not None
    assert any("affine: --budget" in sentence for sentence in said)


def test_if_every_fit_fails_the_first_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="give a longer budget"):
        fit_all([late(entry(kind, tmp_path)) for kind in KINDS], rows())


@pytest.mark.parametrize("threads", [1, 2])
def test_one_flow_for_two_cores_goes_on_after_a_trial(threads: int, tmp_path: Path) -> None:
    said: list[str] = []
    settings = SETTINGS.model_copy(update={"steps": 600})
    slow = entry("affine", tmp_path, settings.model_copy(update={"learning_rate": 1e-7}), said, threads)
    ended, fitted = fit_all([slow, entry("spline", tmp_path, settings, said, threads)], rows())
    assert ended is None
    assert fitted is not None
    assert fitted.step == settings.steps
    assert [sentence for sentence in said if "affine: ended after a trial of 100 steps" in sentence]


def test_ctrl_c_saves_every_fit_and_each_resumes_to_the_same_weights(tmp_path: Path) -> None:
    long = SETTINGS.model_copy(update={"steps": 1000})
    interrupter = threading.Thread(target=_interrupt_when_saved, args=[tmp_path / kind for kind in KINDS])
    interrupter.start()
    with pytest.raises(FitInterrupted, match=r"affine.*; .*spline"):
        fit_all([entry(kind, tmp_path, long) for kind in KINDS], rows())
    interrupter.join()
    assert not multiprocessing.active_children()
    entries = [entry(kind, tmp_path, long) for kind in KINDS]
    resumed = fit_all([replace(each, options=replace(each.options, resume=True)) for each in entries], rows())
    for kind, state in zip(KINDS, resumed, strict=True):
        alone = entry(kind, tmp_path / "alone", long, threads=1)
        assert state is not None
        assert weights(state.best) == weights(train(alone.flow, rows(), long, alone.options).best)


def test_a_flow_that_had_not_begun_begins_when_the_others_resume(tmp_path: Path) -> None:
    alone = entry("affine", tmp_path)
    train(alone.flow, rows(), SETTINGS.model_copy(update={"steps": 50}), alone.options)
    entries = [entry(kind, tmp_path) for kind in KINDS]
    resumed = fit_all([replace(each, options=replace(each.options, resume=True)) for each in entries], rows())
    assert [state.step for state in resumed if state is not None] == [50, SETTINGS.steps]


def test_a_process_that_dies_is_named(tmp_path: Path) -> None:
    killer = threading.Thread(target=_kill_children)
    killer.start()
    with pytest.raises(FitError, match=r"the process that fitted affine ended with code -9.*more memory"):
        fit_all([entry(kind, tmp_path, SETTINGS.model_copy(update={"steps": 10**6})) for kind in KINDS], rows())
    killer.join()


def _interrupt_when_saved(*folders: Path) -> None:
    while not all((folder / "state.safetensors").exists() for folder in folders):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def _kill_children() -> None:
    while len(children := multiprocessing.active_children()) < len(KINDS):
        time.sleep(0.01)
    for child in children:
        child.kill()
