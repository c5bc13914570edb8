"""The memory of an engine call is measured, and a graph that takes much more than was proved is refused."""

import asyncio
import mmap
from pathlib import Path

import numpy as np
import pytest

from diffeo.bundle import graph
from diffeo.bundle.errors import GraphRefused
from diffeo.runtime.engines import onnx as engines
from diffeo.runtime.engines.engine import Engine
from diffeo.runtime.engines.options import EngineOptions
from diffeo.service import call_memory
from diffeo.service.repository.preflight import check
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.reliability.hostile_bundles import benign
from tests.reliability.hostile_bundles.broken_structure import branches
from tests.reliability.hostile_bundles.edited_graph import Edit
from tests.reliability.hostile_bundles.sealing import edited, files_of, publish, sealed

FILES = files_of(affine.PATH)
MOONS = files_of(Path(__file__).parents[2] / "models/moons/1")
MIB = 2**20
ROWS = 64


def opened(content: bytes, *, keeps_memory: bool = False) -> tuple[Engine, int]:
    """The engine of a forward graph, and the bytes that are proved for a row of it."""
    proved = graph.inspect("forward.onnx", content, 2, "float32").row_bytes
    options = EngineOptions(keeps_memory=keeps_memory)
    return engines.load({"forward.onnx": content, "inverse.onnx": FILES["inverse.onnx"]}, options)[0], proved


def points(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(size=(count, 2)).astype(np.float32)


@pytest.mark.parametrize("size", [16 * MIB, 64 * MIB, 200 * MIB])
def test_the_growth_of_memory_is_that_of_the_call_whether_it_keeps_or_frees_it(size: int) -> None:
    kept: list[mmap.mmap] = []

    def fill() -> mmap.mmap:
        # Memory of its own, because an allocator may have some left of earlier tests.
        block = mmap.mmap(-1, size)
        np.frombuffer(block, np.uint8).fill(1)
        return block

    for _ in range(2):
        assert abs(call_memory.growth(lambda: kept.append(fill())) - size) < 8 * MIB
        assert abs(call_memory.growth(fill) - size) < 8 * MIB
        kept.clear()
    assert call_memory.growth(lambda: None) < 8 * MIB


def test_a_system_that_resets_no_peak_reports_the_new_peaks_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(call_memory, "RESET", tmp_path / "none/clear_refs")
    assert call_memory.growth(lambda: None) == 0
    for status in (call_memory.STATUS, tmp_path / "none"):
        monkeypatch.setattr(call_memory, "STATUS", status)
        assert call_memory.growth(lambda: np.ones(MIB, np.uint8)) < 64 * MIB


def test_a_graph_whose_tensors_the_runtime_keeps_longer_than_the_order_of_its_nodes_is_refused() -> None:
    engine, proved = opened(edited(FILES["forward.onnx"], branches(24)))
    with pytest.raises(GraphRefused, match=f"for a call of {ROWS} rows") as refusal:
        call_memory.check("forward.onnx", engine, "x", points(ROWS), proved)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


WIDE: dict[str, Edit] = {"one wide tensor": branches(2), **{case.name: case.edit for case in benign.cases()}}


@pytest.mark.parametrize("name", WIDE)
def test_a_graph_that_keeps_to_what_was_proved_is_accepted(name: str) -> None:
    engine, proved = opened(edited(FILES["forward.onnx"], WIDE[name]))
    call_memory.check("forward.onnx", engine, "x", points(256), proved)


def test_a_trained_flow_is_accepted() -> None:
    engine, proved = opened(MOONS["forward.onnx"])
    call_memory.check("forward.onnx", engine, "x", points(1024), proved)


def test_the_preflight_refuses_the_version_and_loads_the_others(tmp_path: Path) -> None:
    hostile = sealed({**FILES, "forward.onnx": edited(FILES["forward.onnx"], branches(24))})
    publish(hostile, tmp_path / "hostile/1")
    for name in ("before", "later"):
        affine.copy_to(tmp_path, name)
    settings = Settings(models=tmp_path, chunk_rows=ROWS)
    keys = [(name, 1) for name in ("before", "hostile", "later")]
    found = asyncio.run(check(settings, keys))
    assert (found["before", 1].reason, found["later", 1].reason) == (None, None)
    assert "bytes of memory for a call of 64 rows" in str(found["hostile", 1].reason)
