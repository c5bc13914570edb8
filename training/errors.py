"""Errors of training commands. The class names the reason; the message says what was found, where, and what to do.

TrainingError
├── DataError              the rows cannot be fitted
│   ├── DataMissing        no table of the study at this path
│   └── UnreadableFile     a table of the study has other bytes than the study needs
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
    """No table of the study at this path."""


class UnreadableFile(DataError):
    """A table of the study has other bytes than the study needs."""


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
