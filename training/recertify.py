"""A published bundle measured again: its graphs against the flow that it carries, on its golden rows and on samples."""

from dataclasses import dataclass, replace
from pathlib import Path

from bundle.manifest import Certificate
from bundle.read import read
from bundle.write import parts_of, publish
from training import certify
from training.errors import CertificateError
from training.flows.architecture import flow_from_bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured, and where a new version with these figures stands, if one was asked for."""

    certificate: Certificate
    published: Path | None

    def __str__(self) -> str:
        """One line a figure."""
        lines = [
            f"{check.name:<28} {check.value:9.2e}  <= {check.tolerance:.0e}   {check.rows} rows, {check.about}"
            for check in self.certificate.checks
        ]
        if self.published is not None:
            lines.append(f"published {self.published}")
        return "\n".join(lines)


def recertify(path: Path, *, publish_it: bool) -> Verdict:
    """Measure the bundle at `path`; versions never change, so new figures are published as the next version.

    Raises:
        BundleError: the bundle itself is refused.
        CertificateError: it carries no flow, or a figure is out of tolerance.
    """
    bundle = read(path)
    if "flow.safetensors" not in bundle.files:
        raise CertificateError(f"{path} carries no flow.safetensors, so there is nothing to measure its graphs against")
    flow = flow_from_bytes(bundle.files["flow.safetensors"])
    certificate = certify.certify(certify.Subject(flow, bundle.files, bundle.golden.x, bundle.manifest.precision))
    if not publish_it:
        return Verdict(certificate, None)
    parts = replace(parts_of(bundle), certificate=certificate)
    return Verdict(certificate, publish(parts, path.parent).path)
