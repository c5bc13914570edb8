"""The memory budget: what does not fit is rejected with a time to try again, and all that was counted is given back."""

import pytest

from diffeo.service.connections import memory
from diffeo.service.connections.memory import MemoryBudget
from diffeo.service.errors import Overloaded

MIB = 2**20


def test_bytes_beyond_the_limit_are_rejected_and_not_counted() -> None:
    budget = MemoryBudget(10 * MIB)
    budget.reserve(6 * MIB)
    with pytest.raises(Overloaded, match=r"needs 5 MiB .* hold 6 of 10 MiB") as caught:
        budget.reserve(5 * MIB)
    assert caught.value.retry_after == 1
    assert budget.used == 6 * MIB
    budget.release(6 * MIB)
    budget.reserve(10 * MIB)


def test_bytes_that_exist_count_beyond_the_limit_too() -> None:
    budget = MemoryBudget(MIB)
    budget.hold(2 * MIB)
    with pytest.raises(Overloaded):
        budget.check(1)


def test_the_default_is_a_share_of_the_memory_for_each_process() -> None:
    assert memory.default_limit() > 64 * MIB
    assert memory.default_limit(2) == pytest.approx(memory.default_limit() / 2, rel=0.01)
