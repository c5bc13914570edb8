"""The number of cores comes from the affinity and the quota of the process, not from the machine."""

import os
from pathlib import Path

import pytest

from diffeo.runtime import cores


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name in ("QUOTA", "QUOTA_V1", "PERIOD_V1"):
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
def test_a_cpu_quota_counts_as_that_many_cores(text: str, expected: int) -> None:
    cores.QUOTA.write_text(text)
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_a_quota_of_control_groups_version_1_is_read_too(quota: str, expected: int) -> None:
    cores.QUOTA_V1.write_text(quota)
    cores.PERIOD_V1.write_text("100000")
    assert cores.usable_cores() == expected


def test_without_control_groups_the_affinity_counts() -> None:
    assert cores.usable_cores() == 8
