"""A version is tried in a process of its own first, so that a graph that kills the runtime kills nothing else.

The process reads keys from its standard input and tells a line for each: what is wrong with it, or nothing.
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
from .repository import Refused
from .scan import Key, Mark

# A version that loads does so in seconds; for longer than this nobody waits for one that may never.
TRIAL_SECONDS: Final = 60.0
COMMAND: Final = (sys.executable, "-P", "-m", "diffeo.service.repository.preflight")


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """What a trial found: a fault, or none, of the files that had this mark."""

    mark: Mark
    fault: str | None


PreflightResults = Mapping[Key, PreflightResult]


def dump(verdicts: PreflightResults) -> str:
    """PreflightResults as text, for another process."""
    return json.dumps([[*key, verdict.mark, verdict.fault] for key, verdict in verdicts.items()])


def parse(text: str) -> PreflightResults:
    """What `dump` made."""
    return {
        (name, version): PreflightResult(tuple((str(file), *numbers) for file, *numbers in mark), fault)
        for name, version, mark, fault in json.loads(text)
    }


async def try_out(settings: Settings, keys: Sequence[Key], known: PreflightResults | None = None) -> PreflightResults:
    """A verdict on each key.

    Args:
        settings: those that the versions are to be served with.
        keys: versions in the folder of the settings.
        known: verdicts of before; one whose files are the same is not asked for again.
    """
    before = {key: scan.mark(settings.models, key) for key in keys}
    found = {key: known[key] for key in keys if known and key in known and known[key].mark == before[key]}
    while left := [key for key in keys if key not in found]:
        told, end = await _trial(settings, left)
        found |= {key: PreflightResult(before[key], fault) for key, fault in told.items()}
        if left := [key for key in left if key not in found]:
            # The process told of each before the next: this is the one that it ended on.
            found[left[0]] = PreflightResult(before[left[0]], end)
    return found


async def _trial(settings: Settings, keys: Sequence[Key]) -> tuple[dict[Key, str | None], str]:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    told: dict[Key, str | None] = {}
    end = f"its graphs were not loaded within {TRIAL_SECONDS:g} seconds"
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            await _tell(child, settings, keys)
            async for name, version, fault in _lines(child):
                told[name, version] = fault
            end = _death(await child.wait())
    except TimeoutError:
        pass
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return told, end


async def _tell(child: asyncio.subprocess.Process, settings: Settings, keys: Sequence[Key]) -> None:
    if child.stdin is not None:
        with contextlib.suppress(ConnectionError):
            child.stdin.write(json.dumps({"settings": settings.model_dump(mode="json"), "keys": keys}).encode())
            await child.stdin.drain()
        child.stdin.close()


async def _lines(child: asyncio.subprocess.Process) -> AsyncIterator[tuple[str, int, str | None]]:
    if child.stdout is not None:
        async for line in child.stdout:
            name, version, fault = json.loads(line)
            yield name, version, fault


def _death(code: int) -> str:
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its graphs ended the process that tried them ({cause})"


def main() -> None:
    """Try what standard input names, a line on standard output for each."""
    told = json.load(sys.stdin)
    settings = Settings.model_validate_json(json.dumps(told["settings"]))
    with ThreadPoolExecutor(1) as executor:
        for name, version in told["keys"]:
            print(json.dumps([name, version, _fault(settings, (name, version), executor)]), flush=True)  # noqa: T201


def _fault(settings: Settings, key: Key, executor: Executor) -> str | None:
    try:
        entry = repository.load_version(settings, key, executor)
    except (ServiceError, EngineError):
        # No fault of the version: who serves it meets the same, and says so.
        return None
    return entry.reason if isinstance(entry, Refused) else None


if __name__ == "__main__":
    main()
