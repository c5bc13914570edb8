"""Every executor writes the same bytes and reports the same errors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from diffeo.bulk.executors import BlockExecutor, in_processes, in_threads
from diffeo.errors import TableError
from tests.given.job_files import bytes_of, log_prob_job, rows, run_into, sample_job, save, table

EXECUTORS = [in_threads, in_processes]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_two_workers_write_the_same_bytes_as_one(executor: Callable[[int], BlockExecutor], tmp_path: Path) -> None:
    run_into(tmp_path / "one", sample_job(5500))
    run_into(tmp_path / "two", sample_job(5500), executor(2))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_error_of_a_worker_names_the_block_and_the_cause(
    executor: Callable[[int], BlockExecutor], tmp_path: Path
) -> None:
    file = save(tmp_path / "rows.parquet", table(rows(3000)))
    requested = log_prob_job(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(TableError, match=r"block \d, rows from \d+ on: Parquet magic bytes not found"):
        run_into(tmp_path / "out", requested, executor(2))
