"""The flow known by hand, remote and local: a test of an adapter runs once with each."""

from collections.abc import Iterator

import pytest

from diffeo import Client
from diffeo.density import Density
from diffeo.local.model import open_model
from tests.given.flows import affine


@pytest.fixture(scope="session", params=["remote", "local"])
def flow(url: str, request: pytest.FixtureRequest) -> Iterator[Density]:
    if request.param == "local":
        yield open_model(affine.DATA, "affine2d", None)
        return
    with Client(url) as client:
        yield client.model("affine2d")
