"""The page of reliability: promises are judged by their bound, and every figure reaches the page."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.reliability import figure, page
from benchmarks.reliability.figure import Figure, Measurement

AT_MOST = Figure.at_most("refusals p99", 12.0, 20.0, "ms", n=1000)
AT_LEAST = Figure.at_least("goodput", 0.5, 0.9, n=1000)
OBSERVED = Figure.observed("rows", 7, n=1)


def test_a_promise_is_kept_up_to_its_bound() -> None:
    assert AT_MOST.kept
    assert not AT_LEAST.kept
    assert OBSERVED.kept is None
    assert Figure.at_most("deaths", 0, 0, n=3).kept
    assert Figure.at_least("goodput", 0.9, 0.9, n=3).kept


@pytest.mark.parametrize("bound", [Figure.at_most, Figure.at_least])
def test_a_value_that_is_not_a_number_breaks_the_promise(bound: Callable[..., Figure]) -> None:
    assert bound("p99", math.nan, 1.0, n=0).kept is False


def test_every_figure_reaches_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(figure, "FIGURES", tmp_path)
    path = figure.write("slow_reads", "python -m benchmarks.x", [AT_MOST, AT_LEAST, OBSERVED], seed=3, quick=False)
    found = Measurement.read(path)
    assert found.figures == (AT_MOST, AT_LEAST, OBSERVED)
    page.write([found], tmp_path / "reliability.md")
    text = (tmp_path / "reliability.md").read_text(encoding="utf-8")
    assert "## Slow reads" in text
    assert "| refusals p99 | at most 20 ms | 12.0 ms | yes | 1,000 |" in text
    assert "| goodput | at least 0.9 | 0.500 | **no** | 1,000 |" in text
    assert "| rows | - | 7 | - | 1 |" in text
    assert (tmp_path / "reliability.json").exists()


def test_a_short_run_does_not_reach_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(figure, "FIGURES", tmp_path)
    monkeypatch.setattr(figure, "QUICK_FIGURES", tmp_path / "quick")
    monkeypatch.setattr(page, "FIGURES", tmp_path)
    figure.write("soak", "python -m benchmarks.x", [OBSERVED], seed=None, quick=True)
    assert page.measurements(["soak"]) == []
