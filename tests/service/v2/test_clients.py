"""Unmodified clients of the protocol against a real server: every answer is right, and so is every error."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.mixed import CLIENTS, run
from tests.clients.pool import fetch

ROOT = Path(__file__).parents[3]
# kserve installs a Kubernetes client, gRPC and a server, so `make clients` installs it into a separate environment.
KSERVE = ROOT / "runs/clients/bin/python"


@pytest.mark.parametrize("client", ["triton", "triton-aio"])
def test_tritonclient_gets_the_right_answer_to_every_request(url: str, client: str) -> None:
    outcome = run(url, [fetch(url, "affine2d")], [client], calls=150)
    assert (outcome["calls"], outcome["first_failures"]) == (150, [])
    kinds = outcome["kinds"]
    assert isinstance(kinds, dict)
    assert len(kinds) >= 5


@pytest.mark.skipif(not KSERVE.exists(), reason="kserve is not installed; make clients installs it")
def test_all_clients_get_the_right_answer_to_every_request(url: str) -> None:
    command = [str(KSERVE), "-m", "tests.clients.mixed", url, "--calls", "150", "--models", "affine2d"]
    outcome = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert (outcome["calls"], outcome["first_failures"]) == (150, [])
    assert {kind.partition(":")[0] for kind in outcome["kinds"]} == set(CLIENTS)


def test_a_wrong_answer_is_reported_as_a_failure(url: str) -> None:
    pool = fetch(url, "affine2d")
    wrong = type(pool)(pool.name, pool.x, pool.z, pool.log_prob + 1, pool.forward, pool.inverse)
    failures = run(url, [wrong], ["triton-aio"], calls=30)["first_failures"]
    assert isinstance(failures, list)
    assert any("Not equal to tolerance" in failure for failure in failures)
