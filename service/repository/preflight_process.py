"""Starts a process that loads versions, and asks it for one version at a time.

That process runs graphs that nobody has checked yet, so nothing that it does may harm this one: every end, every
silence and every byte from it is one of four errors.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from diffeo.bundle.proof import Proof

from ..settings import Settings
from .scan import VersionKey

COMMAND: Final = (sys.executable, "-P", "-m", "diffeo.service.repository.preflight_child")
# The process imports the runtime; on a busy machine that takes seconds.
START_SECONDS: Final = 60.0
# Between the end of its reports and the end of the process.
END_SECONDS: Final = 2.0
# A reason has at most 400 characters.
MAX_LINE_BYTES: Final = 16 * 1024
# Each thread of the process would reserve address space of its own for small objects. Large blocks go back to Linux
# when they are freed, so memory of an earlier version does not hide what a call takes.
ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**20)}
# The signals that a process gets for what its own code did.
CRASHES: Final = frozenset(
    {
        signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS
    }
)  # fmt: skip


class ProcessError(Exception):
    """The process gave no result for a version."""


class NotStarted(ProcessError):
    """The process could not start; no fault of a version."""


class Killed(ProcessError):
    """Another process killed it, or the machine had no memory left; no fault of the version."""


class TimedOut(ProcessError):
    """The version took too long."""


class TooExpensive(ProcessError):
    """The version took too much processor time."""


class Crashed(ProcessError):
    """The process ended by itself, or sent something that is no report."""


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of the process about one version.

    Attributes:
        reason: why the version is refused; None if it is good.
        can_pass: True if the reason can pass by itself.
        proof: what was proved; None if the version is refused or was not loaded.
    """

    reason: str | None
    can_pass: bool
    proof: Proof | None


class PreflightProcess:
    """One running process. `start` makes it.

    Attributes:
        checked: number of versions that it has loaded.
    """

    def __init__(
        self, child: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.checked = 0
        self._used_before = 0.0
        self._child = child
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Start a process and wait until it has imported what it needs.

        Raises:
            NotStarted: it could not start, or ended before it was ready.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise NotStarted(f"the process that loads it could not start ({error.strerror})") from None
        try:
            nowhere = asyncio.subprocess.DEVNULL
            child = await asyncio.create_subprocess_exec(
                *COMMAND, str(theirs.fileno()), stdin=nowhere, stdout=nowhere, stderr=nowhere,
                pass_fds=(theirs.fileno(),), env={**os.environ, **ENVIRONMENT},
            )  # fmt: skip
        except (OSError, RuntimeError) as error:
            ours.close()
            raise NotStarted(f"the process that loads it could not start ({error})") from None
        finally:
            theirs.close()
        process = cls(child, *await asyncio.open_unix_connection(sock=ours, limit=MAX_LINE_BYTES))
        try:
            async with asyncio.timeout(START_SECONDS):
                await process._write(json.dumps(settings.model_dump(mode="json")))
                if await process._read() == child.pid:
                    return process
                end = _end(await process.stop())
        except TimeoutError:
            await process.stop()
            end = f"no answer within {START_SECONDS:g} seconds"
        except BaseException:
            await process.stop()
            raise
        raise NotStarted(f"the process that loads it could not start ({end})")

    async def check(self, key: VersionKey, seconds: float) -> Report:
        """Load one version.

        After an error the process has ended.

        Args:
            key: the version.
            seconds: how long it may take.

        Raises:
            TimedOut: it took longer.
            TooExpensive: it took too much processor time.
            Killed: another process killed this one, or the machine had no memory left.
            Crashed: the process ended, or sent something that is no report.
        """
        self.checked += 1
        self._used_before = _processor_seconds(self._child.pid)
        try:
            async with asyncio.timeout(seconds):
                await self._write(json.dumps(key))
                report = _report(key, await self._read())
        except TimeoutError:
            await self.stop()
            raise TimedOut(f"its graphs were not loaded within {seconds:g} seconds") from None
        except BaseException:
            await self.stop()
            raise
        if report is not None:
            return report
        ended = self._reader.at_eof()
        code = await self.stop()
        raise _error(code) if ended else Crashed("the process that loaded its graphs sent something that is no report")

    @property
    def used_seconds(self) -> float:
        """Processor time that the version which it loads has taken."""
        return _processor_seconds(self._child.pid) - self._used_before

    async def stop(self) -> int:
        """End the process; its exit code. If it is ending by itself, that code is its own."""
        self._writer.close()
        if self._reader.at_eof():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    return await self._child.wait()
        if self._child.returncode is None:
            # asyncio's own kill would collect the exit code of an ended process, and asyncio would then miss it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)
        return await self._child.wait()

    async def _write(self, line: str) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(f"{line}\n".encode("ascii"))
            await self._writer.drain()

    async def _read(self) -> object:
        """The next line as JSON; None at the end, or if the line is too long or no JSON."""
        try:
            return json.loads(await self._reader.readline())
        except (ValueError, RecursionError, ConnectionError):
            return None


def _processor_seconds(pid: int) -> float:
    try:
        # The name of the command comes first, in brackets, and may hold any character.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _report(key: VersionKey, answer: object) -> Report | None:
    """The report on this version; None if the answer is anything else."""
    match answer:
        case [name, version, reason, bool(can_pass), None] if (name, version) == key:
            if isinstance(reason, str | None):
                return Report(reason, can_pass, None)
        case [name, version, None, False, [str(digest), int(row_bytes)]] if (name, version) == key:
            return Report(None, can_pass=False, proof=Proof(digest, row_bytes))
    return None


def _error(code: int) -> ProcessError:
    end = _end(code)
    if -code == signal.SIGXCPU:
        return TooExpensive("its graphs needed more processor time than a preflight may take")
    if code < 0 and -code not in CRASHES:
        return Killed(f"the process that loaded its graphs was killed ({end})")
    return Crashed(f"its graphs ended the process that loaded them ({end})")


def _end(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
