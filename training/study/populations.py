"""The data of the trials: rows drawn from laws with a known density, and real tables read from a folder."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from .. import source
from ..errors import DataMissing, UnreadableFile
from ..split import split_rows
from ..targets import Circles, Moons, Target

Rows = npt.NDArray[np.float64]  # [rows, D]
Vector = npt.NDArray[np.float64]

TEST_ROWS: Final = 20_000
VALIDATION_ROWS: Final = 2_000
ARC_NODES: Final = 384  # per arc: 0.016 apart on a full circle of radius 1, a third of the noise of 0.05
MOONS_IN_PRODUCT: Final = 4


@dataclass(frozen=True, slots=True)
class Arc:
    """Part of a circle: centre, radius, first angle and sweep in radians."""

    x: float
    y: float
    radius: float
    first: float
    sweep: float

    def at(self, share: Vector) -> Rows:
        """Points on the arc at these shares of its sweep, 0 to 1."""
        angle = self.first + self.sweep * share
        return np.stack([self.x + self.radius * np.cos(angle), self.y + self.radius * np.sin(angle)], axis=1)


@dataclass(frozen=True, slots=True)
class Arcs(Target):
    """Blurred arcs of equal mass, uniform in angle: p(x) = 1/K sum_k int_0^1 N(x; c_k(u), noise^2 I) du.

    The integral over u uses Gauss-Legendre quadrature.
    """

    arcs: tuple[Arc, ...] = ()

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        share, pick = generator.random(rows), generator.integers(len(self.arcs), size=rows)
        points = np.stack([arc.at(share) for arc in self.arcs])  # [K, rows, 2]
        return self._blur(points[pick, np.arange(rows)], generator)

    def log_prob(self, x: Rows) -> Vector:
        nodes, weights = np.polynomial.legendre.leggauss(ARC_NODES)
        centres = np.concatenate([arc.at(0.5 * (nodes + 1)) for arc in self.arcs])
        log_weights = np.log(np.tile(weights / 2, len(self.arcs)) / len(self.arcs))
        return self._mixture_log_prob(x, centres, log_weights)


@dataclass(frozen=True, slots=True)
class RotatedMoons(Target):
    """Four independent moons in eight columns, rotated by one fixed matrix. Entropy and density are known exactly."""

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        moons = [Moons(self.noise).draw(rows, generator) for _ in range(MOONS_IN_PRODUCT)]
        return np.concatenate(moons, axis=1) @ self._rotation().T

    def log_prob(self, x: Rows) -> Vector:
        parts = np.split(x @ self._rotation(), MOONS_IN_PRODUCT, axis=1)
        result: Vector = np.sum([Moons(self.noise).log_prob(part) for part in parts], axis=0)
        return result

    def entropy(self) -> float:
        """Entropies of independent parts add up, and a rotation does not change the entropy."""
        return MOONS_IN_PRODUCT * Moons(self.noise).entropy()

    def _rotation(self) -> Rows:
        columns = 2 * MOONS_IN_PRODUCT
        return np.linalg.qr(source.stream(0, "rotation").standard_normal((columns, columns)))[0]


def _moons_apart(gap: float) -> Arcs:
    """The two moons, with the lower moon moved down by `gap`."""
    return Arcs(0.05, (Arc(0, 0, 1, 0, np.pi), Arc(1, 0.5 - gap, 1, np.pi, np.pi)))


def _opened_circles(degrees: float) -> Arcs:
    """The two circles, each with an opening on the right: the gap between them is the same, and no ring is closed."""
    first = np.radians(degrees) / 2
    return Arcs(0.05, tuple(Arc(0, 0, radius, first, 2 * np.pi - 2 * first) for radius in (1.0, 0.5)))


# Each law changes one thing. The grid uses the first two.
LAWS: Final[dict[str, Target]] = {
    "moons": Moons(),
    "circles": Circles(),
    "moons, noise 0.1": Moons(0.1),
    "circles, noise 0.1": Circles(0.1),
    "moons, gap +0.25": _moons_apart(0.25),
    "moons, gap +0.5": _moons_apart(0.5),
    "circles, factor 0.3": Circles(0.05, 0.3),
    "circles, factor 0.7": Circles(0.05, 0.7),
    "circles, opened by 30 degrees": _opened_circles(30),
    "circles, opened by 90 degrees": _opened_circles(90),
    "circles, opened by 180 degrees": _opened_circles(180),
    "one circle": Arcs(0.05, (Arc(0, 0, 1, 0, 2 * np.pi),)),
    "one half circle": Arcs(0.05, (Arc(0, 0, 1, 0, np.pi),)),
    "product of moons": RotatedMoons(0.05),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A real table: its file name in the data folder, and its digest, so that results refer to exact data."""

    file: str
    sha256: str
    origin: str


TABLES: Final = {
    "magic": Table(
        "magic.gamma.npz",
        "0be375984d7af9ea7a63b12206c240840d8b7daa3607021c5fb8756407dd86f1",
        "MAGIC gamma telescope (UCI), gamma events only, ten columns, as packed by ADBench",
    ),
    "protein": Table(
        "protein.csv.gz",
        "f709d0107c3ee90ab019b9e5d77fc2ae182158958cb70b1903236a51334fd01b",
        "physicochemical properties of protein structure (UCI, CASP), nine columns, without its column of counts",
    ),
}
COUNTS_IN_PROTEIN: Final = 7


@dataclass(frozen=True, slots=True)
class Population:
    """The rows of one trial. `truth` is the exact log density of the test rows in nats; None for a table."""

    train: Rows
    validation: Rows
    test: Rows
    truth: Vector | None


def population(name: str, rows: int, seed: int, folder: Path | None) -> Population:
    """Returns the rows of one trial. The seed fixes the training rows; the test rows are the same for every seed.

    A table has the same split for all seeds, and at most `rows` training rows.

    Raises:
        DataMissing: the table's folder or file is missing.
        UnreadableFile: the file has another digest than the study requires.
    """
    if name in TABLES:
        split = split_rows(_read(TABLES[name], folder), 0)
        return Population(split.train[:rows], split.validation, split.test, None)
    law = LAWS[name]
    train, validation = (
        law.draw(count, source.stream(seed, f"study {purpose}"))
        for count, purpose in ((rows, "rows"), (VALIDATION_ROWS, "validation"))
    )
    return Population(train, validation, *_test(name))


@lru_cache(maxsize=4)
def _test(name: str) -> tuple[Rows, Vector]:
    test = LAWS[name].draw(TEST_ROWS, source.stream(0, "study test"))
    return test, LAWS[name].log_prob(test)


def available(name: str, folder: Path | None) -> bool:
    """Whether the rows are available: laws always are, a table only if its file is in the folder."""
    return name in LAWS or (folder is not None and (folder / TABLES[name].file).is_file())


def _read(table: Table, folder: Path | None) -> Rows:
    if folder is None or not (folder / table.file).is_file():
        where = f"in {folder}" if folder else "without a data folder"
        raise DataMissing(f"no {table.file} {where}; pass the folder that holds it with --data ({table.origin})")
    content = (folder / table.file).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != table.sha256:
        raise UnreadableFile(f"{table.file} has sha256 {found}; the study needs the file with sha256 {table.sha256}")
    if table.file.endswith(".npz"):
        with np.load(folder / table.file) as arrays:
            rows: Rows = arrays["X"][arrays["y"] == 0].astype(np.float64)
        return rows
    text = gzip.decompress(content).decode("ascii").splitlines()
    return np.delete(np.loadtxt(text, delimiter=","), COUNTS_IN_PROTEIN, axis=1)
