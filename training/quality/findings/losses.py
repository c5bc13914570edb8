"""The finding about losses: the model beside one Gaussian and the best mixture."""

from typing import Final

from diffeo.bundle.schema.quality import BaselineScore, Finding, Quality

from .wording import LONGER_FIT, counted

# A lead of fewer standard errors has a two-sided p-value above 0.01.
STANDARD_ERRORS: Final = 2.576
# Relative: a smaller lead is none.
ROUNDING: Final = 1e-5


def baselines(quality: Quality) -> Finding:
    """The loss of the model beside those of the baselines; matched unless a baseline is better."""
    model = quality.model
    parts = [f"{_lead(baseline)}" for baseline in quality.baselines]
    comparison = f": {', '.join(parts)}" if parts else ""
    rows = counted(quality.held_out_rows - model.rows_without_density, "held-out row")
    sentence = f"The loss on {rows} is {model.nll:.4g} ± {model.standard_error:.2g} nats a row{comparison}."
    if model.rows_without_density:
        sentence += (
            f" The model gives {counted(model.rows_without_density, 'held-out row')} no density; "
            "they are outside of its bounds or not whole numbers."
        )
    behind = [baseline for baseline in quality.baselines if difference(baseline) < 0]
    advice = None
    if model.rows_without_density:
        advice = "Give wider --bounds, or none."
    if behind:
        advice = f"Try {LONGER_FIT}."
    return Finding(kind="baselines", matched=advice is None, sentence=sentence, advice=advice)


def difference(baseline: BaselineScore) -> int:
    """1 if the model is better than the baseline, -1 if it is worse, 0 within 2.6 standard errors or rounding."""
    if abs(baseline.lead) <= max(_rounding(baseline), STANDARD_ERRORS * baseline.lead_standard_error):
        return 0
    return 1 if baseline.lead > 0 else -1


def described(baseline: BaselineScore) -> str:
    """The baseline in words.

    >>> score = BaselineScore(name="mixture", components=8, nll=1, standard_error=0, lead=0, lead_standard_error=0)
    >>> described(score)
    'the best mixture, of 8 Gaussians'
    """
    if baseline.name == "gaussian":
        return "one Gaussian"
    if baseline.components == 1:
        return "the best mixture, which is that Gaussian"
    return f"the best mixture, of {baseline.components} Gaussians"


def _rounding(baseline: BaselineScore) -> float:
    # The graphs compute in float32, so equal models differ by some of its last digits.
    return ROUNDING * max(1.0, abs(baseline.nll))


def _lead(baseline: BaselineScore) -> str:
    if max(abs(baseline.lead), baseline.lead_standard_error) <= _rounding(baseline):
        return f"equal to {described(baseline)}"
    amount = f"{abs(baseline.lead):.3g} ± {baseline.lead_standard_error:.2g}"
    words = {1: f"{amount} better than", -1: f"{amount} worse than", 0: f"no different ({amount}) from"}
    return f"{words[difference(baseline)]} {described(baseline)}"
