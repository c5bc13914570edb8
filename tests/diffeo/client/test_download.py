"""A bundle is downloaded once and verified; the cache never contains a part of one or a changed one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from diffeo import Client
from diffeo.bundle.errors import DigestMismatch
from diffeo.errors import DiffeoError, Unreachable
from diffeo.local.model import LocalModel, open_bundle
from tests.given.clients.app_transport import AppTransport, Change
from tests.given.clients.sync_facade import CLIENTS
from tests.given.flows import affine
from tests.given.servers.asgi_app import App


@pytest.mark.parametrize("kind", CLIENTS)
def test_both_clients_download_a_bundle(kind: str, url: str, tmp_path: Path) -> None:
    with CLIENTS[kind](url) as client:
        local = client.model("affine2d", 1).local(tmp_path)
        assert local.log_prob(np.ones((1, 2))) == client.model("affine2d").log_prob(np.ones((1, 2)))
    assert (local.name, local.version, local.columns) == ("affine2d", 1, ("height", "weight"))


def download(app: App, folder: Path, change: Change = lambda _, content: content) -> tuple[list[str], LocalModel]:
    """The paths of all requests, and the local model; `change` alters the responses."""
    transport = AppTransport(app, change)
    with Client("http://service.test", transport=transport) as client:
        return transport.paths, client.model("affine2d").local(folder)


def test_a_bundle_is_downloaded_once_and_stored_byte_for_byte(app: App, tmp_path: Path) -> None:
    first, _ = download(app, tmp_path)
    assert len(first) == 8
    (folder,) = tmp_path.iterdir()
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        each.name: each.read_bytes() for each in affine.PATH.iterdir()
    }
    second, _ = download(app, tmp_path)
    assert second == ["/models/affine2d"]


def test_a_damaged_copy_is_downloaded_again(app: App, tmp_path: Path) -> None:
    download(app, tmp_path)
    (folder,) = tmp_path.iterdir()
    (folder / "golden.npy").write_bytes(b"damaged")
    paths, _ = download(app, tmp_path)
    assert len(paths) == 8
    assert (folder / "golden.npy").read_bytes() == (affine.PATH / "golden.npy").read_bytes()


@pytest.mark.parametrize("file", ["manifest.json", "forward.onnx", "flow.safetensors"])
def test_a_byte_that_changes_in_transit_is_an_error_and_nothing_is_stored(app: App, tmp_path: Path, file: str) -> None:
    def flip_last_bit(path: str, content: bytes) -> bytes:
        return content[:-1] + bytes([content[-1] ^ 1]) if path.endswith(f"/{file}") else content

    with pytest.raises(DigestMismatch, match=file):
        download(app, tmp_path, flip_last_bit)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_that_is_a_path_is_an_error(app: App, tmp_path: Path) -> None:
    def insert_path(path: str, content: bytes) -> bytes:
        return content if "files" in path else content.replace(b'"digest":"', b'"digest":"../')

    with pytest.raises(Unreachable, match="is not a diffeo service"):
        download(app, tmp_path / "cache", insert_path)


def test_two_processes_may_download_the_same_bundle_at_the_same_time(app: App, tmp_path: Path) -> None:
    def finish_the_other_download(path: str, content: bytes) -> bytes:
        # The other process stores its copy while the last file is on its way to this one.
        if path.endswith("inverse.ts") and not list(tmp_path.iterdir()):
            shutil.copytree(affine.PATH, tmp_path / digest)
        return content

    digest = open_bundle(affine.PATH, "affine2d", 1).digest
    _, model = download(app, tmp_path, finish_the_other_download)
    assert model.sample(1).shape == (1, 2)


def test_a_refused_version_is_not_downloaded(app: App, tmp_path: Path) -> None:
    def remove_newest(_: str, content: bytes) -> bytes:
        return content[: content.index(b'"newest"')] + b'"newest":null}'

    with pytest.raises(DiffeoError, match="the service serves no such version of affine2d"):
        download(app, tmp_path, remove_newest)
