"""Makes inputs for a decoder: mutations of small valid ones, and large ones of repeated units."""

import random
import struct
from typing import Final

from .decoders import Decoder

SIZES: Final = (0, 1, 2**8, 2**16 - 1, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
MUTATIONS: Final = (1, 1, 1, 2, 3, 6)
MAX_SMALL: Final = 4096
BLANK: Final = b" "
PADDED_SHARE: Final = 0.25
MEBIBYTE: Final = 2**20
# A list of 2^24 elements takes at least 32 MiB. One input of sixteen is so large.
LARGE_MEBIBYTES: Final = (*[1] * 14, *[2] * 8, *[4] * 4, *[8] * 3, 16, 34, 64)


def small_input(decoder: Decoder, corpus: list[bytes], rng: random.Random) -> bytes:
    """A mutation of an input of the corpus."""
    content = bytearray(rng.choice(corpus))
    for _ in range(rng.choice(MUTATIONS)):
        _mutate(content, decoder, corpus, rng)
    return bytes(content[:MAX_SMALL])


def large_input(decoder: Decoder, rng: random.Random, most_mebibytes: int = 64) -> bytes:
    """One to 64 MiB: the begin of a seed, repeated units, the end of a seed; sometimes a mix of two units."""
    seed = rng.choice(decoder.seeds)
    cut = rng.randint(0, len(seed))
    size = rng.choice(LARGE_MEBIBYTES)
    size = min(size, most_mebibytes) * MEBIBYTE - len(seed)
    if BLANK in decoder.units and rng.random() < PADDED_SHARE:
        # White space keeps most texts valid, so that the decoder reads to the end.
        return seed[:cut] + BLANK * size + seed[cut:]
    first, second = rng.choice(decoder.units), rng.choice(decoder.units)
    share = rng.choice([1.0, 1.0, 0.5, rng.random()])
    middle = first * int(size * share / len(first)) + second * int(size * (1 - share) / len(second))
    return seed[:cut] + middle + seed[cut:]


def _mutate(content: bytearray, decoder: Decoder, corpus: list[bytes], rng: random.Random) -> None:
    at = rng.randint(0, len(content))
    kind = rng.randint(0, 6)
    if kind == 0 and content:
        content[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == 1:
        content[at:at] = rng.choice(decoder.units) * rng.choice([1, 2, 30])
    elif kind == 2:
        del content[at : at + rng.randint(1, 8)]
    elif kind == 3:
        number = rng.choice(SIZES)
        content[at : at + 8] = struct.pack(rng.choice("<>") + "Q", number)[: rng.choice([2, 4, 8])]
    elif kind == 4:
        content[at:at] = str(rng.choice(SIZES)).encode()
    elif kind == 5:
        other = rng.choice(corpus)
        begin = rng.randint(0, len(other))
        content[at : at + rng.randint(0, 20)] = other[begin : begin + rng.randint(0, 40)]
    else:
        begin = rng.randint(0, len(content))
        content[at:at] = content[begin : begin + rng.randint(0, 40)]
