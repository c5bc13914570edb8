"""A killed job resumes and ends with the same bytes; a folder never mixes the files of two jobs."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from diffeo.bulk.block import Block, BlockRecord
from diffeo.bulk.executors import BlockExecutor, in_process
from diffeo.bulk.job import Job
from diffeo.bulk.worker import WorkerSpec
from diffeo.errors import FolderInUse
from tests.given.job_files import bytes_of, log_prob_job, rows, run_into, sample_job, save, table


class Killed(Exception):
    """Raised where a real worker process would be killed."""


def killed_after(count: int) -> BlockExecutor:
    """An executor that is killed after the block with number `count` - 1."""

    def execute(spec: WorkerSpec, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
        for block, record in zip(blocks, in_process(spec, blocks), strict=True):
            yield record
            if block.number + 1 == count:
                # A killed worker leaves the file that it was writing.
                spec.folder.location.child(".part-00000009.parquet.1.part").write(b"half")
                raise Killed

    return execute


@pytest.mark.parametrize("output_format", ["parquet", "arrow", "csv", "npy"])
def test_a_killed_job_resumes_and_ends_with_the_same_bytes(output_format: str, tmp_path: Path) -> None:
    requested = sample_job(9500, output_format=output_format)
    run_into(tmp_path / "whole", requested)
    for count in (1, 4, 10):
        with pytest.raises(Killed):
            run_into(tmp_path / "killed", requested, killed_after(count))
    computed: list[int] = []

    def counting(spec: WorkerSpec, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
        computed.extend(block.number for block in blocks)
        yield from in_process(spec, blocks)

    summary = run_into(tmp_path / "killed", requested, counting)
    assert computed == []
    assert summary.rows == 9500
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")
    assert run_into(tmp_path / "killed", requested, counting).computed == 0


def test_finished_blocks_are_not_computed_again(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_into(tmp_path / "out", sample_job(9500), killed_after(4))
    assert run_into(tmp_path / "out", sample_job(9500)).computed == 5500


def rewrite_as_version_1(file: Path, operation: str) -> None:
    """Give a description the keys of the first release."""
    description = json.loads(file.read_text()) | {"schema": "diffeo-job/1", "verb": operation}
    del description["operation"]
    description.pop("wrong", None)
    if "outputs" in description:
        description["parts"] = description.pop("outputs")
    file.write_text(json.dumps(description))


def test_a_job_that_the_first_release_started_resumes(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_into(tmp_path / "out", sample_job(9500), killed_after(4))
    rewrite_as_version_1(tmp_path / "out/_job.json", "sample")
    assert run_into(tmp_path / "out", sample_job(9500)).computed == 5500
    run_into(tmp_path / "whole", sample_job(9500))
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_job_over_files_that_the_first_release_finished_is_not_computed_again(tmp_path: Path) -> None:
    file = save(tmp_path / "rows.parquet", table(rows(100)))
    run_into(tmp_path / "out", log_prob_job(file, wrong="null"))
    rewrite_as_version_1(tmp_path / "out/_manifest.json", "score")
    assert run_into(tmp_path / "out", log_prob_job(file, wrong="null")).computed == 0


def other_jobs(file: Path) -> dict[str, Callable[[], Job]]:
    """Jobs that differ from `log_prob_job(file)` in one key of the description."""
    return {
        "kept": lambda: log_prob_job(file, kept=("height",)),
        "format": lambda: log_prob_job(file, output_format="csv"),
        "wrong": lambda: log_prob_job(file, wrong="null"),
        "operation": lambda: sample_job(10),
        "block_rows": lambda: log_prob_job(file, block_rows=7),
    }


@pytest.mark.parametrize("key", ["kept", "format", "wrong", "operation", "block_rows"])
def test_another_job_is_not_mixed_into_a_folder(key: str, tmp_path: Path) -> None:
    file = save(tmp_path / "rows.parquet", table(rows(100)))
    run_into(tmp_path / "out", log_prob_job(file))
    before = bytes_of(tmp_path / "out")
    with pytest.raises(FolderInUse, match=key):
        run_into(tmp_path / "out", other_jobs(file)[key]())
    assert bytes_of(tmp_path / "out") == before


def test_a_changed_input_file_makes_another_job(tmp_path: Path) -> None:
    file = save(tmp_path / "rows.parquet", table(rows(100)))
    run_into(tmp_path / "out", log_prob_job(file))
    os.utime(file, (1, 1))
    with pytest.raises(FolderInUse, match="differs in: inputs;"):
        run_into(tmp_path / "out", log_prob_job(file))


def test_a_folder_with_other_files_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(FolderInUse, match="holds other files"):
        run_into(tmp_path, sample_job(10))
    assert bytes_of(tmp_path) == {"thesis.tex": b"dear"}
