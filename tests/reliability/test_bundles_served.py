"""Hostile bundles beside a good one: each is refused with its reason, and the server answers on in the same process."""

import time
from pathlib import Path

import httpx
import pytest

from tests.given.flows import affine
from tests.given.servers.server_process import Server
from tests.reliability.hostile_bundles import broken_structure, row_mixing, wrong_numbers
from tests.reliability.hostile_bundles.sealing import edited, files_of, publish, sealed

FILES = files_of(affine.PATH)
# One of each kind: a leak, memory by data, the number of rows, a poisoned name, memory by a constant, a wrong density.
CHOSEN = {
    "ReduceMax over all, keepdims 0": "combines the rows of the batch",
    "Expand by data": "combines the rows of the batch",
    "the number of rows compared": "number of rows",
    "a node named by no UTF-8": "UTF-8",
    "a constant of 2^30 numbers": "Expand",
    "a chain of 6,000 nodes": "deeper",
    "5.0 nats more where x0 > 1.3": "log_prob",
    "log_prob of zero where x1 > 20.0": "log_prob",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    affine.copy_to(tmp_path)
    return tmp_path


def test_hostile_bundles_change_nothing_for_a_good_one(models: Path) -> None:
    cases = {case.name: case for case in (*row_mixing.cases(), *broken_structure.cases(), *wrong_numbers.cases())}
    server = Server(models, "--default-model", "affine2d")
    try:
        with httpx.Client(base_url=server.url, timeout=10) as client:
            for number, name in enumerate(CHOSEN):
                content = edited(FILES["forward.onnx"], cases[name].edit)
                draft = publish(sealed({**FILES, "forward.onnx": content}), models / f"hostile{number}" / ".draft")
                draft.rename(draft.with_name("1"))
            reasons = _reasons(client, len(CHOSEN))
            for number, (name, words) in enumerate(CHOSEN.items()):
                assert words in reasons[f"hostile{number}"], name
            answer = client.post("/log_prob", json={"x": [[1.0, -2.0]]})
            assert answer.json()["log_prob"] == pytest.approx(affine.log_prob([[1.0, -2.0]]).tolist(), abs=1e-5)
        assert server.process.poll() is None
    finally:
        server.stop()


def _reasons(client: httpx.Client, count: int) -> dict[str, str]:
    """The reason of each refused model, once there are `count` of them; a good model answers all the while."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        models = client.get("/models").json()["models"]
        reasons = {
            model["model"]: version["reason"]
            for model in models
            for version in model["versions"]
            if version["state"] == "refused"
        }
        if len(reasons) == count:
            return reasons
        assert client.post("/log_prob", json={"x": [[0.3, -0.4]]}).status_code == 200
        time.sleep(0.05)
    raise AssertionError(f"{len(reasons)} of {count} versions are refused: {models}")
