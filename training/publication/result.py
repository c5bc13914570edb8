"""`Fitted`, the flow that is published, `Destination`, where, and `Report`, the result for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffeo.bundle.manifest import Certificate
from diffeo.bundle.read import Bundle
from diffeo.bundle.schema.quality import Quality

from ..fitting.choice import Choice
from ..fitting.evaluation import Evaluation
from ..quality.baselines.baselines import Baselines
from ..quality.findings.losses import described
from ..quality.verdict import by_importance
from ..report import FRESH_ROWS


@dataclass(frozen=True, slots=True)
class Fitted:
    """A finished fit.

    Attributes:
        choice: the flow that is published, and the others that it was chosen from.
        baselines: the simpler models that stand beside it.
        records: one record for each evaluation of the fit.
    """

    choice: Choice
    baselines: Baselines
    records: Sequence[Evaluation]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a bundle is published and which graphs it holds beside its two ONNX graphs.

    Attributes:
        models: the repository.
        torchscript: the two graphs as TorchScript too.
        int8: the two graphs with hidden products in 8-bit integers too.
    """

    models: Path
    torchscript: bool = False
    int8: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run.

    Attributes:
        bundle: the published bundle.
        quality: the comparison of the model with its data.
        records: one record for each evaluation of the fit.
        kl_to_truth: KL(truth || model), nats; None where the true distribution is unknown.
        folder: where report.html, loss.csv and the plots are.
        choice: which candidate was published, in one sentence; empty if there was one alone.
    """

    bundle: Bundle
    quality: Quality
    records: tuple[Evaluation, ...]
    kl_to_truth: float | None
    folder: Path
    choice: str = ""

    @property
    def test_nll(self) -> float:
        """Loss on the held-out rows, nats per row."""
        return self.quality.model.nll

    def __str__(self) -> str:
        """Some lines for the terminal."""
        manifest, quality = self.bundle.manifest, self.quality
        model = quality.model
        lines = [
            f"published {self.bundle.path}",
            f"loss {model.nll:.4f} ± {model.standard_error:.4f} nats a row on {quality.held_out_rows:,} held-out rows",
        ]
        lines += [
            f"  {each.nll:.4f} ± {each.standard_error:.4f} for {described(each)}; this model leads by "
            f"{each.lead:.4f} ± {each.lead_standard_error:.4f}"
            for each in quality.baselines
        ]
        if self.kl_to_truth is not None:
            lines.append(f"KL(truth || model) {self.kl_to_truth:.4f} nats on {FRESH_ROWS} fresh points")
        if self.choice:
            lines.append(self.choice)
        lines += _findings(quality)
        lines.append(f"certificate: {_measurements(manifest.certificate)}")
        lines += [f"{name}: {_measurements(made.certificate)}" for name, made in manifest.variants.items()]
        return "\n".join([*lines, f"report: {self.folder / 'report.html'}"])


def _findings(quality: Quality) -> list[str]:
    """The differences between model and data, each with options to try; the losses stand above them already."""
    others = [finding for finding in quality.findings if finding.kind != "baselines"]
    differ = [finding for finding in others if not finding.matched]
    head = f"{len(others) - len(differ)} of {len(others)} checks find no difference between samples and held-out rows"
    shown = [finding for finding in by_importance(quality.findings) if not finding.matched]
    return [head, *(f"  {each.sentence}{f' {each.advice}' if each.advice else ''}" for each in shown)]


def _measurements(certificate: Certificate) -> str:
    return ", ".join(f"{check.name} {check.value:.1e}" for check in certificate.checks)
