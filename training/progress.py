"""The progress bar of a fit: steps, time left, loss of the last step, validation loss of the last epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never

from tqdm import tqdm

from .fit import Epoch
from .recipe import Recipe


class Bar:
    """Watches a fit."""

    def __init__(self, bar: "tqdm[Never]") -> None:
        self._bar = bar
        self._validation = "-"

    def watch(self, step: int, loss: float) -> None:
        """After each step."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix_str(f"loss {loss:.4f}, validation {self._validation}", refresh=False)

    def epoch(self, line: Epoch) -> None:
        """After each epoch."""
        self._validation = f"{line.validation_nll:.4f}"


@contextmanager
def progress(recipe: Recipe, steps: int, done: int) -> Iterator[Bar]:
    """A bar over all steps of a fit, `done` epochs of which are behind it."""
    total = recipe.fit.epochs * steps
    with tqdm(total=total, initial=done * steps, desc=f"fit {recipe.name}", unit="step", mininterval=0.5) as bar:
        yield Bar(bar)
