"""The result of a preflight: whether a version is good, or why it is refused; as JSON for other processes."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from diffeo.bundle.proof import Proof

from .scan import Fingerprint, VersionKey


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The result of one version.

    Attributes:
        fingerprint: of the files that were checked.
        reason: why the version is refused; None if it is good.
        can_pass: True if the reason can pass by itself, so that the version is checked again later.
        proof: what was proved; None if the version is refused or was not loaded.
        is_loading: True if the check has not ended; `reason` says so.
    """

    fingerprint: Fingerprint
    reason: str | None
    can_pass: bool = False
    proof: Proof | None = None
    is_loading: bool = False


PreflightResults = Mapping[VersionKey, PreflightResult]
# Runs the preflight of one version.
Check = Callable[[VersionKey], Awaitable[PreflightResult]]
NO_RESULTS: Final[PreflightResults] = MappingProxyType({})


def dump(results: PreflightResults) -> str:
    """The results as JSON, for another process."""
    return json.dumps([[*key, *_fields(result)] for key, result in results.items()])


def parse(text: str) -> PreflightResults:
    """The results that `dump` wrote."""
    return {
        (name, version): PreflightResult(
            tuple((str(file), *numbers) for file, *numbers in fingerprint),
            reason,
            can_pass,
            None if proof is None else Proof(*proof),
            is_loading,
        )
        for name, version, fingerprint, reason, can_pass, proof, is_loading in json.loads(text)
    }


def _fields(result: PreflightResult) -> tuple[object, ...]:
    proof = None if result.proof is None else (result.proof.digest, result.proof.row_bytes)
    return result.fingerprint, result.reason, result.can_pass, proof, result.is_loading
