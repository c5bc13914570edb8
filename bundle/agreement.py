"""Checks that two loaded graphs compute one density: on golden rows, and on fresh rows over the support and beyond.

Golden rows alone prove little: a graph may answer right there and wrong elsewhere. So rows are drawn from the base
distribution, under a seed that is made of the digest of the bundle, and each answer is compared with two others:

- in one answer, log_prob is the log density of z under the base distribution plus the log-determinant of x -> z;
- in few columns, the log-determinant is that of the differences of x over small steps of z;
- forward and inverse undo each other: z -> x -> z gives z, the log-determinants cancel, log_prob stays the same.

The same rows are computed alone, in small batches and in another order; the answers must be the same. A change of one
graph fails one of these. The rarer the rows that it changes, the more rows must be drawn to meet them, so a caller
says how many seconds it can spend on further rows. A change of both graphs that keeps the golden rows and is again one
density is not noticed: only a signature over the seal would show that.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from .base import Base
from .errors import GraphsDisagree
from .golden import Golden
from .manifest import Dtype

Tensors = Mapping[str, npt.NDArray[np.floating]]
Rows = npt.NDArray[np.floating]
Array = npt.NDArray[np.float64]
Compute = Callable[[Rows], Tensors]

# Fresh rows of the base distribution; fewer in many columns, so that a start takes no longer.
MOST_ROWS: Final = 4096
LEAST_ROWS: Final = 256
MOST_NUMBERS: Final = 2**18
# Processor time for further rows in a preflight, and in training before it publishes.
FURTHER_SECONDS: Final = 2.0
# Further rows come in steps, as long as there is time; every FURTHER_BROAD-th step is drawn more broadly.
MOST_FURTHER_ROWS: Final = 3 * 2**15
FURTHER_STEP_ROWS: Final = 4096  # at most
FURTHER_BROAD: Final = 3
# Most rows of one call.
BLOCK_ROWS: Final = 1024
# Each quarter of the rows is drawn at one of these temperatures: the body of the density, and its tails.
BODY: Final = 1.0
TAILS: Final = (0.5, 1.5, 2.5)
# Rows and most columns of the check of volumes, its step in z, and its tolerance in nats on the middle row.
DIFFERENTIATED_ROWS: Final = 64
MOST_DIFFERENTIATED: Final = 16
STEP: Final = 2.0**-8
VOLUME_TOLERANCE: Final = 0.5
# A certificate says that answers are finite within 20 standard deviations, of the data and of the base.
FINITE_SIGMA: Final = 10.0
# Boxes of x, in ranges of the golden rows.
BOXES: Final = (1.5, 4.0, 12.0, 40.0)
# Errors are relative to the largest term. Two graphs differ by what the certificate allows for the round trip, and by
# ten times more on the rarest row.
# float32 holds 24 bits, and a sum over D columns loses some; this many steps of the last bit, and D more.
TERMS_STEPS: Final = 32
FLOAT32_STEP: Final = 2.0**-23
BODY_TOLERANCE: Final = 1e-2
# Graphs in 8-bit integers differ by one rounding step on rows at its edge (`models/README.md`); such rows are few.
ROUNDED_BODY_TOLERANCE: Final = 1.5e-1
# On a GPU, batches of different sizes run different kernels. On a CPU the bits are the same.
BATCH_TOLERANCE: Final = 1e-3
BATCH_ROWS: Final = 32
BATCHES: Final = (1, 7)


def check(  # noqa: PLR0913, PLR0917  (two graphs, and what is known of them)
    forward: Compute, inverse: Compute, golden: Golden, dtype: Dtype, digest: str, seconds: float = 0.0
) -> None:
    """Check a pair of graphs; each is called with at most BLOCK_ROWS rows.

    Args:
        forward: computes x [rows, D].
        inverse: computes z [rows, D].
        golden: the rows with known answers.
        dtype: type of x.
        digest: SHA-256 of the manifest in hex.
        seconds: processor time for further rows.

    Raises:
        GoldenDisagrees: the graphs compute other numbers than the golden vectors.
        GraphsDisagree: the graphs do not compute one density, or a row depends on its batch.
    """
    check_golden(forward, inverse, golden, dtype)
    x, z = _golden_rows(golden, dtype)
    dimension = z.shape[1]
    count = max(LEAST_ROWS, min(MOST_ROWS, MOST_NUMBERS // dimension))
    body = golden.base.draw(int(digest[:12], 16), 0, count, BODY)
    tolerance = ROUNDED_BODY_TOLERANCE if golden.is_rounded else BODY_TOLERANCE
    drawn = _check_pair(forward, inverse, golden, body, dtype, tolerance)
    for index, temperature in enumerate(TAILS, 1):
        tail = golden.base.draw(int(digest[:12], 16), index * count, count // 4, temperature)
        answer = _in_blocks(inverse, tail)
        _check_finite(golden.files.inverse, answer, np.linalg.norm(tail, axis=1) <= FINITE_SIGMA)
        _check_terms(golden.files.inverse, golden.base, tail, answer, -1)
    if not golden.is_rounded and dimension <= MOST_DIFFERENTIATED:
        _check_volume(golden.files.inverse, inverse, body[:DIFFERENTIATED_ROWS])
    _check_beyond(forward, golden, x, dtype, int(digest[12:24], 16), count // 4)
    _check_batches(golden.files.forward, forward, drawn)
    _check_batches(golden.files.inverse, inverse, body)
    _check_further(forward, inverse, golden, dtype, int(digest[24:36], 16), seconds)


def check_golden(forward: Compute, inverse: Compute, golden: Golden, dtype: Dtype) -> None:
    """Check the golden rows only.

    Raises:
        GoldenDisagrees: the graphs compute other numbers than the golden vectors.
    """
    x, z = _golden_rows(golden, dtype)
    golden.check_forward(_in_blocks(forward, x))
    golden.check_inverse(_in_blocks(inverse, z))


def _golden_rows(golden: Golden, dtype: Dtype) -> tuple[Rows, Rows]:
    with np.errstate(over="ignore"):
        return golden.x.astype(dtype), golden.z.astype(np.float32)


def _check_further(  # noqa: PLR0913, PLR0917  (two graphs, their rows, and the time)
    forward: Compute, inverse: Compute, golden: Golden, dtype: Dtype, seed: int, seconds: float
) -> None:
    dimension = golden.x.shape[1]
    # Broad enough to meet rare rows often, and less so in many columns, where the same temperature leaves the data.
    broad = 1 + 1 / math.sqrt(2 * dimension)
    tolerance = ROUNDED_BODY_TOLERANCE if golden.is_rounded else BODY_TOLERANCE
    # A step of many columns has fewer rows, so that the time is read as often.
    rows = max(LEAST_ROWS, min(FURTHER_STEP_ROWS, MOST_NUMBERS // dimension))
    began = time.process_time()
    for step, start in enumerate(range(0, MOST_FURTHER_ROWS, rows), 1):
        if time.process_time() - began >= seconds:
            return
        temperature = BODY if step % FURTHER_BROAD else broad
        z = golden.base.draw(seed, start, min(rows, MOST_FURTHER_ROWS - start), temperature)
        _check_pair(forward, inverse, golden, z, dtype, tolerance)


def _check_pair(  # noqa: PLR0913, PLR0917  (two graphs, their rows, and the law)
    forward: Compute, inverse: Compute, golden: Golden, z: Rows, dtype: Dtype, tolerance: float
) -> Rows:
    names = golden.files
    drawn = _in_blocks(inverse, z)
    _check_terms(names.inverse, golden.base, z, drawn, -1)
    x = drawn["x"].astype(dtype)
    back = _in_blocks(forward, x)
    _check_terms(names.forward, golden.base, back["z"], back, 1)
    pair = f"{names.forward} and {names.inverse}"
    ladj = drawn["log_abs_det_jacobian"].astype(np.float64)
    _compare(f"{pair} differ in z", back["z"], z.astype(np.float64), tolerance)
    _compare(f"{pair} differ in log_abs_det_jacobian", back["log_abs_det_jacobian"], -ladj, tolerance)
    _compare(f"{pair} differ in log_prob", back["log_prob"], drawn["log_prob"].astype(np.float64), tolerance)
    return x


def _check_volume(name: str, inverse: Compute, z: Rows) -> None:
    """Check log_abs_det_jacobian against differences of x over small steps of z, on the middle row of many."""
    rows, dimension = z.shape
    steps = STEP * np.eye(dimension, dtype=np.float32)
    ahead, behind = z[:, None, :] + steps, z[:, None, :] - steps  # [rows, D, D], one step along each axis
    width = (ahead - behind).astype(np.float64).sum(axis=2, keepdims=True)
    ends = (_in_blocks(inverse, part.reshape(-1, dimension))["x"].astype(np.float64) for part in (ahead, behind))
    x_ahead, x_behind = (end.reshape(rows, dimension, dimension) for end in ends)
    volume = np.linalg.slogdet((x_ahead - x_behind) / width).logabsdet
    # Single rows are at a kink of the conditioner or where float32 is coarse, so the median counts.
    error = float(np.median(np.abs(volume - inverse(z)["log_abs_det_jacobian"])))
    if not error <= VOLUME_TOLERANCE:
        raise GraphsDisagree(
            f"{name}: log_abs_det_jacobian is {error:.2g} nats away from the differences of x on the middle row of "
            f"{rows}; expected at most {VOLUME_TOLERANCE:g}"
        )


def _check_beyond(  # noqa: PLR0913, PLR0917  (a graph, its rows, and where they come from)
    forward: Compute, golden: Golden, x: Rows, dtype: Dtype, seed: int, count: int
) -> None:
    # Boxes around the range of the data, each larger than the one before: a trigger outside of the data hides there.
    low, high = golden.x.min(axis=0), golden.x.max(axis=0)
    generator = np.random.Generator(np.random.Philox(key=seed))
    for size in BOXES:
        unit = generator.uniform(-size, size, (count, x.shape[1]))
        rows = ((low + high) / 2 + unit * (high - low) / 2).astype(dtype)
        answer = _in_blocks(forward, rows)
        # A column that is constant on the golden rows is infinitely far from them anywhere else.
        with np.errstate(over="ignore"):
            sigmas = np.linalg.norm((rows - x.mean(axis=0)) / np.maximum(x.std(axis=0), np.finfo(dtype).tiny), axis=1)
        _check_finite(golden.files.forward, answer, sigmas <= FINITE_SIGMA)
        _check_terms(golden.files.forward, golden.base, answer["z"], answer, 1)


def _check_finite(name: str, answer: Tensors, certified: npt.NDArray[np.bool_]) -> None:
    """Check that the answers of certified rows are finite."""
    for output, values in answer.items():
        missing = int(np.sum(certified & ~np.isfinite(values.reshape(len(certified), -1)).all(axis=1)))
        if missing:
            raise GraphsDisagree(
                f"{name} computes {output} that is not finite on {missing} rows within {FINITE_SIGMA:g} standard "
                f"deviations; the certificate excludes that"
            )


def _check_terms(name: str, base: Base, z: Rows, answer: Tensors, sign: int) -> None:
    """Check log_prob = log density of z + log|det dz/dx| in one answer, where it is finite."""
    density = base.log_prob(z)
    ladj = sign * answer["log_abs_det_jacobian"].astype(np.float64)
    expected = density + ladj
    # Far out, float32 overflows and an answer is not finite. The certificate bounds where that may be.
    finite = np.isfinite(expected) & np.isfinite(answer["log_prob"])
    if not finite.any():
        raise GraphsDisagree(f"{name} computes no finite log_prob on {len(finite)} rows")
    scale = np.maximum(1, np.maximum(np.abs(density), np.abs(ladj)))[finite]
    what = f"{name}: log_prob is not the density of z plus log_abs_det_jacobian"
    tolerance = (TERMS_STEPS + z.shape[1]) * FLOAT32_STEP
    _compare(what, answer["log_prob"][finite], expected[finite], tolerance, scale)


def _check_batches(name: str, compute: Compute, rows: Rows) -> None:
    """Check that rows alone, in small batches and in another order have the answers of one large batch."""
    whole = compute(rows[:BLOCK_ROWS])
    few = rows[:BATCH_ROWS]
    for size in BATCHES:
        for start in range(0, len(few), size):
            part = compute(few[start : start + size])
            for output, expected in whole.items():
                what = f"{name}: {output} of a row depends on the rows beside it"
                _compare(what, part[output], expected[start : start + len(part[output])], BATCH_TOLERANCE)
    turned = compute(rows[:BLOCK_ROWS][::-1].copy())
    for output, expected in whole.items():
        what = f"{name}: {output} of a row depends on its place in the batch"
        _compare(what, turned[output][::-1], expected, BATCH_TOLERANCE)


def _in_blocks(compute: Compute, rows: Rows) -> dict[str, Rows]:
    parts = [compute(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _compare(what: str, got: Rows, expected: Rows, tolerance: float, scale: Array | None = None) -> None:
    if got.shape != expected.shape:
        raise GraphsDisagree(f"{what}: the shape is {got.shape}; expected {expected.shape}")
    wide = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - wide) / (np.maximum(1, np.abs(wide)) if scale is None else scale)
    error = np.where((got == wide) | (np.isnan(got) & np.isnan(wide)), 0, error)
    # Not `error > tolerance`, because NaN must fail too.
    if not (error <= tolerance).all():
        raise GraphsDisagree(
            f"{what}, by up to {np.nanmax(error):.2e} on {len(error)} rows; expected at most {tolerance:.0e}"
        )
