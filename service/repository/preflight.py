"""Preflight: loads each version in a separate process first, because a bad graph can kill the process that loads it.

That process reads the settings and the versions from its standard input. It prints one JSON line for each version:
name, version, and the reason to refuse it or null.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from diffeo.runtime.errors import EngineError

from ..errors import ServiceError
from ..settings import Settings
from . import repository, scan
from .repository import RefusedVersion
from .scan import Fingerprint, VersionKey

# A good version loads in seconds, so a version that needs longer is refused.
TIME_LIMIT_SECONDS: Final = 60.0
COMMAND: Final = (sys.executable, "-P", "-m", "diffeo.service.repository.preflight")


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The result of one version.

    Attributes:
        fingerprint: of the files that were checked.
        reason: why the version is refused; None if it is good.
    """

    fingerprint: Fingerprint
    reason: str | None


PreflightResults = Mapping[VersionKey, PreflightResult]


def dump(results: PreflightResults) -> str:
    """The results as JSON, for another process."""
    return json.dumps([[*key, result.fingerprint, result.reason] for key, result in results.items()])


def parse(text: str) -> PreflightResults:
    """The results that `dump` wrote."""
    return {
        (name, version): PreflightResult(tuple((str(file), *numbers) for file, *numbers in fingerprint), reason)
        for name, version, fingerprint, reason in json.loads(text)
    }


async def check(
    settings: Settings, keys: Sequence[VersionKey], known: PreflightResults | None = None
) -> PreflightResults:
    """Check versions of the repository folder.

    Args:
        settings: how the versions will be served.
        keys: the versions.
        known: earlier results; a version whose files are unchanged is not checked again.
    """
    before = {key: scan.fingerprint(settings.models, key) for key in keys}
    results = {key: known[key] for key in keys if known and key in known and known[key].fingerprint == before[key]}
    while left := [key for key in keys if key not in results]:
        reasons, process_end = await _run_process(settings, left)
        results |= {key: PreflightResult(before[key], reason) for key, reason in reasons.items()}
        if left := [key for key in left if key not in results]:
            # The process reports the versions in order, so it ended while it loaded the first one without a report.
            results[left[0]] = PreflightResult(before[left[0]], process_end)
    return results


async def _run_process(settings: Settings, keys: Sequence[VersionKey]) -> tuple[dict[VersionKey, str | None], str]:
    """The reasons that one process reported before it ended, and how it ended."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    reasons: dict[VersionKey, str | None] = {}
    end = f"its graphs were not loaded within {TIME_LIMIT_SECONDS:g} seconds"
    try:
        async with asyncio.timeout(TIME_LIMIT_SECONDS):
            await _send(child, settings, keys)
            async for name, version, reason in _reports(child):
                reasons[name, version] = reason
            end = _exit_reason(await child.wait())
    except TimeoutError:
        pass
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return reasons, end


async def _send(child: asyncio.subprocess.Process, settings: Settings, keys: Sequence[VersionKey]) -> None:
    if child.stdin is not None:
        with contextlib.suppress(ConnectionError):
            child.stdin.write(json.dumps({"settings": settings.model_dump(mode="json"), "keys": keys}).encode())
            await child.stdin.drain()
        child.stdin.close()


async def _reports(child: asyncio.subprocess.Process) -> AsyncIterator[tuple[str, int, str | None]]:
    if child.stdout is not None:
        async for line in child.stdout:
            name, version, reason = json.loads(line)
            yield name, version, reason


def _exit_reason(code: int) -> str:
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its graphs ended the process that loaded them ({cause})"


def main() -> None:
    """Load the versions that standard input names, and print one line for each."""
    task = json.load(sys.stdin)
    settings = Settings.model_validate_json(json.dumps(task["settings"]))
    with ThreadPoolExecutor(1) as executor:
        for name, version in task["keys"]:
            print(json.dumps([name, version, _refusal(settings, (name, version), executor)]), flush=True)  # noqa: T201


def _refusal(settings: Settings, key: VersionKey, executor: Executor) -> str | None:
    try:
        entry = repository.load_version(settings, key, executor)
    except (ServiceError, EngineError):
        # Not an error of the version: the service meets the same error when it loads the version, and reports it.
        return None
    return entry.reason if isinstance(entry, RefusedVersion) else None


if __name__ == "__main__":
    main()
