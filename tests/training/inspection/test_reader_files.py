"""Each file of a list has its verdict in one look: it fits, a fault names the option, or an error names the content."""

import re
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from diffeo.errors import TableError
from diffeo.tables.reading.options import ReadOptions
from diffeo.tables.reading.read import read_table
from diffeo.training.inspection import Choices, TableReport, chosen, inspect, render, to_json
from tests.given.tables.reader_files import NORMAL, READER_FILES, ROWS, ReaderFile

OPTIONS: Final = frozenset(
    "--columns --drop --missing --missing-values --weights --bounds --integers --min-rows --header --no-header "
    "--delimiter --decimal --encoding --max-rows".split()
)


def look(case: ReaderFile, folder: Path) -> tuple[str, TableReport | None]:
    """The text that a person sees, and the report; None where the file is refused."""
    path = folder / case.name
    path.write_bytes(case.content)
    try:
        table = read_table(path, ReadOptions(**case.options))
    except TableError as error:
        return str(error), None
    report = inspect(table, Choices(**case.choices))
    return render(report), report


@pytest.mark.parametrize("case", READER_FILES.values(), ids=READER_FILES.keys())
def test_a_file_has_its_verdict_and_the_words_that_say_why(case: ReaderFile, tmp_path: Path) -> None:
    text, report = look(case, tmp_path)
    verdict = "refused" if report is None else "fits" if report.ok else "asks"
    assert verdict == case.verdict, text
    flat = " ".join(text.split())
    assert [word for word in case.words if " ".join(word.split()) not in flat] == [], text
    if report is not None and case.columns:
        assert {column.name for column in report.used} == set(case.columns), text
    if report is not None and case.rows:
        assert report.rows_kept == case.rows, text


@pytest.mark.parametrize("case", READER_FILES.values(), ids=READER_FILES.keys())
def test_a_text_names_only_options_that_exist_and_fits_a_terminal(case: ReaderFile, tmp_path: Path) -> None:
    text, report = look(case, tmp_path)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= OPTIONS, text
    assert case.name in text or "table" in text or "column" in text
    if report is None:
        assert "\n" not in text
        assert len(text) < 400
    else:
        assert len(text.splitlines()) <= 40
        assert all(len(line) <= 80 or " " not in line.strip() for line in text.splitlines()), text
        assert to_json(report)["ok"] == report.ok


def test_there_are_at_least_a_hundred_files() -> None:
    assert len(READER_FILES) >= 100


ALIKE: Final = [
    name
    for name, case in READER_FILES.items()
    if case.verdict == "fits"
    and not case.choices
    and case.columns in {("a", "b"), ("größe", "b"), ("µ", "b"), ("price_€", "b"), ("temp_°C", "b"), ("mass, kg", "b")}
    and "thousands" not in name
    and "quoted decimal" not in name
]


@pytest.mark.parametrize("name", ALIKE)
def test_the_same_numbers_come_from_every_format(name: str, tmp_path: Path) -> None:
    case = READER_FILES[name]
    path = tmp_path / case.name
    path.write_bytes(case.content)
    table = read_table(path, ReadOptions(**case.options))
    rows = chosen(table, inspect(table, Choices()), Choices()).rows
    np.testing.assert_array_equal(rows, NORMAL[:ROWS, :2])


def test_nearly_every_file_that_fits_is_compared_number_by_number() -> None:
    assert len(ALIKE) >= 45
