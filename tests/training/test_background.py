"""Work beside this process brings back its result or its error, and a process that dies is named."""

import os
import signal
from collections.abc import Callable

import pytest

from diffeo.training import background as module
from diffeo.training.background import in_background

CORES = [1, 2]


@pytest.mark.parametrize("cores", CORES)
def test_the_result_is_that_of_the_work(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    with in_background(lambda: bytes(1_000_000)) as result:
        pass
    assert result() == bytes(1_000_000)


@pytest.mark.parametrize("cores", CORES)
def test_an_error_is_raised_where_the_result_is_asked_for(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    with in_background(_failing("no graph")) as result:
        pass
    with pytest.raises(ValueError, match="no graph"):
        result()


def test_a_process_that_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    with in_background(lambda: os.kill(os.getpid(), signal.SIGKILL)) as result:
        pass
    with pytest.raises(RuntimeError, match="ended with code -9"):
        result()


def _failing(sentence: str) -> Callable[[], object]:
    def work() -> object:
        raise ValueError(sentence)

    return work
