"""The files of a job hold what the model computes for each row; a file that does not fit is refused before any row."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from diffeo.bulk import job
from diffeo.bulk.job import BlockFiles, Inputs, JobModel
from diffeo.bundle.read import read
from diffeo.density import Direction, SeededSample
from diffeo.errors import TableError
from tests.given.flows import affine
from tests.given.flows.kinds import KINDS, publish
from tests.given.job_files import (
    BLOCK_ROWS,
    COLUMNS,
    LOCAL_MODEL,
    MODEL,
    OUTPUTS,
    load,
    log_prob_job,
    manifest,
    rows,
    run_into,
    sample_job,
    save,
    table,
    values,
)

SUFFIXES = [".parquet", ".arrow", ".arrows", ".csv", ".npy"]
OUTPUT_FORMATS = ["parquet", "arrow", "csv", "npy"]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_log_prob_reads_each_format_and_writes_each_format(suffix: str, output_format: str, tmp_path: Path) -> None:
    x = rows(2345)
    file = save(tmp_path / f"rows{suffix}", table(x))
    summary = run_into(tmp_path / "out", log_prob_job(file, output_format=output_format))
    (log_prob,) = load(tmp_path / "out").columns
    assert np.array_equal(log_prob.cast(pa.float32()).to_numpy(), LOCAL_MODEL.log_prob(x))
    assert (summary.rows, summary.invalid, summary.blocks) == (2345, 0, 3)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_transform_writes_the_image_and_the_log_det(direction: Direction, tmp_path: Path) -> None:
    x = rows(2345)
    source, image_names = (COLUMNS, ("z0", "z1")) if direction == "forward" else (("z0", "z1"), COLUMNS)
    file = save(tmp_path / "rows.parquet", pa.table(dict(zip(source, x.T, strict=True))))
    files = BlockFiles("parquet", BLOCK_ROWS)
    run_into(tmp_path / "out", job.transform(MODEL, Inputs([str(file)]), files, direction))
    found = load(tmp_path / "out")
    image, log_det = LOCAL_MODEL.transform(x, direction)
    assert found.schema.names == [*image_names, "log_abs_det_jacobian"]
    assert np.array_equal(values(found), np.c_[image, log_det])


def test_columns_are_matched_by_name_and_other_columns_are_kept_on_request(tmp_path: Path) -> None:
    x = rows(1500)
    more = {"id": pa.array(range(1500)), "label": pa.array([f"row {number}" for number in range(1500)])}
    shuffled = table(x, **more).select(["label", "weight", "id", "height"])
    for suffix in (".parquet", ".arrow", ".csv"):
        out = tmp_path / suffix
        run_into(out, log_prob_job(save(tmp_path / f"rows{suffix}", shuffled), kept=("label", "id", "height")))
        found = load(out)
        assert found.schema.names == ["label", "id", "height", "log_prob"]
        assert found["label"].to_pylist() == more["label"].to_pylist()
        assert [int(each) for each in found["id"].to_pylist()] == more["id"].to_pylist()
        assert np.array_equal(found["log_prob"].to_numpy(), LOCAL_MODEL.log_prob(x))


def test_a_row_without_an_answer_is_null_and_counted_and_does_not_stop_the_job(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("height,weight\n1,-2\nnone,1\n3\n,\ninf,2\n1e300,0\n 3 ,2\n")
    summary = run_into(tmp_path / "csv", log_prob_job(tmp_path / "rows.csv", wrong="null"))
    log_prob = load(tmp_path / "csv")["log_prob"].to_pylist()
    assert [row for row, value in enumerate(log_prob) if value is not None] == [0, 6]
    assert log_prob[6] == pytest.approx(affine.log_prob(np.array([[3, 2]]))[0])
    assert (summary.rows, summary.invalid) == (7, 5)
    assert manifest(tmp_path / "csv")["invalid"] == 5

    typed = pa.table({"height": pa.array([1, None, 3]), "weight": pa.array([-2.0, 1.0, float("nan")])})
    run_into(tmp_path / "npy", log_prob_job(save(tmp_path / "rows.parquet", typed), output_format="npy"))
    assert np.isnan(np.load(tmp_path / "npy/part-00000000.npy")).tolist() == [False, True, True]


WRONG = {
    "a word": ("height,weight\n1,2\nx,4\n", "row 2, column 'height': 'x' is no number"),
    "a short record": ("height,weight\n1,2\n3\n", "row 2: cells found: 1; expected 2, as in line 1"),
    "an empty line": ("height,weight\n1,2\n\n3,4\n", "row 2: cells found: 1; expected 2"),
    "an open quote": ('height,weight\n1,2\n3,"4\n', "a quote does not enclose its cell"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_cell_or_row_is_refused_in_a_sentence_that_names_the_row(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(TableError, match=rf"rows\.csv: .*{re.escape(words)}"):
        run_into(tmp_path / "out", log_prob_job(tmp_path / "rows.csv"))


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv"])
def test_a_table_of_records_or_with_carriage_returns_is_read_by_name(name: str, tmp_path: Path) -> None:
    x = rows(1500)
    if name == "rows.npy":
        records = np.empty(len(x), [(column, np.float32) for column in reversed(COLUMNS)])
        for column, values_of_column in zip(COLUMNS, x.T, strict=True):
            records[column] = values_of_column
        np.save(tmp_path / name, records)
    else:
        lines = [",".join(COLUMNS), *(f"{a},{b}" for a, b in x)]
        (tmp_path / name).write_text("\r".join(lines), newline="")
    summary = run_into(tmp_path / "out", log_prob_job(tmp_path / name))
    assert summary.rows == 1500
    assert np.array_equal(load(tmp_path / "out")["log_prob"].to_numpy(), LOCAL_MODEL.log_prob(x))


def test_a_sample_has_the_same_rows_for_every_size_of_block(tmp_path: Path) -> None:
    expected = LOCAL_MODEL.draw(2500, seed=7, start=3, temperature=0.5, outputs=OUTPUTS)
    for block_rows in (700, 1000, 9999):
        out = tmp_path / str(block_rows)
        run_into(out, sample_job(2500, start=3, block_rows=block_rows))
        found = load(out)
        assert found.schema.names == [*COLUMNS, "log_prob", "z0", "z1"]
        assert np.array_equal(values(found), np.c_[tuple(expected.values())])


def test_a_model_with_kinds_scores_its_own_sample_with_the_same_bits(tmp_path: Path) -> None:
    kinds = {"height": KINDS["count"], "weight": KINDS["zero-inflated"]}
    bundle = read(publish(tmp_path / "1", kinds))
    model, files = JobModel(bundle, "snapped", 1), BlockFiles("parquet", BLOCK_ROWS)
    run_into(tmp_path / "drawn", job.sample(model, SeededSample(2500, 7), ("x", "log_prob"), files))
    drawn = load(tmp_path / "drawn")
    assert [str(kind) for kind in drawn.schema.types] == ["double", "double", "float"]
    inputs = Inputs([str(tmp_path / "drawn/*.parquet")], (), "refuse")
    run_into(tmp_path / "scored", job.log_prob(model, inputs, files))
    assert load(tmp_path / "scored")["log_prob"].equals(drawn["log_prob"])


REFUSED = {
    "the table has height; the model takes height, weight; missing: weight": pa.table({"height": [1.0]}),
    "the table names the column height twice": pa.table([[1.0], [2.0], [3.0]], ["weight", "height", "height"]),
    "the column 'height' holds string; expected numbers": pa.table({"weight": [1.0], "height": ["tall"]}),
    "the column 'height' holds bool; expected numbers": pa.table({"weight": [1.0], "height": [True]}),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_file_that_does_not_fit_is_refused_before_a_row_is_computed(sentence: str, tmp_path: Path) -> None:
    good = save(tmp_path / "a.parquet", table(rows(10)))
    bad = save(tmp_path / "b.parquet", REFUSED[sentence])
    with pytest.raises(TableError, match=f"b.parquet: {sentence}"):
        job.log_prob(MODEL, Inputs([str(good), str(bad)]), BlockFiles("parquet", BLOCK_ROWS))


def test_a_kept_column_keeps_its_name_beside_a_computed_one(tmp_path: Path) -> None:
    file = save(tmp_path / "rows.parquet", table(rows(10), log_prob=pa.array(range(10))))
    run_into(tmp_path / "out", log_prob_job(file, kept=("log_prob",)))
    found = load(tmp_path / "out")
    assert found.schema.names == ["log_prob", "log_prob_1"]
    assert found["log_prob"].to_pylist() == list(range(10))


DIALECTS = {
    "semicolons": ("rows.csv", lambda text: text.replace(",", ";").encode()),
    "decimal commas": ("rows.csv", lambda text: text.replace(",", ";").replace(".", ",").encode()),
    "tabs": ("rows.tsv", lambda text: text.replace(",", "\t").encode()),
    "UTF-16": ("rows.csv", lambda text: text.encode("utf-16")),
    "gzip": ("rows.csv.gz", lambda text: gzip.compress(text.encode())),
    "gzip of UTF-16 with semicolons": (
        "rows.txt.gz",
        lambda text: gzip.compress(text.replace(",", ";").encode("utf-16")),
    ),
}


@pytest.mark.parametrize(("name", "encode"), DIALECTS.values(), ids=DIALECTS.keys())
def test_a_text_of_every_dialect_is_read_in_blocks(name: str, encode: Callable[[str], bytes], tmp_path: Path) -> None:
    x = rows(2500)
    lines = [",".join(COLUMNS), *(f"{a},{b}" for a, b in x)]
    (tmp_path / name).write_bytes(encode("\n".join(lines)))
    summary = run_into(tmp_path / "out", log_prob_job(tmp_path / name))
    assert (summary.rows, len(manifest(tmp_path / "out")["files"])) == (2500, 3)
    assert np.array_equal(load(tmp_path / "out")["log_prob"].to_numpy(), LOCAL_MODEL.log_prob(x))


def test_a_kept_column_must_be_in_the_file_once(tmp_path: Path) -> None:
    file = save(tmp_path / "rows.parquet", table(rows(10), log_prob=pa.array(range(10))))
    with pytest.raises(TableError, match="has 0 columns named 'id'; --keep needs exactly one"):
        log_prob_job(file, kept=("id",))
    with pytest.raises(TableError, match="an npy file holds only numbers"):
        log_prob_job(file, kept=("weight",), output_format="npy")
