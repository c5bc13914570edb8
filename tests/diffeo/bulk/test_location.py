"""Jobs find their input files by path, pattern, folder and URL."""

import re
from pathlib import Path

import numpy as np
import pytest

from diffeo.bulk.executors import in_process
from diffeo.bulk.location import locate
from diffeo.bulk.run import run
from diffeo.errors import TableError
from tests.given.job_files import LOCAL_MODEL, load, log_prob_job, rows, run_into, save, table


def test_an_object_store_is_read_and_written_by_url(tmp_path: Path) -> None:
    x = rows(1500)
    file = save(tmp_path / "rows.parquet", table(x))
    locate("memory://in/rows.parquet").write(file.read_bytes())
    out = locate("memory://out")
    run(log_prob_job("memory://in/*.parquet"), out, in_process)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in out.list_names():
        (copy / name).write_bytes(out.child(name).read() or b"")
    assert np.array_equal(load(copy)["log_prob"].to_numpy(), LOCAL_MODEL.log_prob(x))


def test_a_folder_and_a_pattern_stand_for_the_tables_in_them(tmp_path: Path) -> None:
    for name in ("b", "a"):
        save(tmp_path / f"{name}.parquet", table(rows(100, seed=ord(name))))
    (tmp_path / "_manifest.json").write_text("{}")
    x = np.concatenate([rows(100, seed=ord(name)) for name in "ab"])
    for number, path in enumerate([tmp_path, tmp_path / "*.parquet"]):
        out = tmp_path / f"out{number}"
        run_into(out, log_prob_job(path))
        assert np.array_equal(load(out)["log_prob"].to_numpy(), LOCAL_MODEL.log_prob(x))


@pytest.mark.parametrize("name", ["nothing.parquet", "*.parquet", "rows.xlsx", "what://ever/rows.csv"])
def test_a_missing_file_and_an_unknown_format_are_named_in_the_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_text("")
    url = name if "://" in name else str(tmp_path / name)
    with pytest.raises(TableError, match=re.escape(name.partition("://")[0])):
        log_prob_job(url)
