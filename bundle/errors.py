"""Why a bundle was refused; each class is one fact, its message one sentence for the person who has to act.

BundleError
├── BundleMissing      no bundle folder at this path
├── VersionExists      the version to be written is there already
├── UnsafeFile         a link, a device, a stray or an oversized file
├── ManifestInvalid    manifest.json breaks the schema
├── DigestMismatch     bytes differ from what the manifest or its seal states
├── GraphRefused       an ONNX file holds something a flow graph may not hold
├── GoldenInvalid      golden.npy has another shape or type than the manifest implies
├── GoldenDisagrees    a runtime computes other numbers than the golden vectors
└── Uncertified        the certificate lacks a check or a figure is out of tolerance
"""

from collections.abc import Iterable
from typing import Final

SHOWN_CHARACTERS: Final = 160


class BundleError(Exception):
    """A folder that is not a valid bundle."""


class BundleMissing(BundleError):
    """No bundle folder at this path."""


class VersionExists(BundleError):
    """The version to be written is there already; versions never change once published."""


class UnsafeFile(BundleError):
    """A link, a device, a stray or an oversized file."""


class ManifestInvalid(BundleError):
    """manifest.json breaks the schema."""


class DigestMismatch(BundleError):
    """Bytes differ from what the manifest or its seal states."""


class GraphRefused(BundleError):
    """An ONNX file holds something a flow graph may not hold."""


class GoldenInvalid(BundleError):
    """golden.npy has another shape or type than the manifest implies."""


class GoldenDisagrees(BundleError):
    """A runtime computes other numbers than the golden vectors."""


class Uncertified(BundleError):
    """The certificate lacks a check or a figure is out of tolerance."""


def listed(names: Iterable[object]) -> str:
    """Names joined with commas for an error sentence, cut after SHOWN_CHARACTERS."""
    text = ", ".join(map(str, names))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS].rpartition(', ')[0]}, ..."
