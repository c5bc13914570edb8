"""One thread for the engines of a file, and a watched folder for each test."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.given.watched_folder import WatchedFolder


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def watched(tmp_path: Path, executor: Executor) -> WatchedFolder:
    return WatchedFolder(tmp_path, executor)
