"""A bundle's files are handed out as they were loaded: by name from a fixed set, with their digests, or not at all."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

FOLDER = "/models/affine2d/versions/1/files"
NAMES = sorted(path.name for path in affine.PATH.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    affine.copy_to(tmp_path)
    return tmp_path


@pytest.fixture
def own(place: Path) -> Iterator[App]:
    with App(Settings(models=place)) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_the_one_on_disk_and_its_tag_is_its_digest(app: App, name: str) -> None:
    content = (affine.PATH / name).read_bytes()
    response = app.get(f"{FOLDER}/{name}")
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert response.headers["content-type"] == "application/octet-stream"


def test_who_has_the_file_is_told_so(app: App) -> None:
    tag = app.get(f"{FOLDER}/forward.onnx").headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        again = app.get(f"{FOLDER}/forward.onnx", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert app.get(f"{FOLDER}/forward.onnx", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["forward.int8.onnx", "flow.onnx", "%2e%2e", "manifest.json%00", "MANIFEST.JSON"])
def test_no_other_name_is_a_file(app: App, name: str) -> None:
    assert app.get(f"{FOLDER}/{name}").status_code == 404


@pytest.mark.parametrize("name", ["..%2fmanifest.json", "%2fetc%2fpasswd", "../manifest.json", "manifest.json/"])
def test_no_path_is_a_name(app: App, name: str) -> None:
    assert app.get(f"{FOLDER}/{name}").status_code in {307, 404}


def test_a_file_that_is_not_there_is_a_problem_that_lists_those_that_are(app: App) -> None:
    content = app.get(f"{FOLDER}/forward.int8.onnx").json()
    assert content["type"] == "urn:diffeo:problem:file-not-found"
    assert content["detail"].endswith("it has " + ", ".join(NAMES))


@pytest.mark.parametrize(
    "path", ["/models/moons/versions/1/files/forward.onnx", "/models/affine2d/versions/2/files/golden.npy"]
)
def test_no_such_model_or_version_is_404(app: App, path: str) -> None:
    assert app.get(path).status_code == 404


def test_a_file_that_changed_on_disk_is_not_handed_out(own: App, place: Path) -> None:
    path = place / "affine2d/1/forward.onnx"
    path.write_bytes(path.read_bytes()[::-1])
    response = own.get(f"{FOLDER}/forward.onnx")
    assert (response.status_code, response.json()["type"]) == (503, "urn:diffeo:problem:version-refused")
    path.unlink()
    path.symlink_to(affine.PATH / "forward.onnx")
    assert own.get(f"{FOLDER}/forward.onnx").status_code == 503
    assert own.get(f"{FOLDER}/inverse.onnx").status_code == 200


def test_a_version_that_was_refused_is_not_handed_out(place: Path) -> None:
    (affine.copy_to(place, version=2) / "golden.npy").write_bytes(b"damaged")
    with App(Settings(models=place)) as app:
        assert app.get("/models/affine2d/versions/2/files/golden.npy").status_code == 503
        assert app.get(f"{FOLDER}/golden.npy").status_code == 200


def test_a_setting_keeps_the_files_at_home(place: Path) -> None:
    with App(Settings(models=place, downloads=False)) as app:
        assert app.get(f"{FOLDER}/forward.onnx").status_code == 404
        assert "/files/" not in app.get("/openapi.json").text


def test_the_document_describes_it(app: App) -> None:
    operation = app.get("/openapi.json").json()["paths"]["/models/{model}/versions/{version}/files/{file}"]["get"]
    assert {"200", "304", "404", "503"} <= set(operation["responses"])
    names = next(each for each in operation["parameters"] if each["name"] == "file")["schema"]["enum"]
    assert set(NAMES) < set(names)
