"""A recipe holds every value of a fit; the error for a wrong value names its section and key."""

from pathlib import Path

import pytest

from diffeo.tables.reading.options import ReadOptions
from diffeo.training import recipe
from diffeo.training.errors import RecipeError
from diffeo.training.inspection import Bounds, Choices

RECIPES = sorted(recipe.RECIPES.rglob("*.toml"))
FIT: dict[str, object] = {"epochs": 1, "batch": 64, "learning_rate": 1e-3}
LENGTHLESS: dict[str, object] = {"batch": 64, "learning_rate": 1e-3}
GOOD: dict[str, object] = {
    "name": "m",
    "data": {"target": "moons"},
    "flow": {"layers": 3, "hidden": 8},
    "fit": FIT,
}


@pytest.mark.parametrize(
    "path", [path for path in RECIPES if path.stem != "default"], ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_committed_recipe_parses_and_is_named_as_its_file(path: Path) -> None:
    assert recipe.read(path).name == path.stem


def test_a_table_takes_the_default_recipe(tmp_path: Path) -> None:
    chosen = recipe.for_files([str(tmp_path / "mine.csv")], "mine")
    assert chosen.data.file == str(tmp_path / "mine.csv")
    assert chosen.name == "mine"


def test_a_recipe_without_flow_and_fit_takes_those_of_the_default_recipe(tmp_path: Path) -> None:
    default = recipe.for_files([recipe.IN_MEMORY], "mine")
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n[data]\ntarget = "moons"\n')
    assert (recipe.read(file).flows(2), recipe.read(file).fit) == (default.flows(2), default.fit)
    file.write_text(file.read_text() + "[flow]\nlayers = 3\nhidden = 8\n")
    own = recipe.read(file)
    assert [section.layers for section in own.flows(2)] == [3]
    assert own.fit == default.fit


def test_a_flow_for_few_columns_is_left_out_of_a_wider_table() -> None:
    narrow = {"layers": 0, "hidden": 1, "components": 2, "most_columns": 3}
    several = recipe.parse({**GOOD, "alternative": [narrow]}, "several.toml")
    assert [section.layers for section in several.flows(3)] == [3, 0]
    assert [section.layers for section in several.flows(4)] == [3]


def test_several_tables_and_standard_input_keep_their_places(tmp_path: Path) -> None:
    chosen = recipe.for_files([str(tmp_path / "a*.csv"), "-"], "mine")
    assert chosen.data.files == (str(tmp_path / "a*.csv"), "-")
    assert chosen.flat()["data.file"] == "a*.csv, -"


OPTIONS: dict[str, tuple[dict[str, object], object]] = {
    "columns": ({"columns": 'a,"b, c"'}, Choices(columns=("a", "b, c"))),
    "drop": ({"drop": "a"}, Choices(drop=("a",))),
    "missing": ({"missing": "drop"}, Choices(missing="drop")),
    "missing values": ({"missing_values": "-999,?"}, Choices(missing_values=(-999.0,))),
    "weights": ({"weights": "w"}, Choices(weights="w")),
    "bounds": ({"bounds": "a=0:"}, Choices(bounds=(("a", Bounds(0.0, None)),))),
    "integers": ({"integers": "a"}, Choices(integers=("a",))),
    "fewest rows": ({"min_rows": 20}, Choices(min_rows=20)),
    "a header": ({"header": False}, ReadOptions(header=False)),
    "a delimiter": ({"delimiter": "tab"}, ReadOptions(delimiter="\t")),
    "a decimal sign": ({"decimal": "comma"}, ReadOptions(decimal=",")),
    "an encoding": ({"encoding": "latin1"}, ReadOptions(encoding="iso8859-1")),
    "a sample": ({"max_rows": 10}, ReadOptions(max_rows=10)),
    "words for missing": ({"missing_values": "-999,?"}, ReadOptions(missing_values=frozenset({"-999", "?"}))),
}


@pytest.mark.parametrize(("options", "meaning"), OPTIONS.values(), ids=OPTIONS.keys())
def test_an_option_of_the_table_has_its_meaning_and_stands_in_the_manifest(
    options: dict[str, object], meaning: object
) -> None:
    chosen = recipe.for_files(["mine.csv"], "mine", options)
    data = chosen.data
    assert meaning in (data.choices(), data.read_options(0, progress=False))
    key = next(iter(options))
    assert f"data.{key}" in chosen.flat()
    assert chosen.digest != recipe.for_files(["mine.csv"], "mine").digest


def test_a_target_takes_no_options_of_a_table() -> None:
    drawn = recipe.parse(GOOD, "a.toml")
    with pytest.raises(RecipeError, match="bounds belong to a file, and moons is drawn; leave them out"):
        recipe.with_table_options(drawn, {"bounds": "a=0:1"})


def test_a_file_in_a_recipe_is_found_beside_the_recipe(tmp_path: Path) -> None:
    text = (
        '[data]\nfile = "rows.csv"\n[flow]\nlayers = 1\nhidden = 8\n[fit]\nepochs = 1\nbatch = 8\nlearning_rate = 0.1\n'
    )
    (tmp_path / "r.toml").write_text('name = "m"\n' + text)
    assert recipe.read(tmp_path / "r.toml").data.file == str(tmp_path / "rows.csv")


def test_the_manifest_keeps_every_value_without_folders(tmp_path: Path) -> None:
    flat = recipe.for_files([str(tmp_path / "mine.csv")], "mine").flat()
    assert flat["data.file"] == "mine.csv"
    assert "fit.learning_rate" in flat


def test_the_digest_changes_with_any_value() -> None:
    first = recipe.parse(GOOD, "a.toml")
    second = recipe.parse({**GOOD, "fit": {**FIT, "seed": 1}}, "a.toml")
    assert first.digest == recipe.parse(GOOD, "b.toml").digest != second.digest


BAD: dict[str, tuple[dict[str, object], str]] = {
    "no name": ({"name": None}, "name"),
    "a name that is a path": ({"name": "../m"}, "name"),
    "an unknown key": ({"fit": {**FIT, "lr": 1}}, "fit.lr"),
    "no source": ({"data": {}}, "target or file"),
    "two sources": ({"data": {"target": "moons", "file": "a.csv"}}, "target or file"),
    "an unknown target": ({"data": {"target": "spiral"}}, "data.target"),
    "an unknown transform": ({"flow": {"layers": 3, "hidden": 8, "transform": {"name": "no"}}}, "flow.transform: .*no"),
    "a transform beside its keys": (
        {"flow": {"layers": 3, "hidden": 8, "limit": 2.0, "transform": {"name": "affine_coupling"}}},
        "flow: .*move limit into",
    ),
    "a determinant without a matrix": ({"flow": {"layers": 3, "hidden": 8, "det": 2.0}}, "flow: .*block 1 or more"),
    "no layers": ({"flow": {"hidden": 8}}, "flow.layers"),
    "a negative rate": ({"fit": {**FIT, "learning_rate": -1.0}}, "fit.learning_rate"),
    "two lengths": ({"fit": {**FIT, "steps": 5}}, "fit: .*epochs, steps each set the length"),
    "a budget without a unit": ({"fit": {**LENGTHLESS, "budget": "90"}}, "fit.budget: .*'90' is not a span of time"),
    "a budget of nothing": ({"fit": {**LENGTHLESS, "budget": "0s"}}, "fit.budget: .*more than 0s"),
    "a number as text": ({"fit": {**FIT, "epochs": "3"}}, "fit.epochs"),
}


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD.keys())
def test_the_error_for_a_wrong_value_names_file_section_and_key(change: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=rf"^r\.toml: .*{words}"):
        recipe.parse({**GOOD, **change}, "r.toml")


@pytest.mark.parametrize(("content", "words"), [(None, "no recipe"), (b"a = ", "not TOML"), (b"\xff", "not TOML")])
def test_a_file_that_is_no_recipe_is_named_in_the_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=words):
        recipe.read(path)


def test_older_recipes_may_say_setback_for_rollback() -> None:
    old = recipe.parse({**GOOD, "fit": {**FIT, "setback": 0.03}}, "old.toml")
    new = recipe.parse({**GOOD, "fit": {**FIT, "rollback": 0.03}}, "new.toml")
    assert old == new
    assert old.digest == new.digest
    assert old.flat()["fit.rollback"] == 0.03


def test_a_named_transform_is_the_one_of_the_shorter_keys() -> None:
    flow = {"layers": 3, "hidden": 8}
    short = recipe.parse({**GOOD, "flow": {**flow, "block": 2, "limit": 2.0}}, "short.toml")
    table = {"name": "triangular_coupling", "block": 2, "limit": 2.0}
    named = recipe.parse({**GOOD, "flow": {**flow, "transform": table}}, "named.toml")
    assert short.flow.architecture(4) == named.flow.architecture(4)
    assert short.digest != named.digest


def test_the_digests_of_published_recipes_stay() -> None:
    circles = recipe.read(recipe.RECIPES / "coursework/circles.toml")
    assert circles.digest == "b66b44fc85acd7a9b4251ec9d31afe859ac8d83be7dbef16666ee18e5335c10e"


def test_a_budget_takes_the_place_of_epochs() -> None:
    budgeted = recipe.with_budget(recipe.parse(GOOD, "a.toml"), "1m30s")
    assert (budgeted.fit.epochs, budgeted.fit.budget) == (None, 90.0)
    assert budgeted == recipe.parse({**GOOD, "fit": {**LENGTHLESS, "budget": "90s"}}, "a.toml")
    assert budgeted.flat()["fit.budget"] == 90.0
    with pytest.raises(RecipeError, match="--budget: 'soon' is not a span of time; write it as 90s, 2m or 1h30m"):
        recipe.with_budget(budgeted, "soon")


def test_each_length_has_its_own_digest() -> None:
    lengths: list[dict[str, object]] = [{}, {"epochs": 5}, {"steps": 5}, {"budget": "5s"}, {"patience_steps": 5}]
    digests = {recipe.parse({**GOOD, "fit": LENGTHLESS | length}, "a.toml").digest for length in lengths}
    assert len(digests) == len(lengths)
