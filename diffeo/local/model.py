"""The verbs in this process, straight from a bundle: the numbers of the service without a round trip to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self, overload

from diffeo.bundle.base import SEED_LIMIT, START_LIMIT
from diffeo.bundle.parameters import (
    LOG_ABS_DET_JACOBIAN,
    NUM_SAMPLES_LIMIT,
    SAMPLE_OUTPUTS,
    InvalidParameter,
    check_width,
    outputs,
    temperature,
    whole_number,
)
from diffeo.bundle.read import Bundle, read, versions
from diffeo.density import BLOCK_ROWS, Direction, Draw, Part, Rows, Vector, latent, settled
from diffeo.errors import DiffeoError, Problem
from diffeo.runtime.finite_rows import Tensors
from diffeo.tables import arrays, frames
from diffeo.tables.frames import F, Frame

from .flow import Flow


class LocalModel:
    """One verified bundle, computed here; see `diffeo.density` for the verbs.

    Args:
        bundle: what is computed.
        name: what it is called.
        version: its number.
        precision: what to compute in; the bundle's own unless named.

    Raises:
        DiffeoError: the bundle is not there in this precision.
        EngineFailed: a graph does not load or run.
        GoldenDisagrees: the runtime computes other numbers than the bundle was certified with.
    """

    def __init__(self, bundle: Bundle, name: str, version: int, precision: str | None = None) -> None:
        self.name = name
        self.version = version
        self.manifest = bundle.manifest
        self.digest = bundle.digest
        self._origin = (bundle.path, name, version, precision)
        self._flow = Flow(bundle, precision)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return self.manifest.columns

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        """Draw rows of x; with a seed the same rows every time, and `start` pages through them."""
        return self._drawn(settled(num_samples, seed, start, temperature), ("x",))["x"]

    def sample_frame(
        self, kind: type[F], num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> F:
        """The rows that `sample` would draw as a `pandas.DataFrame` or `polars.DataFrame` with the model's columns."""
        rows = self.sample(num_samples, seed=seed, start=start, temperature=temperature)
        return frames.build(kind, rows, self.columns)

    def sample_and_log_prob(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> tuple[Rows, Vector]:
        """Rows of x and the log density of each, from one pass."""
        drawn = self._drawn(settled(num_samples, seed, start, temperature), ("x", "log_prob"))
        return drawn["x"], drawn["log_prob"]

    def iter_samples(
        self,
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
        rows: int = BLOCK_ROWS,
    ) -> Iterator[Rows]:
        """The rows that `sample` would draw, in arrays of `rows`."""
        draw = settled(num_samples, seed, start, temperature)
        for begin in range(0, draw.num_samples, rows):
            part = Draw(min(rows, draw.num_samples - begin), draw.seed, draw.start + begin, draw.temperature)
            yield self._drawn(part, ("x",))["x"]

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows of a seeded sample with the parts asked for, from one pass."""
        return dict(self._drawn(Draw(num_samples, seed, start, temperature), parts))

    def log_prob(self, x: Rows | Frame) -> Vector:
        """Exact log density of each row, nats."""
        return self._sent(x, "forward", ("log_prob",))["log_prob"]

    @overload
    def forward(self, x: Rows) -> Rows: ...
    @overload
    def forward(self, x: F) -> F: ...
    def forward(self, x: Rows | Frame) -> Rows | Frame:
        """z = f(x)."""
        z = self._sent(x, "forward", ("z",))["z"]
        return frames.like(x, z, latent(self.columns)) if frames.is_frame(x) else z

    @overload
    def inverse(self, z: Rows) -> Rows: ...
    @overload
    def inverse(self, z: F) -> F: ...
    def inverse(self, z: Rows | Frame) -> Rows | Frame:
        """x = f^-1(z)."""
        x = self._sent(z, "inverse", ("x",))["x"]
        return frames.like(z, x, self.columns) if frames.is_frame(z) else x

    def transform(self, rows: Rows | Frame, direction: Direction) -> tuple[Rows, Vector]:
        """z or x of each row, and the log|det| of that direction."""
        image = "z" if direction == "forward" else "x"
        answer = self._sent(rows, direction, (image, LOG_ABS_DET_JACOBIAN))
        return answer[image], answer[LOG_ABS_DET_JACOBIAN]

    def __deepcopy__(self, _: object) -> Self:
        # It never changes.
        return self

    def __reduce__(self) -> tuple[object, tuple[Path, str, int, str | None]]:
        # In another process it is read and proven again.
        return open_bundle, self._origin

    def _drawn(self, draw: Draw, parts: Sequence[str]) -> Tensors:
        return self._flow.sample(draw, check_draw(draw, parts))

    def _sent(self, table: Rows | Frame, direction: Direction, parts: Sequence[str]) -> Tensors:
        source, names = ("x", self.columns) if direction == "forward" else ("z", latent(self.columns))
        rows = frames.rows(table, names) if frames.has_names(table) else arrays.rows(table)
        with _told_as_by_the_service():
            check_width(rows, source, self.columns)
        return self._flow.answer(rows, direction, parts)


def open_model(models: Path, name: str, version: int | None) -> LocalModel:
    """The model in a repository folder; the newest version unless one is named.

    Raises:
        DiffeoError: no such model in the folder.
        BundleError: its bundle is refused.
    """
    number = chosen(models, name, version)
    return open_bundle(models / name / str(number), name, number)


def chosen(models: Path, name: str, version: int | None) -> int:
    """The version that is meant: the newest unless one is named.

    Raises:
        DiffeoError: no such model in the folder.
    """
    found = versions(models / name)
    if not found:
        raise DiffeoError(f"no model {name!a} in {models}")
    return found[-1] if version is None else version


def open_bundle(folder: Path, name: str, version: int, precision: str | None = None) -> LocalModel:
    """The model in the folder of one bundle.

    Raises:
        BundleError: it is refused.
    """
    return LocalModel(read(folder), name, version, precision)


def check_draw(draw: Draw, parts: Sequence[str]) -> Sequence[str]:
    """The parts, if the draw is one that the service would draw.

    Raises:
        Problem: a number is out of its range, or a part is not known; in the service's own words.
    """
    with _told_as_by_the_service():
        whole_number(draw.num_samples, "num_samples", 1, NUM_SAMPLES_LIMIT)
        whole_number(draw.seed, "seed", 0, SEED_LIMIT)
        whole_number(draw.start, "start", 0, START_LIMIT - draw.num_samples)
        temperature(draw.temperature)
        return outputs(list(parts), SAMPLE_OUTPUTS)


@contextmanager
def _told_as_by_the_service() -> Iterator[None]:
    try:
        yield
    except InvalidParameter as error:
        sentence = str(error)
        raise Problem(422, "urn:diffeo:problem:invalid-request", sentence, [(error.pointer, sentence)], "") from None
