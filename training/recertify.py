"""Measures a published bundle again: its graphs against the flow in it, on its golden rows and on samples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from diffeo.bundle.manifest import Certificate, VariantName
from diffeo.bundle.read import Bundle, read
from diffeo.bundle.write import content_of, publish
from diffeo.runtime.engines.mapped import column_map_of

from .certification.certificate import certify
from .certification.subject import Subject
from .errors import CertificateError
from .fitting.threads import thread_count
from .flows.architecture import flow_from_bytes
from .flows.flow import Flow
from .int8.variant import INT8, certify_int8, int8_files
from .publication.golden_rows import in_user_units, snap_with


@dataclass(frozen=True, slots=True)
class CertifyReport:
    """The new certificates, and the path of the new version if one was published."""

    certificate: Certificate
    variants: Mapping[VariantName, Certificate]
    published: Path | None

    def __str__(self) -> str:
        """One line a measurement."""
        lines = _lines(self.certificate)
        for name, certificate in self.variants.items():
            lines += [f"{name}:", *_lines(certificate)]
        if self.published is not None:
            lines.append(f"published {self.published}")
        return "\n".join(lines)


def recertify(path: Path, *, int8: bool, publish_it: bool) -> CertifyReport:
    """Measure the bundle at `path`. A version never changes, so new certificates go into the next version.

    Args:
        path: models/NAME/VERSION.
        int8: make the graphs in 8-bit integers first; graphs that the bundle already has are made again.
        publish_it: publish the next version with the new certificates.

    Raises:
        BundleError: the bundle is refused.
        CertificateError: the bundle has no flow, or a measurement is out of tolerance.
        NothingToRound: `int8` is set, and integers would not make the flow faster.
    """
    # As in a fit: with another number of threads, sums differ in their last digit, and so do 8-bit graphs.
    with thread_count(1):
        return _recertify(read(path), path.parent, int8=int8, publish_it=publish_it)


def _recertify(bundle: Bundle, folder: Path, *, int8: bool, publish_it: bool) -> CertifyReport:
    flow = _flow(bundle)
    manifest, column_map = bundle.manifest, column_map_of(bundle.manifest)
    rows = bundle.golden.x if column_map is None else column_map.encode(bundle.golden.x).y
    certificate = certify(Subject(flow, bundle.files, rows, manifest.precision))
    files = dict(bundle.files)
    if int8:
        made = int8_files(flow, manifest.input_dtype, manifest.precision, rows, snap_with(column_map))
        files |= in_user_units(made, bundle.base, column_map)
    variants: dict[VariantName, Certificate] = {}
    if INT8.forward in files:
        variants["int8"] = certify_int8(flow, files, rows)
    if not publish_it:
        return CertifyReport(certificate, variants, None)
    content = replace(content_of(bundle), files=files, certificate=certificate, variants=variants)
    return CertifyReport(certificate, variants, publish(content, folder).path)


def _flow(bundle: Bundle) -> Flow:
    if "flow.safetensors" not in bundle.files:
        raise CertificateError(
            f"{bundle.path} has no flow.safetensors to measure its graphs against; fit the model again to get one"
        )
    return flow_from_bytes(bundle.files["flow.safetensors"])


def _lines(certificate: Certificate) -> list[str]:
    checks = [
        f"{check.name:<28} {check.value:9.2e}  <= {check.tolerance:.0e}   {check.rows} rows, {check.about}"
        for check in certificate.checks
    ]
    return checks + [f"{fact.name:<28} {fact.value:9.2e}             {fact.about}" for fact in certificate.facts]
