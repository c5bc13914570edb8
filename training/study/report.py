"""The report: docs/study/README.md from results.csv alone, so that a test can ask whether the two still agree."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from diffeo.bundle.manifest import Manifest

from .claims import budget, jacobian, layers, richness, stability, topology
from .claims.claim import Claim, table
from .populations import TABLES
from .results import Results, number

PAGES: Final = Path(__file__).parent / "pages"
FITS: Final = ("grid", "topology", "severed", "triangular")

Judge = Callable[[Results], Claim]

JUDGES: Final[dict[int, Judge]] = {
    1: layers.judge,
    2: topology.judge,
    3: budget.judge,
    4: jacobian.judge_4,
    5: jacobian.judge_5,
    6: stability.judge,
    7: richness.judge,
}


def page(claim: Claim) -> str:
    """The Markdown of one claim's evidence."""
    return _pages().get_template(f"claim-{claim.number}.md.jinja").render(claim.evidence).strip()


def readme(results: Results, served: dict[str, Manifest]) -> str:
    """The Markdown of the whole report; `served` are the manifests that the grid's best would have to beat."""
    claims = [judge(results) for judge in JUDGES.values()]
    laws = results.where(experiment="laws")
    entropies = [f"{name} {number(laws.where(data=name).spread('entropy').mean)}" for name in laws.distinct("data")]
    used = [f"{name}, {one.origin}" for name, one in TABLES.items() if len(results.where(data=name))]
    return _pages().get_template("README.md.jinja").render(
        fits=sum(row.settings["experiment"] in FITS for row in results),
        seeds=len(results.where(experiment="grid").distinct("seed")),
        claims=claims,
        evidence={claim.number: page(claim) for claim in claims},
        entropies=", ".join(entropies),
        tables="; ".join(used) or "none in this run",
        grid=_grid(results),
        first=results.where(experiment="grid").distinct("seed")[0],
        best=_best(results),
        replaced=[_replaced(results, data, manifest) for data, manifest in served.items()],
    )  # fmt: skip


def _grid(results: Results) -> str:
    rows = []
    grid = results.where(experiment="grid")
    names = ("data", "hidden", "epochs", "layers")
    for data, hidden, epochs, count in product(*(grid.distinct(name) for name in names)):
        chosen = grid.where(data=data, hidden=hidden, epochs=epochs, layers=count)
        parameters = f"{int(chosen.spread('parameters').mean):,}"
        seconds = number(chosen.spread("seconds_per_epoch").mean)
        judged = [chosen.spread(figure) for figure in ("nll", "kl", "kl_tail")]
        rows.append([data, count, f"{hidden}/{epochs}", parameters, seconds, *judged])
    head = ["data", "layers", "units/epochs", "parameters", "seconds an epoch", "test loss", "KL", "worst 0.1 %"]
    return table(head, rows)


def _best(results: Results) -> str:
    grid = results.where(experiment="grid")
    rows = []
    for data in grid.distinct("data"):
        best = min(grid.where(data=data), key=lambda row: row.figures["kl"])
        flow = best.settings
        size = f"{flow['layers']} layers, {flow['hidden']}/{flow['epochs']}, seed {flow['seed']}"
        rows.append([data, size, number(best.figures["kl"]), f"{int(best.figures['parameters']):,}", flow["id"]])
    return table(["data", "best of the grid", "KL, nats", "parameters", "row"], rows)


def _replaced(results: Results, data: str, manifest: Manifest) -> str:
    """Whether any flow of the grid is better than the served one and no larger."""
    grid = results.where(experiment="grid", data=data)
    made = manifest.provenance
    if made.kl_to_truth is None:
        return f"{data} is served without a known distance"
    better = [
        row for row in grid if row.figures["kl"] < made.kl_to_truth and row.figures["parameters"] <= made.parameters
    ]
    return (
        f"{data} is served with KL {number(made.kl_to_truth)} and {made.parameters:,} parameters, and "
        f"{len(better) or 'none'} of the grid's {len(grid)} flows {'are' if better else 'is'} better and no larger"
    )


def _pages() -> Environment:
    # A name that is missing is an error, not a blank.
    return Environment(
        loader=FileSystemLoader(PAGES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  (Markdown of our own numbers, not HTML)
    )
