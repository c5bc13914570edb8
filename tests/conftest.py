"""What many tests share: the app over the bundle known by hand, and one real server over it."""

from collections.abc import Iterator

import hypothesis
import pytest

from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.server_process import Server

# The same examples on every run and every machine, as many as a minute for all tests allows.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(models=affine.DATA)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[App]:
    with App(settings) as running:
        yield running


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a real server process."""
    running = Server(affine.DATA)
    yield running.url
    running.stop()
