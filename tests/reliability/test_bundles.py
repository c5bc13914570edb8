"""A hostile bundle with a valid seal is refused in one sentence; one that uses the same operators legally loads."""

import io
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from diffeo.bundle import graph
from diffeo.bundle.errors import BundleError, GraphRefused, GraphsDisagree
from tests.given.flows import affine
from tests.given.manifest_changes import Change, put
from tests.given.manifest_changes import copy as copy_value
from tests.reliability.hostile_bundles import benign, broken_structure, loaded_numbers, row_mixing, wrong_numbers
from tests.reliability.hostile_bundles.edited_graph import Case, Constants, Edit, add, live, node, rename
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
    np.testing.assert_allclose(forward(rows)["log_prob"], affine.log_prob(rows), rtol=1e-5)


def test_no_changed_bundle_with_a_new_seal_computes_other_numbers() -> None:
    counts = loaded_numbers.resealed(affine.PATH, 120, seed=1)
    assert counts.wrong == []
    # Some changes are harmless, so that a reader which refuses every bundle fails here.
    assert 0 < counts.loaded < counts.tried


def test_no_changed_bundle_with_the_old_seal_loads() -> None:
    counts = loaded_numbers.unsealed(affine.PATH, 300, seed=2)
    assert counts.wrong == []
    assert counts.loaded == 0


def _one_column_more(column: int, threshold: float, by: float) -> Edit:
    """Add `by` to x where one column of z is above the threshold; that graph alone does not show it."""
    constants: Constants = {
        "c": np.array(column, np.int64),
        "t": np.array(threshold, np.float32),
        "n": np.array([[by, 0.0]], np.float32),
    }
    nodes = [
        node("Gather", "z c", "zc", axis=1), node("Greater", "zc t", "q"), node("Cast", "q", "p", to=1),
        node("Unsqueeze", "p i1", "pp"), node("Mul", "pp n", "extra"),
    ]  # fmt: skip
    return live(nodes, constants, "x")


def test_rows_that_the_load_seldom_draws_are_met_by_the_further_rows_of_the_preflight() -> None:
    content = edited(MOONS["inverse.onnx"], _one_column_more(0, 4.2, 0.07))
    files = sealed({**MOONS, "inverse.onnx": content})
    check(files, seconds=0.0)
    with pytest.raises(GraphsDisagree, match="differ in z"):
        check(files)


def test_a_check_without_the_agreement_lets_wrong_numbers_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.bundle.agreement.check", lambda *_: None)
    monkeypatch.setattr("diffeo.bundle.golden._check_terms", lambda _: None)
    monkeypatch.setattr("diffeo.bundle.graph.check_weights", lambda _: None)
    assert loaded_numbers.resealed(affine.PATH, 60, seed=1).wrong != []


MANIFESTS: dict[str, tuple[Change, str]] = {
    "a tolerance of 1e300": (
        put("certificate", "checks", 0, "tolerance", value=1e300),
        "parity has the tolerance 1e+300",
    ),
    "a tolerance twice as large": (put("certificate", "checks", 1, "tolerance", value=2e-3), "allows at most 0.001"),
    "a check of one row": (put("certificate", "checks", 0, "rows", value=1), "1 rows; expected 256"),
    "a check twice": (copy_value(("certificate", "checks", 0), ("certificate", "checks", 1)), "lacks round_trip"),
    "a new line in a column": (put("columns", value=["a\n", "b"]), "control character"),
    "an escape in a column": (put("columns", value=["a\x1b[2J", "b"]), "control character"),
    "a zero in a column": (put("columns", value=["a\0", "b"]), "control character"),
    "a line separator in a column": (put("columns", value=["a\u2028", "b"]), "control character"),
    "a mark of direction in a column": (put("columns", value=["a\u202e", "b"]), "control character"),
    "a formula": (put("columns", value=["=1+1", "b"]), "formula"),
    "a wide formula": (put("columns", value=["\uff1d1+1", "b"]), "formula"),
    "a formula after a space": (put("columns", value=[" =1+1", "b"]), "formula"),
    "a formula with a sign": (put("columns", value=["-cmd|' /C calc'!A0", "b"]), "formula"),
    "a formula with at": (put("columns", value=["@SUM(A1)", "b"]), "formula"),
}


@pytest.mark.parametrize(("change", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_promises_too_little_or_names_too_much_is_refused(change: Change, words: str) -> None:
    with pytest.raises(BundleError, match=re.escape(words)):
        check(sealed(FILES, change))


@pytest.mark.parametrize(
    "name", ["-x", "+x", "-log10 p", "x-1", "<script>", "{{7*7}}", "\u00e9", "a=b", "\u6e29\u5ea6"]
)
def test_names_of_real_columns_are_kept(name: str) -> None:
    check(sealed(FILES, put("columns", value=[name, "other"])))


def test_golden_vectors_of_few_many_or_repeated_rows_are_refused() -> None:
    whole = np.load(io.BytesIO(FILES["golden.npy"]))
    for rows, words in (
        (whole[:1], "holds 1 rows"), (whole[:31], "31 rows"), (np.repeat(whole[:1], 32, 0), "repeats"),
        (np.resize(whole, (4097, whole.shape[1])), "holds 4097 rows; expected from 32 to 4096"),
    ):  # fmt: skip
        buffer = io.BytesIO()
        np.save(buffer, rows)
        with pytest.raises(BundleError, match=words):
            check(sealed({**FILES, "golden.npy": buffer.getvalue()}))


def _one_more_log_prob(model: onnx.ModelProto) -> None:
    rename(model, "log_prob", "density")
    add(model, [node("Add", "density f1", "log_prob")])


def test_both_graphs_and_golden_vectors_that_agree_on_a_wrong_volume_are_refused() -> None:
    one = {"by": np.array(1.0, np.float32)}
    more, less = (
        live([node(operator, "by", "extra")], one, "log_abs_det_jacobian") for operator in ("Identity", "Neg")
    )
    vectors = np.load(io.BytesIO(MOONS["golden.npy"]))
    vectors[:, -2:] += 1
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    changed = {**MOONS, "golden.npy": buffer.getvalue()}
    for name, ladj in (("forward.onnx", more), ("inverse.onnx", less)):
        changed[name] = edited(edited(MOONS[name], _one_more_log_prob), ladj)
    with pytest.raises(BundleError, match="differences of x"):
        check(sealed(changed))
