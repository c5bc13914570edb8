"""`LocalModel`: the operations of a model computed in this process from its bundle, with the numbers of the service."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self, overload

from numpy.typing import ArrayLike

from diffeo.bundle import parameters
from diffeo.bundle.base import SEED_LIMIT, START_LIMIT
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN, NUM_SAMPLES_LIMIT, SAMPLE_OUTPUTS
from diffeo.bundle.read import Bundle, read, versions
from diffeo.bundle.write import content_of, publish
from diffeo.density import STREAM_BLOCK_ROWS, Direction, Output, Rows, SeededSample, Vector, latent_columns, with_seed
from diffeo.errors import DiffeoError, Problem
from diffeo.runtime.finite_rows import Tensors
from diffeo.tables import arrays, frames
from diffeo.tables.frames import F, Frame

from .flow import LocalFlow


class LocalModel:
    """One verified bundle that is computed in this process, a `diffeo.density.Density`.

    Tables are NumPy arrays [rows, D], or DataFrames of pandas or polars. The columns of a frame are matched by name,
    and `forward` and `inverse` answer with a frame of the same kind.

    >>> model = open_model(Path("models"), "moons", None)
    >>> x, nats = model.sample_and_log_prob(1000, seed=7)
    >>> bool(abs(model.log_prob(x) - nats).max() < 1e-4)
    True
    >>> model.forward([[0.3, -0.4], [1.0, 0.2]]).shape
    (2, 2)

    Args:
        bundle: the bundle to compute.
        name: name of the model.
        version: number of the version.
        precision: precision of the graphs; by default the bundle's own.

    Raises:
        DiffeoError: the bundle has no graphs of this precision.
        EngineFailed: a graph does not load or run.
        GoldenDisagrees: the runtime computes other numbers than the golden vectors of the bundle.
    """

    def __init__(self, bundle: Bundle, name: str, version: int, precision: str | None = None) -> None:
        self.name = name
        self.version = version
        self.manifest = bundle.manifest
        self.digest = bundle.digest
        self._origin = (bundle.path, name, version, precision)
        self._flow = LocalFlow(bundle, precision)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return self.manifest.columns

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        """Rows [start, start + num_samples) of a sample of x; the same seed gives the same rows every time."""
        return self._draw(with_seed(num_samples, seed, start, temperature), ("x",))["x"]

    def sample_frame(
        self,
        frame_class: type[F],
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
    ) -> F:
        """The rows of `sample` in a `pandas.DataFrame` or `polars.DataFrame` with the model's columns."""
        rows = self.sample(num_samples, seed=seed, start=start, temperature=temperature)
        return frames.build(frame_class, rows, self.columns)

    def sample_and_log_prob(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> tuple[Rows, Vector]:
        """The rows of `sample` and the log density of each, computed together."""
        answer = self._draw(with_seed(num_samples, seed, start, temperature), ("x", "log_prob"))
        return answer["x"], answer["log_prob"]

    def iter_samples(
        self,
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
        rows: int = STREAM_BLOCK_ROWS,
    ) -> Iterator[Rows]:
        """The rows of `sample` in arrays of `rows` rows."""
        sample = with_seed(num_samples, seed, start, temperature)
        for begin in range(0, sample.num_samples, rows):
            count = min(rows, sample.num_samples - begin)
            block = SeededSample(count, sample.seed, sample.start + begin, sample.temperature)
            yield self._draw(block, ("x",))["x"]

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, outputs: tuple[Output, ...]
    ) -> dict[str, Rows]:
        """The requested outputs of rows [start, start + num_samples) of the sample with this seed."""
        return dict(self._draw(SeededSample(num_samples, seed, start, temperature), outputs))

    def log_prob(self, x: ArrayLike | Frame) -> Vector:
        """Exact log density of each row, nats."""
        return self._compute(x, "forward", ("log_prob",))["log_prob"]

    @overload
    def forward(self, x: F) -> F: ...
    @overload
    def forward(self, x: ArrayLike) -> Rows: ...
    def forward(self, x: ArrayLike | Frame) -> Rows | Frame:
        """z = f(x)."""
        z = self._compute(x, "forward", ("z",))["z"]
        return frames.like(x, z, latent_columns(self.columns)) if frames.is_frame(x) else z

    @overload
    def inverse(self, z: F) -> F: ...
    @overload
    def inverse(self, z: ArrayLike) -> Rows: ...
    def inverse(self, z: ArrayLike | Frame) -> Rows | Frame:
        """x = f^-1(z)."""
        x = self._compute(z, "inverse", ("x",))["x"]
        return frames.like(z, x, self.columns) if frames.is_frame(z) else x

    def transform(self, rows: ArrayLike | Frame, direction: Direction) -> tuple[Rows, Vector]:
        """z (forward) or x (inverse) of each row, and log|det| of the Jacobian of that direction."""
        output = "z" if direction == "forward" else "x"
        answer = self._compute(rows, direction, (output, LOG_ABS_DET_JACOBIAN))
        return answer[output], answer[LOG_ABS_DET_JACOBIAN]

    def publish(self, models: Path | str, name: str | None = None) -> Path:
        """Publish this model and its report as the next version in a repository; returns the folder of the version.

        Args:
            models: the repository folder.
            name: of the model there; by default its own.

        Raises:
            BundleError: the bundle on disk is not valid any more, or the repository has no version number left.
        """
        folder = self._origin[0]
        published = publish(content_of(read(folder)), Path(models) / (name or self.name)).path
        report = folder.with_name(f"{folder.name}.report")
        if report.is_dir():
            shutil.copytree(report, published.with_name(f"{published.name}.report"))
        return published

    def __deepcopy__(self, _: object) -> Self:
        # A copy is the same object, because a model never changes.
        return self

    def __reduce__(self) -> tuple[object, tuple[Path, str, int, str | None]]:
        # Another process reads and verifies the bundle again.
        return open_bundle, self._origin

    def _draw(self, sample: SeededSample, outputs: Sequence[str]) -> Tensors:
        return self._flow.sample(sample, check_sample(sample, outputs))

    def _compute(self, table: ArrayLike | Frame, direction: Direction, outputs: Sequence[str]) -> Tensors:
        source, names = ("x", self.columns) if direction == "forward" else ("z", latent_columns(self.columns))
        rows = frames.rows(table, names) if frames.has_names(table) else arrays.rows(table)
        with _as_problem():
            parameters.check_width(rows, source, self.columns)
        return self._flow.compute(rows, direction, outputs)


def open_model(models: Path, name: str, version: int | None) -> LocalModel:
    """The model NAME/VERSION in a repository folder; without a version the newest one.

    >>> open_model(Path("models"), "moons", None).columns
    ('x0', 'x1')

    Raises:
        DiffeoError: the folder has no such model.
        BundleError: its bundle is not valid.
    """
    number = choose_version(models, name, version)
    return open_bundle(models / name / str(number), name, number)


def choose_version(models: Path, name: str, version: int | None) -> int:
    """The version to open: the newest one in the repository folder if `version` is None.

    Raises:
        DiffeoError: the folder has no such model.
    """
    published = versions(models / name)
    if not published:
        raise DiffeoError(f"no model {name!a} in {models}")
    return published[-1] if version is None else version


def open_bundle(folder: Path, name: str, version: int, precision: str | None = None) -> LocalModel:
    """The model in the folder of one bundle.

    Raises:
        BundleError: the bundle is not valid.
    """
    return LocalModel(read(folder), name, version, precision)


def check_sample(sample: SeededSample, outputs: Sequence[str]) -> Sequence[str]:
    """The outputs, if the service would accept this sample request.

    Raises:
        Problem: a number is out of range, or an output does not exist; with the sentence of the service.
    """
    with _as_problem():
        parameters.whole_number(sample.num_samples, "num_samples", 1, NUM_SAMPLES_LIMIT)
        parameters.whole_number(sample.seed, "seed", 0, SEED_LIMIT)
        parameters.whole_number(sample.start, "start", 0, START_LIMIT - sample.num_samples)
        parameters.temperature(sample.temperature)
        return parameters.outputs(list(outputs), SAMPLE_OUTPUTS)


@contextmanager
def _as_problem() -> Iterator[None]:
    """Turn an invalid parameter into the problem that the service would answer with."""
    try:
        yield
    except parameters.InvalidParameter as error:
        sentence = str(error)
        raise Problem(422, "urn:diffeo:problem:invalid-request", sentence, [(error.pointer, sentence)], "") from None
