"""Measures the memory of an engine call, and refuses a graph that takes much more than its analysis proved.

The analysis counts the tensors that are needed at the same time in the order of the nodes. The runtime chooses another
order, so only a call shows how many it keeps.
"""

import contextlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diffeo.bundle.errors import GraphRefused
from diffeo.bundle.manifest import FileName
from diffeo.runtime.engines.engine import Engine
from diffeo.runtime.finite_rows import Rows

# Operators need memory of their own beside their tensors: copies in another order of the axes, parts of a product.
FACTOR: Final = 2
# What the runtime takes for itself, whatever the graph.
SLACK_BYTES: Final = 64 * 2**20
# In the second call of a size, the runtime takes the memory of all tensors as one block.
CALLS: Final = 2
# getrusage counts kibibytes on Linux and bytes on macOS.
MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
STATUS: Final = Path("/proc/self/status")
# Linux sets the peak of the memory to its present size when this file gets a 5: man 5 proc.
RESET: Final = Path("/proc/self/clear_refs")


def check(file: FileName, engine: Engine, source: str, rows: Rows, row_bytes: int) -> None:
    """Compute the rows, and compare the growth of this process with what was proved.

    Args:
        file: name of the graph, for errors.
        engine: the graph, with an engine that keeps no memory of earlier calls.
        source: name of the input of the graph.
        rows: the rows of one call.
        row_bytes: proved for each row.

    Raises:
        GraphRefused: the call takes more than FACTOR times the proved bytes and SLACK_BYTES.
        EngineFailed: the graph does not run.
    """
    # What the engine prepares in its first call is no memory of a row.
    engine.run({source: rows[:1]})
    proved = row_bytes * len(rows)
    for _ in range(CALLS):
        taken = growth(lambda: engine.run({source: rows}))
        if taken > FACTOR * proved + SLACK_BYTES:
            raise GraphRefused(
                f"{file} takes {taken} bytes of memory for a call of {len(rows)} rows; its tensors need {proved} bytes "
                f"in the order of its nodes, and at most {FACTOR} times that and {SLACK_BYTES} bytes are allowed"
            )


def growth(call: Callable[[], object]) -> int:
    """Bytes by which the memory of this process grew at most while it called; 0 if an earlier peak hides that."""
    with contextlib.suppress(OSError):
        RESET.write_text("5", encoding="ascii")
    old_peak = _peak()
    before = _status("VmRSS") or old_peak
    call()
    peak = _peak()
    return max(0, peak - before) if peak > old_peak else 0


def _peak() -> int:
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def _status(name: str) -> int | None:
    """The bytes in one line of the status of this process; None on a system that has no such file or line."""
    try:
        lines = STATUS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
