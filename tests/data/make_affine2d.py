"""Write tests/data/affine2d: z = (x - (1, -2)) / (2, 4), so every answer is known by hand.

Run as `python tests/data/make_affine2d.py` after a change of the bundle format; it publishes the next version.
"""

from pathlib import Path

import numpy as np
import torch

from diffeo.bundle.write import BundleContent, publish
from diffeo.training import export, report
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.publication import graphs
from diffeo.training.recipe import parse
from diffeo.training.source import Dataset, stream
from diffeo.training.split import split_rows

MEAN, SCALE = (1.0, -2.0), (2.0, 4.0)


def main() -> None:
    """Build the flow, export, certify, publish."""
    recipe = parse(
        {
            "name": "affine2d",
            "data": {"file": "normal.csv"},
            "flow": {"layers": 0, "hidden": 1},
            "fit": {"epochs": 1, "batch": 1, "learning_rate": 1.0},
        },
        "affine2d",
    )
    architecture = Architecture(2, 0, 1, 1, AffineCouplingSpec(limit=1.0))
    flow = architecture.build(torch.tensor(MEAN), torch.tensor(SCALE))
    rows = np.round(MEAN + SCALE * stream(0, "affine2d").standard_normal((2000, 2)), 3).astype(np.float32)
    dataset = Dataset(("height", "weight"), split_rows(rows.astype(np.float64), 0), len(rows), "0" * 64, None)
    subject, certificate = graphs.certified(architecture, "float32", flow, dataset.split.test)
    files = dict(subject.files)
    files["forward.ts"], files["inverse.ts"] = export.to_torchscript(flow, 2, "float32")
    scores = subject.forward.run(dataset.split.test)["log_prob"].astype(np.float64)
    made_by = report.provenance(recipe, dataset, 0, float(-scores.mean()), None)
    content = BundleContent(
        dataset.columns, "float32", "float32", files, certificate, report.calibration(scores), made_by
    )
    print(publish(content, Path(__file__).parent / "affine2d").path)


if __name__ == "__main__":
    main()
