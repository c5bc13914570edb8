"""Renders docs/study/README.md from results.csv alone, so that a test can check that the two agree."""

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
    """The evidence of one claim as Markdown."""
    return _pages().get_template(f"claim-{claim.number}.md.jinja").render(claim.evidence).strip()


def readme(results: Results, served: dict[str, Manifest]) -> str:
    """The whole report as Markdown. `served` are the manifests of the served models, by data set."""
    claims = [judge(results) for judge in JUDGES.values()]
    laws = results.where(experiment="laws")
    entropies = [f"{name} {number(laws.where(data=name).spread('entropy').mean)}" for name in laws.distinct("data")]
    used = [f"{name}: {one.origin}" for name, one in TABLES.items() if len(results.where(data=name))]
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
        losses = [chosen.spread(metric) for metric in ("nll", "kl", "kl_tail")]
        rows.append([data, count, f"{hidden}/{epochs}", parameters, seconds, *losses])
    head = [
        "data",
        "layers",
        "units/epochs",
        "parameters",
        "seconds per epoch",
        "test loss",
        "KL",
        "KL of the worst 0.1 %",
    ]
    return table(head, rows)


def _best(results: Results) -> str:
    grid = results.where(experiment="grid")
    rows = []
    for data in grid.distinct("data"):
        best = min(grid.where(data=data), key=lambda row: row.metrics["kl"])
        flow = best.settings
        size = f"{flow['layers']} layers, {flow['hidden']}/{flow['epochs']}, seed {flow['seed']}"
        rows.append([data, size, number(best.metrics["kl"]), f"{int(best.metrics['parameters']):,}", flow["id"]])
    return table(["data", "best flow of the grid", "KL, nats", "parameters", "id"], rows)


def _replaced(results: Results, data: str, manifest: Manifest) -> str:
    """A sentence that says whether a flow of the grid is better than the served one and not larger."""
    grid = results.where(experiment="grid", data=data)
    provenance = manifest.provenance
    if provenance.kl_to_truth is None:
        return f"The KL of the served {data} is not known."
    better = [
        row
        for row in grid
        if row.metrics["kl"] < provenance.kl_to_truth and row.metrics["parameters"] <= provenance.parameters
    ]
    found = f"{len(better)} of the {len(grid)} flows" if better else f"None of the {len(grid)} flows"
    return (
        f"Version 1 of {data} has KL {number(provenance.kl_to_truth)} and {provenance.parameters:,} parameters. "
        f"{found} of the grid {'have' if len(better) > 1 else 'has'} a lower KL and not more parameters."
    )


def _pages() -> Environment:
    # StrictUndefined: a missing variable raises an error instead of rendering as nothing.
    return Environment(
        loader=FileSystemLoader(PAGES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  (the templates render Markdown from our own numbers, not HTML)
    )
