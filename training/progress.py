"""The progress bar of a fit: steps, time left, loss of the last step, validation loss of the last epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never

from tqdm import tqdm

from .fit import EpochRecord
from .recipe import Recipe


class ProgressBar:
    """Shows the progress of a fit."""

    def __init__(self, bar: "tqdm[Never]") -> None:
        self._bar = bar
        self._validation = "-"

    def on_step(self, step: int, loss: float) -> None:
        """Show the loss after `step` steps; a `diffeo.training.fit.ProgressCallback`."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix_str(f"loss {loss:.4f}, validation {self._validation}", refresh=False)

    def on_epoch(self, record: EpochRecord) -> None:
        """Show the validation loss of the epoch from the next step on."""
        self._validation = f"{record.validation_nll:.4f}"


@contextmanager
def progress(recipe: Recipe, steps: int, done: int) -> Iterator[ProgressBar]:
    """A bar over all steps of a fit that has `done` epochs behind it and `steps` steps in each epoch."""
    total = recipe.fit.epochs * steps
    with tqdm(total=total, initial=done * steps, desc=f"fit {recipe.name}", unit="step", mininterval=0.5) as bar:
        yield ProgressBar(bar)
