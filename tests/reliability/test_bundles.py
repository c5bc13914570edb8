"""A hostile bundle with a valid seal is refused in one sentence; one that uses the same operators legally loads."""

from pathlib import Path

import numpy as np
import pytest

from diffeo.bundle import graph
from diffeo.bundle.errors import BundleError, GraphRefused
from tests.given.flows import affine
from tests.reliability.hostile_bundles import benign, broken_structure, row_mixing, wrong_numbers
from tests.reliability.hostile_bundles.edited_graph import Case
from tests.reliability.hostile_bundles.sealing import check, edited, files_of, sealed

ROOT = Path(__file__).parents[2]
FILES = files_of(affine.PATH)
MOONS = files_of(ROOT / "models/moons/1")
STATIC = [*row_mixing.cases(), *broken_structure.cases()]
WRONG = list(wrong_numbers.cases())
BENIGN = list(benign.cases())


def test_there_are_more_than_two_hundred_hostile_graphs_of_distinct_names() -> None:
    names = [case.name for case in (*STATIC, *WRONG)]
    assert len(set(names)) == len(names) > 200


@pytest.mark.parametrize("case", STATIC, ids=lambda case: case.name)
def test_a_hostile_graph_is_refused_before_a_runtime_sees_it(case: Case) -> None:
    content = edited(FILES["forward.onnx"], case.edit)
    with pytest.raises(GraphRefused, match=case.words) as refusal:
        graph.inspect("forward.onnx", content, 2, "float32")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_graph_that_computes_another_density_is_refused_at_load(case: Case) -> None:
    content = edited(MOONS["forward.onnx"], case.edit)
    with pytest.raises(BundleError) as refusal:
        check(sealed({**MOONS, "forward.onnx": content}))
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("case", BENIGN, ids=lambda case: case.name)
def test_a_graph_that_computes_row_by_row_loads_and_gives_the_same_numbers(case: Case) -> None:
    content = edited(FILES["forward.onnx"], case.edit)
    forward, _ = check(sealed({**FILES, "forward.onnx": content}))
    rows = np.random.default_rng(1).normal(size=(100, 2))
    np.testing.assert_allclose(forward.run(rows)["log_prob"], affine.log_prob(rows), rtol=1e-5)
