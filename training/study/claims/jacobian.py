"""Claims 4 and 5, about the Jacobian [[A, 0], [B, diag(exp s)]]: whether B is needed, and what det A is."""

from itertools import product
from typing import Final

from ..results import Results, number
from .claim import Claim, Comparison, count, exceptions, table

STATEMENT_4: Final = "The off-diagonal block of the Jacobian is never needed in training."
STATEMENT_5: Final = "det A is the product of the diagonal entries, and enters the density."

EXACT: Final = 1e-9  # rounding of float64 sums over a few hundred terms
MASS_TOLERANCE: Final = 1e-3  # resolution of the integral over the plane


def judge_4(results: Results) -> Claim:
    """Judges the loss by log|det| with and without B, and its gradient by fits that treat B as zero."""
    price = results.where(experiment="jacobian")
    rows: list[list[object]] = []
    for columns in sorted(set(price.values("columns"))):
        chosen = Results(row for row in price if row.metrics["columns"] == columns)
        ratio = chosen.spread("jacobian_seconds").mean / chosen.spread("formula_seconds").mean
        rows.append([int(columns), chosen.spread("ladj_error"), f"{number(ratio)} times"])
    pairs = []
    for data in results.where(experiment="severed").distinct("data"):
        severed = results.where(experiment="severed", data=data)
        settings = {name: severed.distinct(name)[0] for name in ("layers", "hidden", "epochs")}
        whole = results.where(data=data, block=0, severed=0, **settings)
        pairs.append((data, whole.spread("kl"), severed.spread("kl")))
    worse = [Comparison(str(data), cut.low > whole.high) for data, whole, cut in pairs]
    exact = price.spread("ladj_error").high
    evidence = {
        "errors": table(["columns", "largest difference, nats", "seconds of the whole Jacobian, as a multiple"], rows),
        "cuts": table(["data", "with B", "B treated as zero"], pairs),
        "worse": count(worse),
        "exceptions": exceptions(worse),
    }
    result = (
        f"the log-determinant without B differs by at most {number(exact)} nats; with B removed from the gradient "
        + "; ".join(f"the KL of {data} changes from {whole} to {cut}" for data, whole, cut in pairs[:1])
    )
    return Claim(4, STATEMENT_4, _verdict_4(exact, worse), result, evidence)


def _verdict_4(exact: float, worse: list[Comparison]) -> str:
    if exact > EXACT:
        return "fails"
    if not any(comparison.holds for comparison in worse):
        return "holds"
    return "holds only for the loss: B is never computed, but the gradient passes through it"


def judge_5(results: Results) -> Claim:
    """Compares the diagonal of fitted matrices with log|det A|; integrates the density with and without log|det A|."""
    fitted = results.where(experiment="triangular")
    blocks = [block for block in fitted.distinct("block") if block]
    rows: list[list[object]] = []
    for block, data in product(blocks, fitted.distinct("data")):
        chosen = fitted.where(block=block, data=data, det=None)
        rows.append([block, data, chosen.spread("log_det_a"), chosen.spread("diagonal_error")])
    errors = {block: fitted.where(block=block, det=None).spread("diagonal_error") for block in blocks}
    mass = results.where(experiment="mass")
    masses = [
        [number(float(det or 0)), mass.where(det=det).spread("mass"), mass.where(det=det).spread("mass_without_det")]
        for det in mass.distinct("det")
    ]
    mass_error = max(abs(value - 1) for value in mass.values("mass"))
    evidence = {
        "diagonals": table(["block size", "data", "sum of log det A, six layers", "error of the diagonal"], rows),
        "masses": table(["det A", "integral", "integral without det A"], masses),
    }
    smallest, largest = min(blocks, key=_size), max(blocks, key=_size)
    result = (
        f"error of the diagonal {errors[smallest]} nats at block size {smallest}, {errors[largest]} at {largest}; "
        f"without det A = {number(_size(mass.distinct('det')[-1]))} the density integrates to "
        f"{mass.where(det=mass.distinct('det')[-1]).spread('mass_without_det')}"
    )
    verdict = "fails"
    if errors[smallest].high < EXACT and mass_error < MASS_TOLERANCE:
        verdict = "holds"
        if errors[largest].high > EXACT:
            verdict = "holds only if the diagonal blocks have size 1; det A enters the density in any case"
    return Claim(5, STATEMENT_5, verdict, result, evidence)


def _size(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
