"""The messages between the processes of several fits: a flow to fit, progress, notes, the end of a trial, the end."""

from dataclasses import dataclass

from ...flows.flow import Flow
from ...recipe import FitSection
from ..trainer import TrainerOptions


@dataclass(frozen=True, slots=True)
class Entry:
    """A flow to fit.

    Attributes:
        name: what it is, in words for the terminal and the report: "affine couplings".
        flow: fresh.
        settings: its optimisation.
        options: how it is fitted; the folder is its own.
    """

    name: str
    flow: Flow
    settings: FitSection
    options: TrainerOptions


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps done and to do, the loss of the last step, and the validation loss of the last evaluation."""

    done: int
    total: int
    loss: float
    validation: float


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the terminal."""

    sentence: str


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """The trial is over; the process waits for True (go on) or False (end)."""

    step: int
    validation: float


@dataclass(frozen=True, slots=True)
class End:
    """The end of a process. Without an error the state is saved."""

    error: BaseException | None = None


class Dropped(Exception):
    """The parent ended this fit after its trial."""


Report = Progress | Note | TrialEnd | End


@dataclass(frozen=True, slots=True)
class Trial:
    """When a fit stops to be compared with the others.

    Attributes:
        share: of its plan, 0 to 1; 1 for no trial.
        waited: seconds for which the process waited for a core before its start; they do not count for its budget.
    """

    share: float = 1.0
    waited: float = 0.0
