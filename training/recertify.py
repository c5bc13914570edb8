"""A published bundle measured again: its graphs against the flow that it carries, on its golden rows and on samples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from diffeo.bundle.manifest import Certificate, VariantName
from diffeo.bundle.read import Bundle, read
from diffeo.bundle.write import parts_of, publish

from .certification import certify
from .errors import CertificateError
from .flows.architecture import flow_from_bytes
from .flows.flow import Flow
from .int8.variant import INT8, certify_int8, int8_files


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured, and where a new version with these figures stands, if one was asked for."""

    certificate: Certificate
    variants: Mapping[VariantName, Certificate]
    published: Path | None

    def __str__(self) -> str:
        """One line a figure."""
        lines = _lines(self.certificate)
        for name, certificate in self.variants.items():
            lines += [f"{name}:", *_lines(certificate)]
        if self.published is not None:
            lines.append(f"published {self.published}")
        return "\n".join(lines)


def recertify(path: Path, *, int8: bool, publish_it: bool) -> Verdict:
    """Measure the bundle at `path`; versions never change, so what is new is published as the next version.

    Args:
        path: models/NAME/VERSION.
        int8: make the graphs in 8-bit integers first, again where the bundle has them.
        publish_it: publish the next version with the new figures.

    Raises:
        BundleError: the bundle itself is refused.
        CertificateError: it carries no flow, or a figure is out of tolerance.
        NothingToRound: int8 is asked for, and the flow has no use for it.
    """
    bundle = read(path)
    flow = _flow(bundle)
    made, rows = bundle.manifest, bundle.golden.x
    certificate = certify.certify(certify.Subject(flow, bundle.files, rows, made.precision))
    files = dict(bundle.files)
    if int8:
        files |= int8_files(flow, made.dtype, made.precision, rows)
    variants: dict[VariantName, Certificate] = {}
    if INT8.forward in files:
        variants["int8"] = certify_int8(flow, files, rows)
    if not publish_it:
        return Verdict(certificate, variants, None)
    parts = replace(parts_of(bundle), files=files, certificate=certificate, variants=variants)
    return Verdict(certificate, variants, publish(parts, path.parent).path)


def _flow(bundle: Bundle) -> Flow:
    if "flow.safetensors" not in bundle.files:
        raise CertificateError(
            f"{bundle.path} carries no flow.safetensors, so there is nothing to measure its graphs against"
        )
    return flow_from_bytes(bundle.files["flow.safetensors"])


def _lines(certificate: Certificate) -> list[str]:
    return [
        f"{check.name:<28} {check.value:9.2e}  <= {check.tolerance:.0e}   {check.rows} rows, {check.about}"
        for check in certificate.checks
    ]
