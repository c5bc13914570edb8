"""`inspect`: looks at a whole table once and reports everything about it, all faults together."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.tables.cells import shown
from diffeo.tables.columns import listed
from diffeo.tables.reading.fault import Fault
from diffeo.tables.reading.source_table import SourceColumn, SourceTable

from . import column_names, column_report, row_checks, table_checks, used_columns
from .choices import Choices
from .column_report import Seen
from .column_statistics import Vector, measure
from .findings import Findings
from .report import ColumnReport, TableReport

FEW_ROWS: Final = 500
# A fit holds out a tenth of the rows twice.
FEWEST_ROWS: Final = 10
ROWS_PER_COLUMN: Final = 20
REPEATED_SHARE: Final = 0.01


# Numbers near the largest one overflow where they are compared; the comparison is right nevertheless.
@np.errstate(over="ignore", invalid="ignore")
def inspect(table: SourceTable, choices: Choices) -> TableReport:
    """Look at a table, and report what it holds and what hinders a fit.

    >>> from diffeo.tables.reading.read import read_table
    >>> rows = np.random.default_rng(0).normal(size=(600, 2))
    >>> report = inspect(read_table(rows), Choices())
    >>> report.ok, report.rows_kept, [column.kind.text for column in report.columns]
    (True, 600, ['continuous', 'continuous'])

    Args:
        table: the table as it was read.
        choices: what the person chose.
    """
    found = Findings(list(table.faults), list(table.notes))
    found.faults += column_names.unknown(table.names, choices)
    candidates = used_columns.candidates(table, choices, found)
    values = {column.name: row_checks.with_missing(column, choices) for column in candidates}
    used_columns.leave_out_identities(candidates, values, choices, found)
    used = [column for column in candidates if column.name not in found.left_out]
    if choices.weights in values:
        used = [column for column in used if column.name != choices.weights]
    mask = row_checks.kept_rows(table, [values[name] for name in _names_of_rows(used, choices, values)])
    found.faults += row_checks.missing_faults(table, used, values, choices, mask)
    if choices.missing == "drop" and not mask.all():
        found.notes.append(f"{np.count_nonzero(~mask)} of {table.rows} rows have a missing cell and are left out")
    kept = mask if choices.missing == "drop" else np.ones(table.rows, np.bool_)
    reports, varied = _column_reports(table, used, values, kept, choices, found)
    found.faults += row_checks.weight_faults(table, choices, values)
    _check_rows(int(np.count_nonzero(kept)), len(used), choices, found)
    found.faults += column_names.not_allowed([column.name for column in used])
    if not used:
        found.faults.append(
            Fault(f"no column of numbers is left of {listed(table.names)}; name the columns to fit", "--columns")
        )
    _check_table(varied, values, mask, found)
    columns = tuple(
        reports.get(column.name) or _left_out_report(column, values.get(column.name), found) for column in table.columns
    )
    return TableReport(
        table.sources, table.names_from, table.rows, int(np.count_nonzero(kept)), columns, tuple(found.faults),
        tuple(dict.fromkeys(found.notes)),
    )  # fmt: skip


def _names_of_rows(used: Sequence[SourceColumn], choices: Choices, values: dict[str, Vector]) -> list[str]:
    names = [column.name for column in used]
    return [*names, choices.weights] if choices.weights is not None and choices.weights in values else names


def _column_reports(  # noqa: PLR0913, PLR0917  (the table, its rows and the choices)
    table: SourceTable,
    used: Sequence[SourceColumn],
    values: dict[str, Vector],
    kept: npt.NDArray[np.bool_],
    choices: Choices,
    found: Findings,
) -> tuple[dict[str, ColumnReport], list[str]]:
    reports: dict[str, ColumnReport] = {}
    varied: dict[str, bool] = {}
    constant: list[tuple[str, float]] = []
    marked: dict[tuple[float, ...], tuple[Seen, list[str]]] = {}
    for column in used:
        cells = values[column.name]
        finite = cells[kept & np.isfinite(cells)] if not kept.all() or not np.isfinite(cells).all() else cells
        if not len(finite):
            reports[column.name] = ColumnReport(
                column.name, column.holds, missing=int(np.count_nonzero(~np.isfinite(cells)))
            )
            continue
        measured = measure(finite)
        missing = int(np.count_nonzero(~np.isfinite(cells)))
        reports[column.name] = column_report.report(column, measured, missing, choices)
        # The statistics hold every different value, so they are not kept.
        varied[column.name] = measured.distinct > 1
        found.has_fractions |= not measured.is_whole
        if measured.distinct == 1:
            constant.append((column.name, measured.minimum))
        else:
            seen = column_report.examine(table, column.name, cells, measured, choices)
            found.faults += seen.faults
            found.notes += seen.notes
            if seen.marked:
                marked.setdefault(seen.marked, (seen, []))[1].append(column.name)
    for first, names in marked.values():
        _note_markers(first, names, used, choices, found)
    if constant:
        shown_values = ", ".join(f"{shown(name)} = {value:.6g}" for name, value in constant[:4])
        more = f" and {len(constant) - 4} more" if len(constant) > 4 else ""  # noqa: PLR2004  (a line)
        what = "the column holds one value" if len(constant) == 1 else "columns hold one value"
        found.faults.append(
            Fault(f"{what} in every row ({shown_values}{more})", column_names.drop([name for name, _ in constant]))
        )
    return reports, [name for name, is_varied in varied.items() if is_varied]


def _note_markers(
    seen: Seen, names: Sequence[str], used: Sequence[SourceColumn], choices: Choices, found: Findings
) -> None:
    """A fault for values that probably mark missing cells; a note where the person named the columns."""
    others = f", and so do {listed(names[1:])}" if len(names) > 1 else ""
    sentence = f"{seen.marked_sentence}{others}"
    if set(names) <= set(choices.columns):
        found.notes.append(sentence)
        return
    values = ",".join(f"{value:.10g}" for value in seen.marked)
    option = f"--missing drop --missing-values={values} if it marks missing values"
    keep = column_names.keep([column.name for column in used])
    found.faults.append(Fault(sentence, f"{option}, {keep} if it is a value"))


def _check_rows(rows: int, columns: int, choices: Choices, found: Findings) -> None:
    if rows < min(choices.min_rows, FEWEST_ROWS):
        found.faults.append(
            Fault(f"{rows} row{'s' * (rows != 1)} left, and a fit takes at least {FEWEST_ROWS}; add rows")
        )
    elif rows < choices.min_rows:
        found.faults.append(Fault(f"{rows} rows are left, fewer than {choices.min_rows}", f"--min-rows {rows}"))
    elif rows < max(FEW_ROWS, ROWS_PER_COLUMN * columns):
        found.notes.append(
            f"{rows} rows are few for {columns} column{'s' if columns > 1 else ''}; expect an inexact density"
        )


def _check_table(
    varied: Sequence[str], values: dict[str, Vector], mask: npt.NDArray[np.bool_], found: Findings
) -> None:
    """Find what the columns that are not constant have to do with each other, in complete rows."""
    columns = [values[name] if mask.all() else values[name][mask] for name in varied]
    if not columns or len(columns[0]) < 3:  # noqa: PLR2004  (two rows say nothing)
        return
    pairs = table_checks.repeated(columns)
    for position, earlier in pairs:
        found.faults.append(
            Fault(
                f"the column {shown(varied[position])} equals {shown(varied[earlier])} in every row",
                column_names.drop([varied[position]]),
            )
        )
    again = {position for position, _ in pairs}
    single = [position for position in range(len(varied)) if position not in again]
    for combination in table_checks.combinations([columns[position] for position in single]):
        names = [varied[single[other]] for other in combination.others]
        found.faults.append(_combination_fault(varied[single[combination.column]], names, combination))
    share = table_checks.repeated_rows(columns)
    # Rows of whole numbers alone repeat without a fault.
    if found.has_fractions and share > REPEATED_SHARE:
        found.notes.append(
            f"{100 * share:.1f} % of the rows repeat an earlier row, so the density of held-out rows will be overstated"
        )


def _combination_fault(name: str, others: Sequence[str], combination: table_checks.Combination) -> Fault:
    if combination.is_one_hot:
        what = f"the columns {listed([*others, name])} hold one 1 and otherwise 0 in every row"
        return Fault(f"{what}, so the last one follows from the others", column_names.drop([name]))
    return Fault(f"the column {shown(name)} is a linear combination of {listed(others)}", column_names.drop([name]))


def _left_out_report(column: SourceColumn, values: Vector | None, found: Findings) -> ColumnReport:
    reason = found.left_out.get(column.name, "weights")
    finite = None if values is None else values[np.isfinite(values)]
    if finite is None or not len(finite):
        return ColumnReport(column.name, column.holds, missing=column.missing, used=False, reason=reason)
    return column_report.left_out(column, measure(finite), reason)
