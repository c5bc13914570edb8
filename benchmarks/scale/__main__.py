"""A thousand replicas and 10^12 rows, on paper: `python -m benchmarks.scale` writes docs/scaling.md and simulated.md.

It simulates for about a minute on one core; `--tables` fills only the tables of docs/scaling.md, which follow from
costs.toml, benchmarks/serving.json and benchmarks/scale.json.
"""

import argparse
from pathlib import Path
from typing import Final

from benchmarks.scale import page, picture, simulated, studies
from benchmarks.scale.checks import checks
from benchmarks.scale.costs import Costs
from benchmarks.scale.files import Files
from benchmarks.scale.measured import Measured

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs/scaling.md"


def main() -> None:
    """Simulate, compare, draw, write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tables", action="store_true", help="simulate nothing")
    costs = Costs.read()
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(page.fill(text, page.tables(costs, Measured(), Files())), encoding="utf-8")
    if options.parse_args().tables:
        return
    found, points = checks(costs), studies.points(studies.cases(costs))
    Path(__file__).with_name("simulated.md").write_text(simulated.page(costs, found, points), encoding="utf-8")
    picture.draw(costs, points, studies.bulk(costs), DOCUMENT.with_suffix(".png"))


if __name__ == "__main__":
    main()
