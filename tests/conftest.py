"""Fixtures that many tests share, the app and a server with the bundle known by hand; and the list of slow tests."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.server_process import Server

# The same examples on every run and every machine; 50 for each test keep the whole suite short.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("repeatable")

TESTS: Final = Path(__file__).parent
# `make test-fast` leaves these out: they fit flows, integrate densities, export many graphs, or start processes.
SLOW_FILES: Final = frozenset(
    {
        "diffeo/bulk/test_command.py",
        "diffeo/bulk/test_executors.py",
        "diffeo/test_beside_user_packages.py",
        "diffeo/test_fitting.py",
        "diffeo/test_installation.py",
        "docs/test_coupling.py",
        "docs/test_examples_in_docstrings.py",
        "docs/test_protocol.py",
        "runtime/test_runtime_without_service.py",
        "service/process/test_server.py",
        "service/repository/test_preflight.py",
        "service/repository/test_watch.py",
        "training/certification/test_certificate.py",
        "training/certification/test_integral.py",
        "training/flows/test_matrix.py",
        "training/flows/test_new_transform.py",
        "training/publication/test_kinds_of_columns.py",
        "training/int8/test_quantisation.py",
        "training/int8/test_variant.py",
        "training/study/test_populations.py",
        "training/study/test_study.py",
        "training/study/test_trial.py",
        "training/study/test_workers.py",
        "training/test_export.py",
        "training/fitting/test_fit.py",
        "training/fitting/test_trainer.py",
        "training/test_run.py",
        "training/test_targets.py",
    }
)
SLOW_FOLDERS: Final = frozenset({"end_to_end", "packaging", "reliability"})
# A test that uses this fixture starts a server process.
SLOW_FIXTURE: Final = "url"


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark the slow tests."""
    for item in items:
        file = item.path.relative_to(TESTS)
        is_slow = file.parts[0] in SLOW_FOLDERS or file.as_posix() in SLOW_FILES
        if is_slow or SLOW_FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


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
