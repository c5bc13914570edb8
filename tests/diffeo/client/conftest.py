"""Both clients, blocking and async: a test with one of these fixtures runs once with each."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.given.clients.sync_facade import CLIENTS, AnyClient, AnyModel, Connect


@pytest.fixture(scope="module", params=CLIENTS)
def client(url: str, request: pytest.FixtureRequest) -> Iterator[AnyClient]:
    with CLIENTS[request.param](url) as client:
        yield client


@pytest.fixture(params=CLIENTS)
def connect(request: pytest.FixtureRequest) -> Connect:
    """Makes a client that does not retry."""
    return partial(CLIENTS[request.param], retries=0)


@pytest.fixture(scope="module")
def model(client: AnyClient) -> AnyModel:
    return client.model("affine2d")
