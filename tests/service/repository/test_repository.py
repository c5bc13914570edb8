"""A folder of bundles becomes models: the newest good version is served, a bad one is refused with its reason."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import onnx
import pytest
import torch

from diffeo.bundle import agreement, graph
from diffeo.bundle.proof import Proof
from diffeo.bundle.read import Bundle, read, seal
from diffeo.service.errors import (
    InvalidRequest,
    ModelNotFound,
    NothingToServe,
    VersionLoading,
    VersionNotFound,
    VersionRefused,
)
from diffeo.service.model import Model
from diffeo.service.repository import repository
from diffeo.service.repository.repository import RefusedVersion, Repository
from diffeo.service.repository.result import PreflightResult
from diffeo.service.requests import ModelSelector
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.unlistable import unlistable

NO_NAME = ModelSelector(None, None)


@pytest.fixture
def load(tmp_path: Path, executor: Executor) -> Callable[..., Repository]:
    def load(**given: object) -> Repository:
        return repository.load(Settings.model_validate({"models": tmp_path, **given}), executor)

    return load


def test_a_single_model_needs_no_name(tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    model = load().find(NO_NAME)
    assert (model.name, model.version, model.manifest.columns) == ("affine2d", 1, ("height", "weight"))
    assert model.digest == hashlib.sha256((affine.PATH / "manifest.json").read_bytes()).hexdigest()


def test_several_models_need_a_name_or_a_default(tmp_path: Path, load: Callable[..., Repository]) -> None:
    for name in ("one", "two", "three"):
        affine.copy_to(tmp_path, name)
    with pytest.raises(InvalidRequest, match="name one: one, three, two") as error:
        load().find(NO_NAME)
    assert error.value.field_errors[0].pointer == "/model"
    assert load().find(ModelSelector("two", None)).name == "two"
    assert load(default_model="three").find(NO_NAME).name == "three"


def test_a_broken_model_beside_the_single_served_one_changes_nothing_for_it(
    tmp_path: Path, load: Callable[..., Repository]
) -> None:
    """Live and after a restart alike: the law depends on what is served, not on what was there first."""
    affine.copy_to(tmp_path)
    _flip(affine.copy_to(tmp_path, "broken"))
    models = load()
    assert models.ready
    assert models.single == "affine2d"
    assert models.find(NO_NAME).name == "affine2d"
    assert isinstance(models.entry("broken", 1), RefusedVersion)
    with pytest.raises(VersionRefused, match="no version of broken is served"):
        models.find(ModelSelector("broken", None))


def test_a_broken_default_model_leaves_the_others_served(tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    _flip(affine.copy_to(tmp_path, "broken"))
    models = load(default_model="broken")
    assert models.ready
    assert models.find(ModelSelector("affine2d", None)).name == "affine2d"
    with pytest.raises(VersionRefused, match="no version of broken is served; version 1 was refused: golden"):
        models.find(NO_NAME)


def test_a_repository_in_which_nothing_can_be_served_is_not_ready(
    tmp_path: Path, load: Callable[..., Repository]
) -> None:
    _flip(affine.copy_to(tmp_path))
    assert not load().ready


def _raise(error: Exception) -> Callable[..., Bundle]:
    def read(*_: object) -> Bundle:
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "reason", "can_pass"),
    [
        (OSError(5, "Input/output error"), "its files cannot be read (Input/output error)", True),
        (MemoryError(), "it could not be loaded (MemoryError: )", False),
        (RecursionError("too deep\nand more"), "it could not be loaded (RecursionError: too deep", False),
        (UnicodeDecodeError("utf-8", b"\xb9", 0, 1, "invalid start byte"), "it could not be loaded (Unic", False),
    ],
    ids=["a disk that fails", "no memory", "recursion", "bytes that are no text"],
)
def test_an_error_that_loading_raises_refuses_the_version(  # noqa: PLR0913  (a case and three fixtures)
    error: Exception,
    reason: str,
    tmp_path: Path,
    load: Callable[..., Repository],
    monkeypatch: pytest.MonkeyPatch,
    *,
    can_pass: bool,
) -> None:
    affine.copy_to(tmp_path)
    monkeypatch.setattr(repository, "read", _raise(error))
    entry = load().entry("affine2d", 1)
    assert isinstance(entry, RefusedVersion)
    assert entry.reason.startswith(reason)
    assert "\n" not in entry.reason
    assert entry.can_pass == can_pass


def test_a_version_that_came_after_the_preflight_is_not_loaded_without_one(tmp_path: Path, executor: Executor) -> None:
    affine.copy_to(tmp_path)
    settings, good = Settings(models=tmp_path), PreflightResult((), None)
    affine.copy_to(tmp_path, version=2)
    models = repository.load(settings, executor, {("affine2d", 1): good})
    assert models.find(NO_NAME).version == 1
    late = RefusedVersion(2, "its preflight has not run yet", can_pass=True, is_loading=True)
    assert models.entry("affine2d", 2) == late
    with pytest.raises(VersionLoading, match="affine2d version 2 is loading: its preflight has not run yet"):
        models.find(ModelSelector("affine2d", 2))


def test_a_model_whose_only_version_is_loading_says_so_and_harms_no_other(tmp_path: Path, executor: Executor) -> None:
    affine.copy_to(tmp_path)
    affine.copy_to(tmp_path, "slow")
    results = {
        ("affine2d", 1): PreflightResult((), None),
        ("slow", 1): PreflightResult((), "its check has not ended", can_pass=True, is_loading=True),
    }
    models = repository.load(Settings(models=tmp_path), executor, results)
    assert models.ready
    assert models.find(NO_NAME).name == "affine2d"
    with pytest.raises(VersionLoading, match="no version of slow is served yet; version 1 is loading"):
        models.find(ModelSelector("slow", None))


def test_files_that_change_after_their_preflight_are_refused(tmp_path: Path, executor: Executor) -> None:
    """A preflight protects only the files that it has seen."""
    affine.copy_to(tmp_path)
    seen = PreflightResult((), None, proof=Proof("0" * 64, 524))
    entry = repository.load_version(Settings(models=tmp_path), ("affine2d", 1), executor, seen)
    assert entry == RefusedVersion(1, "its files changed after its preflight", can_pass=True)


def test_only_a_preflight_of_the_same_bytes_replaces_the_checks_of_the_graphs(
    tmp_path: Path, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    affine.copy_to(tmp_path)
    settings, key = Settings(models=tmp_path), ("affine2d", 1)
    done: list[str] = []
    for place, name in ((graph, "inspect"), (agreement, "check"), (agreement, "check_golden")):
        monkeypatch.setattr(place, name, _noted(getattr(place, name), name, done))
    first = repository.load_version(settings, key, executor)
    assert isinstance(first, Model)
    assert set(done) == {"inspect", "check", "check_golden"}
    done.clear()
    proof = Proof(first.digest, first.row_bytes)
    second = repository.load_version(settings, key, executor, PreflightResult((), None, proof=proof))
    assert isinstance(second, Model)
    assert (done, second.row_bytes) == (["check_golden"], first.row_bytes)
    done.clear()
    repository.load_version(settings, key, executor, PreflightResult((), None))
    assert set(done) == {"inspect", "check", "check_golden"}


def _noted(function: Callable[..., object], name: str, done: list[str]) -> Callable[..., object]:
    def noted(*arguments: object, **named: object) -> object:
        done.append(name)
        return function(*arguments, **named)

    return noted


def test_the_newest_version_is_served_unless_one_is_named(tmp_path: Path, load: Callable[..., Repository]) -> None:
    for version in (1, 2, 10):
        affine.copy_to(tmp_path, version=version)
    models = load()
    assert list(models.versions("affine2d")) == [1, 2, 10]
    assert models.find(NO_NAME).version == 10
    assert models.find(ModelSelector("affine2d", 2)).version == 2
    with pytest.raises(VersionNotFound, match="affine2d has no version 3; it has 1, 2, 10"):
        models.find(ModelSelector(None, 3))


def test_folders_and_files_that_are_no_models_are_ignored(tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    for name in (".hidden", "a b", "__pycache__", "x" * 65, "é"):
        affine.copy_to(tmp_path, name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("not a folder")
    (tmp_path / "affine2d" / "latest").mkdir()
    (tmp_path / "affine2d" / ".draft-2-x").mkdir()
    assert list(load().models) == ["affine2d"]
    assert list(load().versions("affine2d")) == [1]


@pytest.mark.parametrize("name", ["../affine2d", "..", ".", "affine2d/1", "/", "", "AFFINE2D", "affine2d\0", "\\"])
def test_a_name_never_becomes_a_path(name: str, tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    with pytest.raises(ModelNotFound, match="no model of that name; there is: affine2d"):
        load().versions(name)


def _add_stray_files(folder: Path) -> None:
    for number in range(9):
        (folder / f"{number}{'é' * 100}").touch()


def _flip(folder: Path) -> None:
    content = bytearray((folder / "golden.npy").read_bytes())
    content[-1] ^= 1
    (folder / "golden.npy").write_bytes(content)


def _forge(folder: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """A sealed bundle whose forward graph is changed. `write` would refuse some of these graphs."""
    graph = onnx.load_from_string(read(folder).files["forward.onnx"])
    change(graph)
    content = graph.SerializeToString()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["forward.onnx"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(manifest).encode()
    (folder / "forward.onnx").write_bytes(content)
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_bytes(seal(text))


def _unwired(graph: onnx.ModelProto) -> None:
    graph.graph.node.append(onnx.helper.make_node("Add", ["x", "nowhere" * 500], ["sum"]))


def _doubled(graph: onnx.ModelProto) -> None:
    for node in graph.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = "half" if name == "z" else name
    graph.graph.node.append(onnx.helper.make_node("Add", ["half", "half"], ["z"]))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing graph": (lambda folder: (folder / "forward.onnx").unlink(), "forward.onnx is missing"),
    "a flipped bit": (_flip, "golden.npy is not the file that the manifest names"),
    "stray files": (_add_stray_files, "does not name"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
    "a graph that does not load": (lambda folder: _forge(folder, _unwired), "forward.onnx"),
    "a graph of another density": (lambda folder: _forge(folder, _doubled), "away from golden.npy"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_bad_version_is_refused_with_its_reason_and_the_previous_one_is_served(
    damage: Callable[[Path], object], words: str, tmp_path: Path, load: Callable[..., Repository]
) -> None:
    affine.copy_to(tmp_path, version=1)
    damage(affine.copy_to(tmp_path, version=2))
    models = load()
    assert models.find(NO_NAME).version == 1
    entry = models.entry("affine2d", 2)
    assert isinstance(entry, RefusedVersion)
    assert words in entry.reason
    assert len(entry.reason) <= 400
    assert "\n" not in entry.reason
    assert str(tmp_path) not in entry.reason
    with pytest.raises(VersionRefused, match="affine2d version 2 was refused: ") as error:
        models.find(ModelSelector(None, 2))
    assert entry.reason in str(error.value)


def test_a_model_without_a_good_version_answers_with_the_reason(
    tmp_path: Path, load: Callable[..., Repository]
) -> None:
    for version in (1, 2):
        _flip(affine.copy_to(tmp_path, version=version))
    with pytest.raises(VersionRefused, match="no version of affine2d is served; version 2 was refused: golden"):
        load().find(NO_NAME)


def test_a_bundle_without_torchscript_is_refused_by_that_engine_only(
    tmp_path: Path, load: Callable[..., Repository]
) -> None:
    affine.copy_to(tmp_path, version=1)
    affine.remake(tmp_path / "affine2d" / "2", {"forward.ts": None, "inverse.ts": None})
    entries = load(engine="torchscript").versions("affine2d")
    assert isinstance(entries[1], Model)
    assert isinstance(entries[2], RefusedVersion)
    assert "no TorchScript graphs" in entries[2].reason
    assert all(isinstance(entry, Model) for entry in load(engine="onnx").versions("affine2d").values())


class Wide(torch.nn.Module):
    """A graph of seven columns; its error has many lines."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.ones(7, 7)


def _script() -> bytes:
    return bytes(torch.jit.script(Wide()).save_to_buffer())  # type: ignore[no-untyped-call]  # torch does not annotate it


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"nonsense", "TorchScript cannot load the graph of z: "), (_script, "TorchScript failed on ")],
    ids=["bytes that are no graph", "a graph that fails"],
)
def test_a_bad_torchscript_graph_is_refused_in_one_line(
    content: bytes | Callable[[], bytes], words: str, tmp_path: Path, load: Callable[..., Repository]
) -> None:
    inverse = content if isinstance(content, bytes) else content()
    affine.remake(tmp_path / "affine2d" / "1", {"inverse.ts": inverse})
    entry = load(engine="torchscript").entry("affine2d", 1)
    assert isinstance(entry, RefusedVersion)
    assert entry.reason.startswith(words)
    assert "\n" not in entry.reason
    assert ".py" not in entry.reason


def test_a_refusal_is_logged_once(
    tmp_path: Path, load: Callable[..., Repository], caplog: pytest.LogCaptureFixture
) -> None:
    _flip(affine.copy_to(tmp_path))
    load()
    (record,) = caplog.records
    fields = {name: record.__dict__[name] for name in ("levelname", "msg", "model", "version")}
    assert fields == {"levelname": "WARNING", "msg": "refused", "model": "affine2d", "version": 1}


def test_a_repository_without_models_is_not_served(tmp_path: Path, executor: Executor) -> None:
    with pytest.raises(NothingToServe, match=r"holds no bundle; expected .*NAME/VERSION/manifest.json"):
        repository.load(Settings(models=tmp_path), executor)
    with pytest.raises(NothingToServe, match=r"no model repository at .*nowhere; set DIFFEO_MODELS or --models"):
        repository.load(Settings(models=tmp_path / "nowhere"), executor)


def test_a_default_model_must_exist(tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    with pytest.raises(NothingToServe, match="the default model 'moons' is not among affine2d"):
        load(default_model="moons")


def test_a_process_that_replaces_another_one_serves_the_models_that_are_left(
    tmp_path: Path, executor: Executor
) -> None:
    affine.copy_to(tmp_path)
    settings = Settings(models=tmp_path, default_model="gone", precisions={"lost": "int8"})
    with pytest.raises(NothingToServe):
        repository.load(settings, executor)
    loaded = repository.load(settings, executor, checks_settings=False)
    assert loaded.find(ModelSelector("affine2d", None)).name == "affine2d"


def test_a_model_whose_folder_cannot_be_listed_ends_no_start(tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    (tmp_path / "hidden").mkdir()
    with unlistable("hidden"):
        found = load(default_model="hidden", precisions={"hidden": "int8"})
    assert found.find(ModelSelector("affine2d", None)).name == "affine2d"


def test_an_error_lists_only_the_first_of_many_names(tmp_path: Path, load: Callable[..., Repository]) -> None:
    affine.copy_to(tmp_path)
    served = load().versions("affine2d")
    many = Repository({f"model{index}": served for index in range(1000)}, None)
    with pytest.raises(ModelNotFound, match=r", \.\.\.$") as error:
        many.versions("absent")
    assert len(str(error.value)) < 250
    assert json.dumps(str(error.value)).count("model") < 30
