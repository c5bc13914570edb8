"""A recipe decides everything, and a value that does not fit is named by its place."""

from pathlib import Path

import pytest

from diffeo.training import recipe
from diffeo.training.errors import RecipeError

RECIPES = sorted(recipe.RECIPES.glob("*.toml"))
GOOD = {
    "name": "m",
    "data": {"target": "moons"},
    "flow": {"layers": 3, "hidden": 8},
    "fit": {"epochs": 1, "batch": 64, "learning_rate": 1e-3},
}


@pytest.mark.parametrize("path", [path for path in RECIPES if path.stem != "default"], ids=lambda path: path.stem)
def test_every_committed_recipe_parses_and_is_named_as_its_file(path: Path) -> None:
    assert recipe.read(path).name == path.stem


def test_a_table_takes_the_default_recipe(tmp_path: Path) -> None:
    chosen = recipe.for_file(tmp_path / "mine.csv", "mine")
    assert chosen.data.file == str(tmp_path / "mine.csv")
    assert chosen.name == "mine"


def test_a_file_in_a_recipe_is_found_beside_the_recipe(tmp_path: Path) -> None:
    text = (
        '[data]\nfile = "rows.csv"\n[flow]\nlayers = 1\nhidden = 8\n[fit]\nepochs = 1\nbatch = 8\nlearning_rate = 0.1\n'
    )
    (tmp_path / "r.toml").write_text('name = "m"\n' + text)
    assert recipe.read(tmp_path / "r.toml").data.file == str(tmp_path / "rows.csv")


def test_the_manifest_keeps_every_value_but_no_folder(tmp_path: Path) -> None:
    flat = recipe.for_file(tmp_path / "mine.csv", "mine").flat()
    assert flat["data.file"] == "mine.csv"
    assert "fit.learning_rate" in flat


def test_the_digest_changes_with_any_value() -> None:
    first = recipe.parse(GOOD, "a.toml")
    second = recipe.parse({**GOOD, "fit": {**GOOD["fit"], "seed": 1}}, "a.toml")
    assert first.digest == recipe.parse(GOOD, "b.toml").digest != second.digest


BAD = {
    "no name": ({"name": None}, "name"),
    "a name that is a path": ({"name": "../m"}, "name"),
    "an unknown key": ({"fit": {**GOOD["fit"], "lr": 1}}, "fit.lr"),
    "no source": ({"data": {}}, "target or file"),
    "two sources": ({"data": {"target": "moons", "file": "a.csv"}}, "target or file"),
    "an unknown target": ({"data": {"target": "spiral"}}, "data.target"),
    "no layers": ({"flow": {"hidden": 8}}, "flow.layers"),
    "a negative rate": ({"fit": {**GOOD["fit"], "learning_rate": -1.0}}, "fit.learning_rate"),
    "a number as text": ({"fit": {**GOOD["fit"], "epochs": "3"}}, "fit.epochs"),
}


@pytest.mark.parametrize(("change", "place"), BAD.values(), ids=BAD.keys())
def test_a_value_that_does_not_fit_is_named_with_its_file(change: dict[str, object], place: str) -> None:
    with pytest.raises(RecipeError, match=rf"^r\.toml: .*{place}"):
        recipe.parse({**GOOD, **change}, "r.toml")


@pytest.mark.parametrize(("content", "words"), [(None, "no recipe"), (b"a = ", "not TOML"), (b"\xff", "not TOML")])
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=words):
        recipe.read(path)
