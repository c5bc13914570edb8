"""Entries of the repository that cannot be served change nothing for those that can, live and after a restart alike."""

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks import process_tree
from diffeo.bundle.read import seal
from tests.given.flows import affine
from tests.given.servers.seeded_load import wait_until
from tests.given.servers.server_process import Server

BODY = {"x": [[1.0, -2.0]]}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    affine.copy_to(tmp_path)
    return tmp_path


@pytest.fixture
def server(models: Path) -> Iterator[Server]:
    running = Server(models)
    yield running
    if running.process.poll() is None:
        running.stop()


def preflights(server: Server) -> list[int]:
    """The running processes that load new versions."""
    found = []
    for pid in process_tree.descendants(server.process.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"preflight_child" in command:
            found.append(pid)
    return found


def versions(server: Server, model: str) -> list[tuple[int, str]]:
    answer = httpx.get(f"{server.url}/models/{model}")
    return [(each["version"], each["state"]) for each in answer.json().get("versions", [])]


def is_served(server: Server, model: str) -> bool:
    return (1, "ready") in versions(server, model)


def publish(models: Path, name: str) -> None:
    """A whole version at once, as a publisher does it."""
    affine.copy_to(models / ".new", name)
    (models / ".new" / name).rename(models / name)


def poison(models: Path, name: str) -> None:
    """A sealed bundle with a byte that is not UTF-8 in a name of its graph, which ONNX Runtime would print."""
    folder = affine.copy_to(models / ".new", name)
    graph = (folder / "forward.onnx").read_bytes()
    content = graph.replace(b"log_abs_det_jacobian", b"log_abs_det_jacobia\xb9")
    assert content != graph
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["forward.onnx"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(manifest).encode()
    for file, changed in (("forward.onnx", content), ("manifest.json", text), ("manifest.sha256", seal(text))):
        (folder / file).write_bytes(changed)
    (models / ".new" / name).rename(models / name)


def check_unharmed(server: Server) -> None:
    """Requests that name no model go to the single served one, and the service is ready."""
    answer = httpx.post(server.url + "/log_prob", json=BODY).raise_for_status().json()
    assert answer["model"] == "affine2d"
    assert answer["log_prob"] == pytest.approx(affine.log_prob(BODY["x"]).tolist(), rel=1e-5)
    assert httpx.get(server.url + "/readyz").status_code == 200


def test_broken_entries_harm_nothing_and_the_next_good_version_is_served(models: Path, server: Server) -> None:
    poison(models, "poison")
    (affine.copy_to(models, "broken") / "golden.npy").unlink()
    affine.copy_to(models, version=10**19)
    (models / "circle").symlink_to("circle")
    os.mkdir(os.fsencode(models) + b"/\xb9")  # noqa: PTH102  (a name that pathlib cannot hold)
    wait_until(
        lambda: versions(server, "poison") == [(1, "refused")] and versions(server, "broken") == [(1, "refused")]
    )
    check_unharmed(server)
    affine.copy_to(models, version=2)
    wait_until(lambda: versions(server, "affine2d") == [(1, "ready"), (2, "ready")])
    check_unharmed(server)
    reasons = {each["name"]: each["reason"] for each in httpx.post(server.url + "/v2/repository/index").json()}
    assert all(reasons[name] for name in ("poison", "broken"))
    code, log = server.stop()
    assert code == 0
    # Every request has its line: nothing in the folder ends the log.
    assert sum(line.get("path") == "/log_prob" for line in log) == 2
    assert [line["path"] for line in log if line["message"] == "ignored"] == [f"affine2d/{10**19}"]
    restarted = Server(models)
    try:
        check_unharmed(restarted)
        assert versions(restarted, "poison") == versions(restarted, "broken") == [(1, "refused")]
        assert versions(restarted, "affine2d") == [(1, "ready"), (2, "ready")]
    finally:
        restarted.stop()


def test_a_preflight_that_is_killed_from_outside_is_run_again(models: Path, server: Server) -> None:
    publish(models, "fine")
    wait_until(lambda: bool(preflights(server)))
    for pid in preflights(server):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_served(server, "fine"))


def test_a_preflight_that_stands_still_delays_no_other_version(models: Path, server: Server) -> None:
    publish(models, "slow")
    wait_until(lambda: bool(preflights(server)))
    stopped = preflights(server)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        publish(models, "behind")
        wait_until(lambda: is_served(server, "behind"))
        assert httpx.get(f"{server.url}/models/slow").status_code == 404
        check = httpx.post(server.url + "/log_prob", json={"model": "affine2d", **BODY})
        assert check.status_code == 200
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: is_served(server, "slow"))
