"""Contents of report.html made from laws known by hand, with column names that a page must not trust."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Certificate, Check, Provenance
from diffeo.training.quality.baselines.baselines import Baselines
from diffeo.training.quality.measure import measure
from diffeo.training.report.page.content import LossCurve, ReportContent

Array = npt.NDArray[np.float64]

HOSTILE_NAMES: Final = (
    "<script>alert(1)</script>",
    "\"quoted\" 'twice' & <b>",
    "größe 温度 😀",
    "$x^2$ \\frac{a}",
    "{{ 7 * 7 }} {% raw %}",
    "n" * 128,
    "https://example.org/a?b=c&d",
    "--></svg><img src=x onerror=alert(1)>",
    "rtl עברית",
)
CERTIFICATE: Final = Certificate(
    reference="the flow in float64, torch 2.13.0",
    runtime="onnxruntime 1.32.0, CPUExecutionProvider",
    checks=(Check(name="parity", value=1e-5, tolerance=1e-4, rows=1000, about="relative"),),
)
PROVENANCE: Final = Provenance(
    name="known",
    created="2026-01-01T00:00:00+00:00",
    recipe={"name": "known", "data.file": "known.csv", "fit.epochs": 10},
    data_sha256="0" * 64,
    data_rows=4000,
    versions={"diffeo": "0.2.0"},
    parameters=1234,
    test_rows=1000,
    test_nll=1.5,
    kl_to_truth=None,
)
CURVE: Final = LossCurve("step", (50, 100, 150, 200), (9.0, 3.0, 2.0, 1.5), (8.0, 3.1, 2.2, 2.3), 150)


def content(
    x: Array, log_prob: Array, z: Array, names: Sequence[str], *, curve: LossCurve | None = CURVE
) -> ReportContent:
    """The report about a model that is the law of the rows x [4n, D]: a quarter each for train and held-out rows."""
    count = len(x) // 4
    train, held_out, samples = x[:count], x[count : 2 * count], x[2 * count :]
    scores = log_prob[count : 2 * count]
    quality = measure(
        train,
        held_out,
        samples,
        scores,
        z[count : 2 * count],
        names,
        baselines=Baselines.fit(train, held_out).log_prob(held_out),
    )
    return ReportContent(
        name="known",
        version=3,
        models="models",
        columns=names,
        quality=quality,
        held_out=held_out,
        samples=samples,
        log_prob_held_out=scores,
        log_prob_samples=log_prob[2 * count :],
        curve=curve,
        certificate=CERTIFICATE,
        provenance=PROVENANCE,
    )


def normal(names: Sequence[str], rows: int = 800, *, curve: LossCurve | None = CURVE) -> ReportContent:
    """Independent standard normal columns with these names."""
    x = np.random.default_rng(0).standard_normal((rows, len(names)))
    log_prob = -0.5 * np.square(x).sum(axis=1) - 0.5 * len(names) * np.log(2 * np.pi)
    return content(x, log_prob, x, names, curve=curve)
