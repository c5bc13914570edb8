"""The result of a preflight: whether a version is good, or why it is refused; as JSON for other processes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .scan import Fingerprint, VersionKey


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The result of one version.

    Attributes:
        fingerprint: of the files that were checked.
        reason: why the version is refused; None if it is good.
        can_pass: True if the reason can pass by itself, so that the version is checked again later.
        digest: sha256 of the manifest that was checked; None if the version is refused or the digest is not known.
    """

    fingerprint: Fingerprint
    reason: str | None
    can_pass: bool = False
    digest: str | None = None


PreflightResults = Mapping[VersionKey, PreflightResult]
NO_RESULTS: Final[PreflightResults] = MappingProxyType({})


def dump(results: PreflightResults) -> str:
    """The results as JSON, for another process."""
    return json.dumps([[*key, one.fingerprint, one.reason, one.can_pass, one.digest] for key, one in results.items()])


def parse(text: str) -> PreflightResults:
    """The results that `dump` wrote."""
    return {
        (name, version): PreflightResult(
            tuple((str(file), *numbers) for file, *numbers in fingerprint), reason, can_pass, digest
        )
        for name, version, fingerprint, reason, can_pass, digest in json.loads(text)
    }
