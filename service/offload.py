"""Limits up to which work runs on the event loop, and `in_thread` for the work above them.

A thread switch for one call costs about 0.1 ms. Work below its limit takes about as long (0.03 to 0.4 ms, depending on
the number of columns), so it runs as a plain call: one comparison, no coroutine. Work above its limit would delay every
other request, so it runs in a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar, TypeVarTuple

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

# Seconds of an engine call. The event loop serves no other request meanwhile, so this stays below the time of one
# chunk; a thread switch adds about a twentieth of it.
COMPUTE_SECONDS: Final = 0.002
# Rows of the base distribution in one draw.
DRAW_ROWS: Final = 256
# Rows to check for numbers that are not finite.
CHECK_ROWS: Final = 16_384
# Bytes of a request body to decode.
DECODE_BYTES: Final = 64 * 1024
# The same, of a format in which each column takes time: such a body may have thousands of columns and one row.
DECODE_TABLE_BYTES: Final = 4 * 1024
# Numbers of an answer to encode.
ENCODE_VALUES: Final = 8 * 1024
# Bytes of an answer that are copied as they are.
COPY_BYTES: Final = 2**20


def in_thread(
    call: Callable[[*Args], Result], *arguments: *Args, executor: Executor | None = None
) -> "asyncio.Future[Result]":
    """Run a call in a thread; await the result.

    Args:
        call: the function.
        arguments: its arguments.
        executor: the threads; None means the default threads of the event loop, which decode and encode bodies.
    """
    return asyncio.get_running_loop().run_in_executor(executor, call, *arguments)
