"""Errors of bundles. Each message is one sentence: the problem, and the expected value.

BundleError
├── BundleMissing      no bundle folder at this path
├── VersionExists      the version already exists
├── NoVersionLeft      the model already has the largest version number
├── UnsafeFile         a link, a device, or a file that the manifest does not name
├── ManifestInvalid    manifest.json breaks the schema
├── DigestMismatch     a file is missing, or its size or SHA-256 differs from the manifest or the seal
├── GraphRefused       an ONNX file has content that is not allowed in the graph of a flow
├── BaseInvalid        base.npy holds no mixture of Gaussians
├── CalibrationInvalid a file of the calibration sample holds something else
├── GoldenInvalid      golden.npy has another shape or type than the manifest implies
├── GoldenDisagrees    a runtime computes other numbers than the golden vectors
├── GraphsDisagree     two graphs do not compute one density, or a row depends on its batch
└── Uncertified        the certificate lacks a check, or a measurement is out of tolerance
"""

from collections.abc import Iterable
from typing import Final

SHOWN_CHARACTERS: Final = 160


class BundleError(Exception):
    """A folder that is not a valid bundle."""


class BundleMissing(BundleError):
    """No bundle folder at this path."""


class VersionExists(BundleError):
    """The version already exists; a published version never changes."""


class NoVersionLeft(BundleError):
    """The model already has the largest version number."""


class UnsafeFile(BundleError):
    """A link, a device, or a file that the manifest does not name."""


class ManifestInvalid(BundleError):
    """manifest.json breaks the schema."""


class DigestMismatch(BundleError):
    """A file is missing, or its size or SHA-256 differs from the manifest or the seal."""


class GraphRefused(BundleError):
    """An ONNX file has content that is not allowed in the graph of a flow."""


class BaseInvalid(BundleError):
    """base.npy holds no mixture of Gaussians."""


class CalibrationInvalid(BundleError):
    """A file of the calibration sample holds something else."""


class GoldenInvalid(BundleError):
    """golden.npy has another shape or type than the manifest implies."""


class GoldenDisagrees(BundleError):
    """A runtime computes other numbers than the golden vectors."""


class GraphsDisagree(BundleError):
    """Two graphs do not compute one density, or a row depends on its batch."""


class Uncertified(BundleError):
    """The certificate lacks a check, or a measurement is out of tolerance."""


def listed(names: Iterable[object]) -> str:
    """Names joined with commas for an error sentence, cut after SHOWN_CHARACTERS."""
    text = ", ".join(map(str, names))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS].rpartition(', ')[0]}, ..."
