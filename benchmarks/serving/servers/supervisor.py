"""Runs one command in a folder and ends all of its descendants.

`python -m benchmarks.serving.servers.supervisor FOLDER COMMAND...`

The supervisor is a Linux subreaper: orphaned descendants become its children, so every process that the server starts
stays below it. It ends all of them when the command ends, on SIGTERM, and when its own parent dies.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final, NoReturn

from benchmarks import process_tree

SET_PARENT_DEATH_SIGNAL: Final = 1  # prctl(2)
SET_CHILD_SUBREAPER: Final = 36
GRACE_SECONDS: Final = 10.0  # PyTriton takes five seconds to release its shared memory
POLL_SECONDS: Final = 0.02


def main() -> None:
    """Start the command in the folder, wait for its end, then end its remaining descendants."""
    folder, *command = sys.argv[1:]
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, exit_on_signal)
    prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    os.chdir(folder)
    # A separate process group: some servers signal their whole group at the end, which must not reach the supervisor.
    pid = os.posix_spawnp(command[0], command, os.environ, setpgroup=0)
    try:
        while os.wait()[0] != pid:
            pass
    finally:
        terminate(pid)
        kill_descendants()


def exit_on_signal(*_: object) -> NoReturn:
    """Handles SIGTERM: raises SystemExit, and ignores further signals so that the cleanup completes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def terminate(pid: int) -> None:
    """Sends SIGTERM and waits at most GRACE_SECONDS for the process to end."""
    deadline = time.monotonic() + GRACE_SECONDS
    # A process that has ended and was waited for has no entry any more. Linux does not reuse its id this soon.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            reap()
            os.kill(pid, 0)
            time.sleep(POLL_SECONDS)


def kill_descendants() -> None:
    """Sends SIGKILL until no descendant is left. The next turn finds processes that were started meanwhile."""
    while reap():
        for pid in process_tree.descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def reap() -> bool:
    """Waits for children that have ended already. Returns whether any child is still running."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main()
