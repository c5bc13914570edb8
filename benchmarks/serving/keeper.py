"""Runs one command and takes everything it started down with it: `python keeper.py COMMAND...`.

What the command leaves behind becomes the keeper's own child (a subreaper of Linux), so whatever a server starts stays
below its keeper. The tree ends when the command ends, when the keeper is told to (SIGTERM), and when whoever started
the keeper dies, however that happens.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final, NoReturn

import tree

SET_PARENT_DEATH_SIGNAL: Final = 1  # prctl(2)
SET_CHILD_SUBREAPER: Final = 36
GRACE_SECONDS: Final = 10.0  # PyTriton takes five to give back what it shares
POLL_SECONDS: Final = 0.02


def main() -> None:
    """Start the command, wait for it, end what is left."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, leave)
    prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    # A group of its own: a server that signals its whole group at its end does not mean its keeper.
    command = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, setpgroup=0)
    try:
        while os.wait()[0] != command:
            pass
    finally:
        ask(command)
        kill_rest()


def leave(*_: object) -> NoReturn:
    """SIGTERM: unwind, which ends the tree; a second one must not cut that short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def ask(command: int) -> None:
    """Let the command end in its own way, if it does so in time."""
    deadline = time.monotonic() + GRACE_SECONDS
    # A command that has ended and been waited for has no entry any more, and its number is not used again so soon.
    with suppress(ProcessLookupError):
        os.kill(command, signal.SIGTERM)
        while time.monotonic() < deadline:
            reap()
            os.kill(command, 0)
            time.sleep(POLL_SECONDS)


def kill_rest() -> None:
    """Again until nothing is left: what is being started meanwhile is found the next time."""
    while reap():
        for pid in tree.below(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def reap() -> bool:
    """Wait for what has ended already; true while something has not."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main()
