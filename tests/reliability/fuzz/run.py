"""Runs a decoder over many inputs in child processes: a crash or a wrong exception is counted and does not end the run.

Feedback guides the small inputs: one that is answered with a new sentence, its digits aside, joins the corpus.
"""

import contextlib
import ctypes
import gc
import json
import random
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from benchmarks.paths import ROOT
from diffeo.service.errors import RequestError

from .decoders import DECODERS
from .inputs import large_input, small_input

# Inputs of one child.
SMALL_BATCH: Final = 50_000
LARGE_BATCH: Final = 200
MAX_CORPUS: Final = 2000
# A slow reader reads no larger input.
MAX_COMPARED: Final = 4096
# Libraries keep some memory for their next call, and the corpus holds at most 8 MB.
MOST_KEPT_BYTES: Final = 48 * 2**20
CHILD_SECONDS: Final = 1200
VALUES: Final = re.compile(r"[0-9]+|'[^']*'")


class Result(NamedTuple):
    """The outcomes of the inputs of a decoder.

    Attributes:
        small: number of small inputs.
        large: number of large inputs.
        decoded: inputs that gave a payload.
        kinds: different answers, numbers aside.
        failures: other exceptions, results that a slow reader does not read, and processes that died or hung; each
            with the seed of its batch.
        next_seed: the seed of the first batch that did not run.
    """

    small: int = 0
    large: int = 0
    decoded: int = 0
    kinds: int = 0
    failures: tuple[str, ...] = ()
    next_seed: int = 0


def run_batch(name: str, small: int, large: int, seed: int, most_mebibytes: int = 64) -> Result:
    """Decode inputs in this process."""
    decoder, rng = DECODERS[name], random.Random(f"{name} {seed}")
    corpus, kinds, failures, decoded = [*decoder.seeds], set[str](), list[str](), 0
    # The first inputs load libraries.
    for content in decoder.seeds:
        with contextlib.suppress(RequestError):
            decoder.decode(content)
    before = _kept_bytes()
    for index in range(small + large):
        content = small_input(decoder, corpus, rng) if index < small else large_input(decoder, rng, most_mebibytes)
        try:
            found = decoder.decode(content)
            if decoder.agrees is not None and len(content) <= MAX_COMPARED and not decoder.agrees(content, found):
                failures.append(f"{name}, seed {seed}, input {index}: another result than that of the slow reader")
            kind = "decoded"
            decoded += 1
        except RequestError as error:
            kind = f"{type(error).__name__} {VALUES.sub('', str(error))}"
        except Exception as error:  # noqa: BLE001  (any other exception is what this searches for)
            failures.append(f"{name}, seed {seed}, input {index}: {error!r}"[:300])
            continue
        if kind not in kinds:
            kinds.add(kind)
            if index < small and len(corpus) < MAX_CORPUS:
                corpus.append(content)
    # The last input may have 64 MiB itself, and what it gave as much again.
    content, found = b"", None
    if (grown := _kept_bytes() - before) > MOST_KEPT_BYTES:
        failures.append(f"{name}, seed {seed}: {grown} bytes stay in memory after {small + large} inputs")
    return Result(small, large, decoded, len(kinds), tuple(failures))


def _kept_bytes() -> int:
    # Resident memory that is in use: free memory of the allocators is given back first.
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def run_in_child(name: str, small: int, large: int, seed: int) -> Result:
    """Decode inputs in a new process; its death is a failure."""
    command = [sys.executable, "-m", "tests.reliability.fuzz", "--batch", name, *map(str, (small, large, seed))]
    try:
        child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        return Result(small, large, failures=(f"{name}, seed {seed}: no end in {CHILD_SECONDS} s",))
    if child.returncode:
        return Result(
            small, large, failures=(f"{name}, seed {seed}: exit code {child.returncode} {child.stderr[-200:]}",)
        )
    done, all_large, decoded, kinds, failures, _ = json.loads(child.stdout)
    return Result(done, all_large, decoded, kinds, tuple(failures))


def added(first: Result, second: Result) -> Result:
    """The sum of two results; of the kinds, the larger."""
    return Result(
        first.small + second.small,
        first.large + second.large,
        first.decoded + second.decoded,
        max(first.kinds, second.kinds),
        first.failures + second.failures,
        max(first.next_seed, second.next_seed),
    )
