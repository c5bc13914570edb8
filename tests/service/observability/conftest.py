"""A fixture of the counter tests: shared counters, as further processes of one service would open them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diffeo.service.observability.shared_counters import SharedCounters


@pytest.fixture
def new_counters(tmp_path: Path) -> Iterator[Callable[[], SharedCounters]]:
    """Opens the counters of one more process. A lock belongs to an open file, so this process can open several."""
    files = [tmp_path / str(number) for number in range(3)]
    for file in files:
        file.touch()
    opened: list[SharedCounters] = []

    def new_counters() -> SharedCounters:
        opened.append(SharedCounters(files))
        return opened[-1]

    yield new_counters
    for counters in opened:
        counters.close()
