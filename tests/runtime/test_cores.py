"""A process counts the cores that it is given, not those of the machine."""

import os
from pathlib import Path

import pytest

from diffeo.runtime import cores


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name in ("QUOTA", "QUOTA_1", "PERIOD_1"):
        monkeypatch.setattr(cores, name, tmp_path / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("1600000 100000", 8),
        ("nonsense", 8),
        ("1 0", 8),
    ],
)
def test_a_quota_of_processor_time_is_that_many_cores(text: str, expected: int) -> None:
    cores.QUOTA.write_text(text)
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_the_older_control_groups_are_read_too(quota: str, expected: int) -> None:
    cores.QUOTA_1.write_text(quota)
    cores.PERIOD_1.write_text("100000")
    assert cores.usable_cores() == expected


def test_without_control_groups_the_binding_counts() -> None:
    assert cores.usable_cores() == 8
