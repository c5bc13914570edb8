"""Renders a report for a terminal of 80 columns and as a JSON document."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from diffeo.tables.columns import listed

from .report import ColumnReport, TableReport

WIDTH: Final = 80
MOST_COLUMNS: Final = 20
MOST_NOTES: Final = 8
NAME_WIDTH: Final = 20
KIND_WIDTH: Final = 26
NAMES: Final = {
    "header": "named by line 1",
    "schema": "named by the file",
    "numbered": "without names (x0, x1, ...)",
    "first line is data": "without names (x0, x1, ...)",
}


def render(report: TableReport) -> str:
    """The report as text: at most 80 characters a line, and few lines also for many columns.

    >>> from .report import TableReport
    >>> print(render(TableReport(("rows.csv",), "header", 600, 600, (), (), ())))
    rows.csv: 600 rows, 0 columns named by line 1
    """
    sources = listed(report.sources)
    kept = "" if report.rows == report.rows_kept else f", {report.rows_kept:,} kept"
    count = len(report.columns)
    head = (
        f"{sources}: {report.rows:,} rows{kept}, {count} column{'s' if count != 1 else ''} {NAMES[report.names_from]}"
    )
    lines = textwrap.wrap(head, WIDTH, subsequent_indent="  ")
    if report.columns:
        lines += ["", *_table(report.columns)]
    if report.notes:
        lines.append("")
        for note in report.notes[:MOST_NOTES]:
            lines += textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
        if len(report.notes) > MOST_NOTES:
            lines.append(f"- {len(report.notes) - MOST_NOTES} more notes are in the report of the model")
    if report.faults:
        lines += ["", "This table cannot be fitted as it is:"]
        for number, fault in enumerate(report.faults, start=1):
            lines += textwrap.wrap(
                f"{number}. {fault}", WIDTH, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines)


def to_json(report: TableReport) -> dict[str, object]:
    """The report as a document of plain types, for the report of a model."""
    document: dict[str, object] = asdict(report)
    document["ok"] = report.ok
    document["faults"] = [{"sentence": fault.sentence, "option": fault.option} for fault in report.faults]
    return document


def _table(columns: Sequence[ColumnReport]) -> list[str]:
    shown = columns if len(columns) <= MOST_COLUMNS else _remarkable(columns)
    name_width = min(NAME_WIDTH, max(6, *(len(column.name) for column in shown)))
    lines = [f"{'column':<{name_width}} {'kind':<26} {'least':>10} {'greatest':>10} {'missing':>7}"]
    lines += [_row(column, name_width) for column in shown]
    rest = [column for column in columns if column not in shown]
    if rest:
        kinds = Counter(_kind(column) for column in rest)
        text = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
        lines.append(f"and {len(rest)} more: {text}"[:WIDTH])
    return lines


def _remarkable(columns: Sequence[ColumnReport]) -> list[ColumnReport]:
    """At most MOST_COLUMNS columns: first those that are not plainly continuous, in the order of the table."""
    order = sorted(
        range(len(columns)), key=lambda at: (_kind(columns[at]) == "continuous" and not columns[at].missing, at)
    )
    return [columns[at] for at in sorted(order[: MOST_COLUMNS - 8])]


def _row(column: ColumnReport, name_width: int) -> str:
    name = _cut(column.name, name_width)
    numbers = ["" if value is None else f"{value:.5g}" for value in (column.minimum, column.maximum)]
    missing = f"{column.missing}" if column.missing else ""
    kind = _cut(_kind(column), KIND_WIDTH)
    return f"{name:<{name_width}} {kind:<26} {numbers[0]:>10} {numbers[1]:>10} {missing:>7}".rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _kind(column: ColumnReport) -> str:
    if not column.used:
        return f"out: {column.reason}"
    return column.kind.text if column.kind is not None else column.holds
