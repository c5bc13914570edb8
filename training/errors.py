"""Errors of training commands. The class names the reason; the message says what was found, where, and what to do.

TrainingError
├── DataError              the rows cannot be fitted
│   ├── DataMissing        no file at this path
│   ├── UnknownFormat      a suffix without a reader
│   ├── UnreadableFile     the bytes do not have the format of the suffix
│   ├── BadHeader          column names are missing, repeated, too long or mixed with numbers
│   ├── RaggedRow          a row has more or fewer cells than there are columns
│   ├── NotANumber         text, a boolean or another type in a numeric column
│   ├── NotFinite          NaN, an infinity, a null or an empty cell
│   ├── TooFewColumns      fewer than two columns
│   ├── TooFewRows         too few held-out rows to measure a model
│   ├── ConstantColumn     a column with the same value in every row
│   └── CollinearColumns   a column that is a linear combination of others
├── RecipeError            a recipe is missing or wrong
├── BadTransform           an unknown transform, or wrong options of one
├── ResumeError            a fit cannot continue from its checkpoint
├── ExportError            a flow cannot be written as graphs
│   ├── IllConditioned     a matrix whose inverse is too inexact
│   └── NothingToRound     a flow that 8-bit integers do not make faster
├── CertificateError       a certificate cannot be issued
├── StudyError             the study cannot be evaluated
├── DeviceError            the requested device is absent
└── FitError               the optimisation does not stay finite
"""


class TrainingError(Exception):
    """The base class: a training command cannot continue."""


class DataError(TrainingError):
    """Rows that cannot be fitted."""


class DataMissing(DataError):
    """No file at this path."""


class UnknownFormat(DataError):
    """A suffix without a reader."""


class UnreadableFile(DataError):
    """The bytes of a file do not have the format of its suffix."""


class BadHeader(DataError):
    """Column names are missing, repeated, too long or mixed with numbers."""


class RaggedRow(DataError):
    """A row has more or fewer cells than there are columns."""


class NotANumber(DataError):
    """Text, a boolean or another type in a numeric column."""


class NotFinite(DataError):
    """NaN, an infinity, a null or an empty cell."""


class TooFewColumns(DataError):
    """Fewer than two columns; a coupling maps one column with parameters that depend on another."""


class TooFewRows(DataError):
    """Too few held-out rows to measure a model."""


class ConstantColumn(DataError):
    """A column with the same value in every row has no density."""


class CollinearColumns(DataError):
    """A column is a linear combination of others, so the rows have no density."""


class RecipeError(TrainingError):
    """A recipe is missing, is not TOML, or holds a wrong value."""


class BadTransform(TrainingError, ValueError):
    """An unknown transform, or wrong options of one. It is a ValueError, so that pydantic adds it to its own errors."""


class ResumeError(TrainingError):
    """A fit cannot continue from its checkpoint."""


class ExportError(TrainingError):
    """A flow cannot be written as graphs."""


class IllConditioned(ExportError):
    """A matrix whose inverse is too inexact to export."""


class NothingToRound(ExportError):
    """A flow that 8-bit integers do not make faster, or that needs float64."""


class CertificateError(TrainingError):
    """A certificate cannot be issued."""


class StudyError(TrainingError):
    """The study cannot be evaluated."""


class DeviceError(TrainingError):
    """The requested device is absent."""


class FitError(TrainingError):
    """The optimisation does not stay finite."""
