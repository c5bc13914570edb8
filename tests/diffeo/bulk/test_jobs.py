"""A job's parts are what the model answers to the rows; who computes them, how often it is killed, changes no byte."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from diffeo.bulk import executors, job
from diffeo.bulk.block import Block, Record
from diffeo.bulk.job import Job
from diffeo.bulk.location import locate
from diffeo.bulk.run import Summary, run
from diffeo.bulk.worker import Work
from diffeo.density import Draw
from diffeo.errors import OtherJob, TableError
from diffeo.local.model import open_bundle
from diffeo.tables.csv_numbers import Wrong
from tests.given import job_files
from tests.given.flows import affine

SUFFIXES = [".parquet", ".arrow", ".arrows", ".csv", ".npy"]
WRITTEN = ["parquet", "arrow", "csv", "npy"]
FLOW = open_bundle(affine.PATH, "affine2d", 1)
BLOCK_ROWS = 1000


def scored(file: Path, *, kept: Sequence[str] = (), written: str = "parquet", wrong: Wrong = "refuse") -> Job:
    return job.log_prob(job_files.MODEL, [str(file)], kept, written, BLOCK_ROWS, wrong)


def drawn(count: int, *, start: int = 0, block_rows: int = BLOCK_ROWS, written: str = "parquet") -> Job:
    return job.sample(job_files.MODEL, Draw(count, 7, start, 0.5), ("x", "log_prob", "z"), written, block_rows)


def done(asked: Job, folder: Path, by: executors.Crew = executors.alone) -> Summary:
    return run(asked, locate(str(folder)), by)


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_each_format_are_scored_into_each_format(suffix: str, written: str, tmp_path: Path) -> None:
    x = job_files.rows(2345)
    file = job_files.save(tmp_path / f"rows{suffix}", job_files.table(x))
    summary = done(scored(file, written=written), tmp_path / "out")
    (nats,) = job_files.load(tmp_path / "out").columns
    assert np.array_equal(nats.cast(pa.float32()).to_numpy(), FLOW.log_prob(x))
    assert (summary.rows, summary.invalid, summary.parts) == (2345, 0, 3)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_a_transform_writes_the_image_and_the_log_det(direction: str, tmp_path: Path) -> None:
    x = job_files.rows(2345)
    names = job_files.COLUMNS if direction == "forward" else ("z0", "z1")
    file = job_files.save(tmp_path / "rows.parquet", pa.table(dict(zip(names, x.T, strict=True))))
    done(job.transform(job_files.MODEL, [str(file)], direction, (), "parquet", BLOCK_ROWS), tmp_path / "out")
    found = job_files.load(tmp_path / "out")
    image, ladj = FLOW.transform(x, direction)
    assert found.schema.names == [
        *(("z0", "z1") if direction == "forward" else job_files.COLUMNS),
        "log_abs_det_jacobian",
    ]
    assert np.array_equal(np.stack([column.to_numpy() for column in found.columns], axis=1), np.c_[image, ladj])


def test_columns_are_matched_by_name_and_others_are_kept_on_request(tmp_path: Path) -> None:
    x = job_files.rows(1500)
    more = {"id": pa.array(range(1500)), "label": pa.array([f"row {number}" for number in range(1500)])}
    shuffled = job_files.table(x, **more).select(["label", "weight", "id", "height"])
    for suffix in (".parquet", ".arrow", ".csv"):
        out = tmp_path / suffix
        done(scored(job_files.save(tmp_path / f"rows{suffix}", shuffled), kept=("label", "id", "height")), out)
        found = job_files.load(out)
        assert found.schema.names == ["label", "id", "height", "log_prob"]
        assert found["label"].to_pylist() == more["label"].to_pylist()
        assert [int(each) for each in found["id"].to_pylist()] == more["id"].to_pylist()
        assert np.array_equal(found["log_prob"].to_numpy(), FLOW.log_prob(x))


def test_a_row_that_has_no_answer_is_null_and_counted_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("height,weight\n1,-2\nnone,1\n3\n,\ninf,2\n1e300,0\n 3 ,2\n")
    summary = done(scored(tmp_path / "rows.csv", wrong="null"), tmp_path / "csv")
    nats = job_files.load(tmp_path / "csv")["log_prob"].to_pylist()
    assert [place for place, value in enumerate(nats) if value is not None] == [0, 6]
    assert nats[6] == pytest.approx(affine.log_prob(np.array([[3, 2]]))[0])
    assert (summary.rows, summary.invalid) == (7, 5)
    assert job_files.manifest(tmp_path / "csv")["invalid"] == 5

    whole = pa.table({"height": pa.array([1, None, 3]), "weight": pa.array([-2.0, 1.0, float("nan")])})
    done(scored(job_files.save(tmp_path / "rows.parquet", whole), written="npy"), tmp_path / "npy")
    assert np.isnan(np.load(tmp_path / "npy/part-00000000.npy")).tolist() == [False, True, True]


WRONG = {
    "a word": ("height,weight\n1,2\nx,4\n", "row 2, column 'height': 'x' is no number"),
    "a short record": ("height,weight\n1,2\n3\n", "row 2: cells found: 1; expected 2, as in line 1"),
    "an empty line": ("height,weight\n1,2\n\n3,4\n", "row 2: cells found: 1; expected 2"),
    "an open quote": ('height,weight\n1,2\n3,"4\n', "a quote does not enclose its cell"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_cell_or_row_is_refused_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(TableError, match=rf"rows\.csv: .*{re.escape(words)}"):
        done(scored(tmp_path / "rows.csv"), tmp_path / "out")


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv"])
def test_a_table_of_records_or_with_carriage_returns_is_read_by_name(name: str, tmp_path: Path) -> None:
    x = job_files.rows(1500)
    if name == "rows.npy":
        np.save(tmp_path / name, np.rec.fromarrays(x.T[::-1], names=job_files.COLUMNS[::-1]))
    else:
        lines = [",".join(job_files.COLUMNS), *(f"{a},{b}" for a, b in x)]
        (tmp_path / name).write_text("\r".join(lines), newline="")
    summary = done(scored(tmp_path / name), tmp_path / "out")
    assert summary.rows == 1500
    assert np.array_equal(job_files.load(tmp_path / "out")["log_prob"].to_numpy(), FLOW.log_prob(x))


def test_a_sample_is_the_sample_of_its_seed_however_it_is_cut(tmp_path: Path) -> None:
    expected = FLOW.draw(2500, seed=7, start=3, temperature=0.5, parts=("x", "log_prob", "z"))
    for block_rows in (700, 1000, 9999):
        done(drawn(2500, start=3, block_rows=block_rows), tmp_path / str(block_rows))
        found = job_files.load(tmp_path / str(block_rows))
        assert found.schema.names == [*job_files.COLUMNS, "log_prob", "z0", "z1"]
        assert np.array_equal(
            np.stack([column.to_numpy() for column in found.columns], axis=1), np.c_[tuple(expected.values())]
        )


class Killed(Exception):
    """The process ends here."""


def killed_after(count: int) -> executors.Crew:
    def by(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
        for block, record in zip(blocks, executors.alone(work, blocks), strict=True):
            yield record
            if block.number + 1 == count:
                # What was begun then is left behind as it is.
                work.journal.folder.inside(".part-00000009.parquet.1.part").write(b"half")
                raise Killed

    return by


@pytest.mark.parametrize("written", WRITTEN)
def test_a_job_that_was_killed_goes_on_and_ends_with_the_same_bytes(written: str, tmp_path: Path) -> None:
    asked = drawn(9500, written=written)
    done(asked, tmp_path / "whole")
    for count in (1, 4, 10):
        with pytest.raises(Killed):
            done(asked, tmp_path / "killed", killed_after(count))
    counted: list[int] = []

    def counting(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
        counted.extend(block.number for block in blocks)
        yield from executors.alone(work, blocks)

    summary = done(asked, tmp_path / "killed", counting)
    assert counted == []
    assert summary.rows == 9500
    assert job_files.bytes_of(tmp_path / "killed") == job_files.bytes_of(tmp_path / "whole")
    assert done(asked, tmp_path / "killed", counting).computed == 0


def test_what_is_done_is_not_computed_again(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        done(drawn(9500), tmp_path / "out", killed_after(4))
    assert done(drawn(9500), tmp_path / "out").computed == 5500


@pytest.mark.parametrize("crew_of", [executors.threads, executors.processes])
def test_workers_write_the_bytes_of_one(crew_of: Callable[[int], executors.Crew], tmp_path: Path) -> None:
    done(drawn(5500), tmp_path / "one")
    done(drawn(5500), tmp_path / "two", crew_of(2))
    assert job_files.bytes_of(tmp_path / "one") == job_files.bytes_of(tmp_path / "two")


@pytest.mark.parametrize("crew_of", [executors.threads, executors.processes])
def test_a_worker_tells_what_stopped_it(crew_of: Callable[[int], executors.Crew], tmp_path: Path) -> None:
    file = job_files.save(tmp_path / "rows.parquet", job_files.table(job_files.rows(3000)))
    asked = scored(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(TableError, match=r"block \d, rows from \d+ on: Parquet magic bytes not found"):
        done(asked, tmp_path / "out", crew_of(2))


def test_an_object_store_is_read_and_written_by_url(tmp_path: Path) -> None:
    x = job_files.rows(1500)
    file = job_files.save(tmp_path / "rows.parquet", job_files.table(x))
    there = locate("memory://in/rows.parquet")
    there.write(file.read_bytes())
    asked = job.log_prob(job_files.MODEL, ["memory://in/*.parquet"], (), "parquet", BLOCK_ROWS)
    out = locate("memory://out")
    run(asked, out, executors.alone)
    here = tmp_path / "here"
    here.mkdir()
    for name in out.names():
        (here / name).write_bytes(out.inside(name).read() or b"")
    assert np.array_equal(job_files.load(here)["log_prob"].to_numpy(), FLOW.log_prob(x))


def test_a_folder_and_a_pattern_mean_the_tables_in_them(tmp_path: Path) -> None:
    for name in ("b", "a"):
        job_files.save(tmp_path / f"{name}.parquet", job_files.table(job_files.rows(100, seed=ord(name))))
    (tmp_path / "_manifest.json").write_text("{}")
    x = np.concatenate([job_files.rows(100, seed=ord(name)) for name in "ab"])
    for number, meant in enumerate([tmp_path, tmp_path / "*.parquet"]):
        done(scored(meant), tmp_path / f"out{number}")
        assert np.array_equal(job_files.load(tmp_path / f"out{number}")["log_prob"].to_numpy(), FLOW.log_prob(x))


def other_jobs(file: Path) -> dict[str, Callable[[], Job]]:
    return {
        "kept": lambda: scored(file, kept=("height",)),
        "format": lambda: scored(file, written="csv"),
        "verb": lambda: drawn(10),
        "block_rows": lambda: job.log_prob(job_files.MODEL, [str(file)], (), "parquet", 7),
    }


@pytest.mark.parametrize("fact", ["kept", "format", "verb", "block_rows"])
def test_another_job_is_not_mixed_into_a_folder(fact: str, tmp_path: Path) -> None:
    file = job_files.save(tmp_path / "rows.parquet", job_files.table(job_files.rows(100)))
    done(scored(file), tmp_path / "out")
    before = job_files.bytes_of(tmp_path / "out")
    with pytest.raises(OtherJob, match=fact):
        done(other_jobs(file)[fact](), tmp_path / "out")
    assert job_files.bytes_of(tmp_path / "out") == before


def test_a_file_that_has_changed_makes_another_job(tmp_path: Path) -> None:
    file = job_files.save(tmp_path / "rows.parquet", job_files.table(job_files.rows(100)))
    done(scored(file), tmp_path / "out")
    os.utime(file, (1, 1))
    with pytest.raises(OtherJob, match="another inputs"):
        done(scored(file), tmp_path / "out")


def test_a_folder_with_files_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(OtherJob, match="holds other files"):
        done(drawn(10), tmp_path)
    assert job_files.bytes_of(tmp_path) == {"thesis.tex": b"dear"}


REFUSED = {
    "the table has height; the model takes height, weight; missing: weight": pa.table({"height": [1.0]}),
    "the table names the column height twice": pa.table([[1.0], [2.0], [3.0]], ["weight", "height", "height"]),
    "the column 'height' holds string; expected numbers": pa.table({"weight": [1.0], "height": ["tall"]}),
    "the column 'height' holds bool; expected numbers": pa.table({"weight": [1.0], "height": [True]}),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_file_that_does_not_fit_is_refused_before_a_row_is_computed(sentence: str, tmp_path: Path) -> None:
    good = job_files.save(tmp_path / "a.parquet", job_files.table(job_files.rows(10)))
    bad = job_files.save(tmp_path / "b.parquet", REFUSED[sentence])
    with pytest.raises(TableError, match=f"b.parquet: {sentence}"):
        job.log_prob(job_files.MODEL, [str(good), str(bad)], (), "parquet", BLOCK_ROWS)


def test_a_column_to_keep_must_be_there_and_have_a_name_of_its_own(tmp_path: Path) -> None:
    file = job_files.save(tmp_path / "rows.parquet", job_files.table(job_files.rows(10), log_prob=pa.array(range(10))))
    with pytest.raises(TableError, match="no column 'id' to keep"):
        scored(file, kept=("id",))
    with pytest.raises(TableError, match="what is computed has that name"):
        scored(file, kept=("log_prob",))
    with pytest.raises(TableError, match="npy holds nothing but numbers"):
        scored(file, kept=("weight",), written="npy")


@pytest.mark.parametrize("meant", ["nothing.parquet", "*.parquet", "rows.xlsx", "what://ever/rows.csv"])
def test_files_that_are_not_there_or_not_known_are_told(meant: str, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_text("")
    where = meant if "://" in meant else str(tmp_path / meant)
    with pytest.raises(TableError, match=re.escape(meant.partition("://")[0])):
        job.log_prob(job_files.MODEL, [where], (), "parquet", BLOCK_ROWS)
