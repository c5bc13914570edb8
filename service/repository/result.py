"""The result of a preflight: whether a version is good, or why it is refused; as JSON for other processes."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
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


@contextlib.contextmanager
def written(results: PreflightResults) -> Iterator[str]:
    """The path of a file with the results, which `read` reads; empty if no file can be written.

    An environment variable or an argument cannot hold the results of many versions.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="diffeo-preflight-", encoding="ascii"))
            file.write(dump(results))
            file.flush()
            path = file.name
        except OSError:
            path = ""
        yield path


def read(path: str) -> PreflightResults:
    """The results in a file; none if it is gone or damaged, and then the versions are checked again."""
    try:
        return parse(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError, TypeError):
        return NO_RESULTS
