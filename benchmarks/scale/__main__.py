"""Estimates a thousand replicas and 10^12 rows: `python -m benchmarks.scale` fills docs/scaling.md.

It renders the tables of docs/scaling.md from costs.toml and from the results of benchmarks.serving and
benchmarks.scale.jobs. Then it simulates for about a minute on one core and writes docs/scaling.png and
benchmarks/results/scale-simulated.md. With `--tables` it only renders the tables.
"""

import argparse
from typing import Final

from benchmarks.paths import RESULTS, ROOT
from benchmarks.scale.costs.costs import Costs
from benchmarks.scale.costs.job_measurements import JobMeasurements
from benchmarks.scale.costs.serving_measurements import ServingMeasurements
from benchmarks.scale.report import plot, scaling_tables, simulation_page
from benchmarks.scale.studies import studies
from benchmarks.scale.studies.checks import checks

DOCUMENT: Final = ROOT / "docs/scaling.md"


def main() -> None:
    """Render the tables, simulate, write the page and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="render only the tables of docs/scaling.md")
    options = parser.parse_args()
    costs = Costs.read()
    tables = scaling_tables.tables(costs, ServingMeasurements(), JobMeasurements())
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(scaling_tables.fill(text, tables), encoding="utf-8")
    if options.tables:
        return
    checked, points = checks(costs), studies.run_cases(studies.all_cases(costs))
    page = simulation_page.page(costs, checked, points)
    (RESULTS / "scale-simulated.md").write_text(page, encoding="utf-8")
    plot.draw(costs, points, studies.bulk(costs), DOCUMENT.with_suffix(".png"))


if __name__ == "__main__":
    main()
