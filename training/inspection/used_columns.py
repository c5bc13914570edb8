"""Decides which columns are used: by the options, by what they hold, and by whether they only name their rows."""

from collections.abc import Sequence

from diffeo.tables.cells import shown
from diffeo.tables.reading.fault import Fault
from diffeo.tables.reading.source_table import SourceColumn, SourceTable

from . import column_names, column_report
from .choices import Choices
from .column_statistics import Vector
from .findings import Findings


def candidates(table: SourceTable, choices: Choices, found: Findings) -> list[SourceColumn]:
    """The columns of numbers that the person did not leave out."""
    kept: list[SourceColumn] = []
    for column in table.columns:
        name = column.name
        if name == choices.weights:
            if column.values is None:
                found.faults.append(
                    Fault(f"the column of weights {shown(name)} holds {column.holds}; name one of numbers", "--weights")
                )
                found.left_out[name] = f"holds {column.holds}"
            else:
                kept.append(column)
        elif name in choices.drop:
            found.left_out[name] = "--drop"
        elif choices.columns and name not in choices.columns:
            found.left_out[name] = "not in --columns"
        elif column.is_index and name not in choices.columns:
            found.left_out[name] = "index"
            found.notes.append(f"the index {shown(name)} is left out")
        elif column.values is None or column.holds == "nothing":
            _leave_out_other(column, choices, found)
        else:
            if column.holds == "truth values":
                found.notes.append(f"the truth values of {shown(name)} are read as 1 and 0")
            kept.append(column)
    if choices.columns:
        kept.sort(key=lambda column: choices.columns.index(column.name) if column.name in choices.columns else -1)
    return kept


def _leave_out_other(column: SourceColumn, choices: Choices, found: Findings) -> None:
    name, holds = column.name, "no value" if column.holds == "nothing" else column.holds
    example = f", such as {column.examples[0]}," if column.examples else ""
    found.left_out[name] = holds
    if name in choices.columns:
        rest = [other for other in choices.columns if other != name]
        found.faults.append(
            Fault(
                f"the column {shown(name)} holds {holds}{example.rstrip(',')}, and only numbers are fitted",
                f"--columns {column_names.quoted(rest)}",
            )
        )
    else:
        found.notes.append(f"the column {shown(name)} holds {holds}{example} and is left out")


def leave_out_identities(
    columns: Sequence[SourceColumn], values: dict[str, Vector], choices: Choices, found: Findings
) -> None:
    """Leave out running numbers; ask about ids and times."""
    for column in columns:
        if column.name in choices.columns or column.name == choices.weights or column.name in choices.integers:
            continue
        what = column_report.identity_of(column.name, values[column.name])
        if what is None:
            continue
        if what.is_certain:
            found.left_out[column.name] = what.what
            found.notes.append(f"the column {shown(column.name)} holds {what.what} and is left out; --columns keeps it")
        else:
            every = [other.name for other in columns if other.name != choices.weights]
            found.faults.append(
                Fault(
                    f"the column {shown(column.name)} holds {what.what}, which say nothing about a new row",
                    f"{column_names.drop([column.name])} leaves it out, {column_names.keep(every)} keeps it",
                )
            )
