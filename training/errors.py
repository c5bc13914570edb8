"""Why a training command stopped; each class is one fact, its message one sentence for the person who has to act.

TrainingError
├── DataError              the rows cannot be fitted
│   ├── DataMissing        no file at this path
│   ├── UnknownFormat      a suffix that no reader knows
│   ├── UnreadableFile     the bytes are not what the suffix says
│   ├── BadHeader          column names are missing, repeated, too long or mixed with numbers
│   ├── RaggedRow          a row has more or fewer cells than there are columns
│   ├── NotANumber         text, a truth value or another type in a numeric column
│   ├── NotFinite          NaN, an infinity, a null or an empty cell
│   ├── TooFewColumns      a coupling needs two columns
│   ├── TooFewRows         the held-out rows cannot judge a model
│   ├── ConstantColumn     a column that holds one value
│   └── CollinearColumns   a column that the others determine
├── RecipeError            a recipe cannot be followed
├── BadTransform           a description of a transform names none, or has wrong options
├── ResumeError            a fit cannot continue from its checkpoint
├── ExportError            a flow cannot be written as graphs
│   ├── IllConditioned     a matrix whose inverse loses every digit
│   └── NothingToRound     a flow that 8-bit integers do not make faster
├── CertificateError       a certificate cannot be issued
├── StudyError             the study cannot be judged
├── DeviceError            the device asked for is not there
└── FitError               maximum likelihood broke down
"""


class TrainingError(Exception):
    """A training command that cannot go on."""


class DataError(TrainingError):
    """Rows that cannot be fitted."""


class DataMissing(DataError):
    """No file at this path."""


class UnknownFormat(DataError):
    """A suffix that no reader knows."""


class UnreadableFile(DataError):
    """The bytes are not what the suffix says."""


class BadHeader(DataError):
    """Column names are missing, repeated, too long or mixed with numbers."""


class RaggedRow(DataError):
    """A row has more or fewer cells than there are columns."""


class NotANumber(DataError):
    """Text, a truth value or another type in a numeric column."""


class NotFinite(DataError):
    """NaN, an infinity, a null or an empty cell."""


class TooFewColumns(DataError):
    """A coupling conditions one column on another, so it needs two."""


class TooFewRows(DataError):
    """The held-out rows cannot judge a model."""


class ConstantColumn(DataError):
    """A column that holds one value has no density."""


class CollinearColumns(DataError):
    """Rows on a hyperplane have no density: a column is a linear combination of others."""


class RecipeError(TrainingError):
    """A recipe cannot be followed."""


class BadTransform(TrainingError, ValueError):
    """A description of a transform has an unknown name or wrong options; pydantic takes it as a ValueError."""


class ResumeError(TrainingError):
    """A fit cannot continue from its checkpoint."""


class ExportError(TrainingError):
    """A flow cannot be written as graphs."""


class IllConditioned(ExportError):
    """A matrix whose inverse loses every digit."""


class NothingToRound(ExportError):
    """A flow that 8-bit integers do not make faster, or that needs more digits than they leave."""


class CertificateError(TrainingError):
    """A certificate cannot be issued."""


class StudyError(TrainingError):
    """The study cannot be judged."""


class DeviceError(TrainingError):
    """The device asked for is not there."""


class FitError(TrainingError):
    """Maximum likelihood broke down."""
