"""Downloads of bundle files: byte for byte as they were loaded, and no file outside the bundle."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message

from diffeo.service.routes.files import MAX_OF_CLIENT
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

FOLDER = "/models/affine2d/versions/1/files"
NAMES = sorted(path.name for path in affine.PATH.iterdir())


@pytest.fixture
def models(tmp_path: Path) -> Path:
    affine.copy_to(tmp_path)
    return tmp_path


@pytest.fixture
def copied_app(models: Path) -> Iterator[App]:
    with App(Settings(models=models)) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_sent_as_it_is_on_disk_with_its_digest_as_etag(app: App, name: str) -> None:
    content = (affine.PATH / name).read_bytes()
    response = app.get(f"{FOLDER}/{name}")
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert response.headers["content-type"] == "application/octet-stream"


def test_a_client_that_has_the_file_gets_304(app: App) -> None:
    tag = app.get(f"{FOLDER}/forward.onnx").headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        again = app.get(f"{FOLDER}/forward.onnx", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert app.get(f"{FOLDER}/forward.onnx", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["forward.int8.onnx", "flow.onnx", "%2e%2e", "manifest.json%00", "MANIFEST.JSON"])
def test_a_name_outside_the_bundle_is_404(app: App, name: str) -> None:
    assert app.get(f"{FOLDER}/{name}").status_code == 404


@pytest.mark.parametrize("name", ["..%2fmanifest.json", "%2fetc%2fpasswd", "../manifest.json", "manifest.json/"])
def test_a_path_is_never_a_file_name(app: App, name: str) -> None:
    assert app.get(f"{FOLDER}/{name}").status_code in {307, 404}


def test_the_problem_about_a_missing_file_lists_the_files_of_the_bundle(app: App) -> None:
    content = app.get(f"{FOLDER}/forward.int8.onnx").json()
    assert content["type"] == "urn:diffeo:problem:file-not-found"
    assert content["detail"].endswith("it has " + ", ".join(NAMES))


@pytest.mark.parametrize(
    "path", ["/models/moons/versions/1/files/forward.onnx", "/models/affine2d/versions/2/files/golden.npy"]
)
def test_an_unknown_model_or_version_is_404(app: App, path: str) -> None:
    assert app.get(path).status_code == 404


def test_a_file_that_changed_on_disk_is_not_sent(copied_app: App, models: Path) -> None:
    path = models / "affine2d/1/forward.onnx"
    path.write_bytes(path.read_bytes()[::-1])
    response = copied_app.get(f"{FOLDER}/forward.onnx")
    assert (response.status_code, response.json()["type"]) == (503, "urn:diffeo:problem:version-refused")
    path.unlink()
    path.symlink_to(affine.PATH / "forward.onnx")
    assert copied_app.get(f"{FOLDER}/forward.onnx").status_code == 503
    assert copied_app.get(f"{FOLDER}/inverse.onnx").status_code == 200


def test_files_of_a_refused_version_are_not_sent(models: Path) -> None:
    (affine.copy_to(models, version=2) / "golden.npy").write_bytes(b"damaged")
    with App(Settings(models=models)) as app:
        assert app.get("/models/affine2d/versions/2/files/golden.npy").status_code == 503
        assert app.get(f"{FOLDER}/golden.npy").status_code == 200


def test_a_setting_turns_downloads_off(models: Path) -> None:
    with App(Settings(models=models, downloads=False)) as app:
        assert app.get(f"{FOLDER}/forward.onnx").status_code == 404
        assert "/files/" not in app.get("/openapi.json").text


def test_the_openapi_document_describes_downloads(app: App) -> None:
    operation = app.get("/openapi.json").json()["paths"]["/models/{model}/versions/{version}/files/{file}"]["get"]
    assert {"200", "304", "404", "503"} <= set(operation["responses"])
    names = next(each for each in operation["parameters"] if each["name"] == "file")["schema"]["enum"]
    assert set(NAMES) < set(names)


def test_a_download_that_broke_off_is_resumed_with_a_range(app: App) -> None:
    content = (affine.PATH / "forward.onnx").read_bytes()
    whole = app.get(f"{FOLDER}/forward.onnx")
    tag = whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    rest = app.get(f"{FOLDER}/forward.onnx", headers={"range": "bytes=10-", "if-range": tag})
    assert (rest.status_code, rest.content) == (206, content[10:])
    assert rest.headers["content-range"] == f"bytes 10-{len(content) - 1}/{len(content)}"
    other = app.get(f"{FOLDER}/forward.onnx", headers={"range": "bytes=10-", "if-range": '"other"'})
    assert (other.status_code, other.content) == (200, content)


@pytest.mark.parametrize("header", ["bytes=0-1,4-5", "bytes=5-4", "rows=0-1", "bytes=-", "bytes=a-b", "bytes=0-,0-"])
def test_a_range_that_is_not_one_range_of_bytes_is_ignored(app: App, header: str) -> None:
    assert app.get(f"{FOLDER}/forward.onnx", headers={"range": header}).status_code == 200


def test_a_range_after_the_end_is_416(app: App) -> None:
    response = app.get(f"{FOLDER}/forward.onnx", headers={"range": "bytes=99999999-"})
    assert response.status_code == 416
    assert response.headers["content-range"].startswith("bytes */")


def test_head_has_the_length_and_no_body(app: App) -> None:
    response = app.request("HEAD", f"{FOLDER}/forward.onnx")
    length = str((affine.PATH / "forward.onnx").stat().st_size)
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", length)


def test_a_client_that_reads_its_downloads_slowly_leaves_slots_to_others(app: App) -> None:
    statuses: list[int] = []

    async def run() -> None:
        leave, all_answered = asyncio.Event(), asyncio.Event()

        async def download(client: str) -> None:
            scope = {
                "type": "http",
                "method": "GET",
                "path": f"{FOLDER}/forward.onnx",
                "raw_path": f"{FOLDER}/forward.onnx".encode(),
                "root_path": "",
                "scheme": "http",
                "query_string": b"",
                "headers": [(b"host", b"service.test")],
                "client": (client, 1),
                "server": ("service.test", 80),
            }

            async def receive() -> Message:
                await leave.wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                    if len(statuses) == 41:
                        all_answered.set()
                else:
                    await leave.wait()

            await app.asgi(scope, receive, send)

        async with asyncio.TaskGroup() as tasks:
            for client in [*["192.0.2.1"] * 40, "192.0.2.2"]:
                tasks.create_task(download(client))
            async with asyncio.timeout(10):
                await all_answered.wait()
            leave.set()

    app.run(run())
    assert Counter(statuses) == {200: MAX_OF_CLIENT + 1, 429: 40 - MAX_OF_CLIENT}
    assert app.get(f"{FOLDER}/forward.onnx").status_code == 200
