"""Questions that every client can ask: a face of a flow, a few rows, a way to send them and a way to be answered."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.clients.pool import SEED, SIZE, Pool

MAX_ROWS: Final = 40


@dataclass(frozen=True)
class Question:
    """One call and what must come back.

    Attributes:
        model: the face.
        name: the input.
        values: the input's values.
        datatype: the input's datatype.
        expected: the tensors by name, in the order in which they are asked for.
        binary_in: the input as bytes, not as JSON numbers.
        binary_out: the same for each output.
        parameters: of the request.
    """

    model: str
    name: str
    values: np.ndarray
    datatype: str
    expected: Mapping[str, np.ndarray]
    binary_in: bool
    binary_out: bool
    parameters: Mapping[str, object] = field(default_factory=dict)


def draw(pool: Pool, chance: random.Random) -> Question:
    """Any question about one flow."""
    rows = chance.randint(1, MAX_ROWS)
    start = chance.randint(0, SIZE - rows)
    part = slice(start, start + rows)
    ways = (chance.random() < 0.5, chance.random() < 0.5)
    face = chance.choice(["", "forward", "inverse", "sample"])
    if face == "sample":
        expected = {"x": pool.inverse["x"][part], "log_prob": _of_sample(pool, part), "z": pool.z[part]}
        parameters = {"seed": SEED, "start": start}
        return Question(
            f"{pool.name}.sample", "num_samples", np.array([rows]), "INT64", _some(expected, chance), *ways, parameters
        )
    kind = chance.choice(["FP32", "FP64"])
    dtype = np.float32 if kind == "FP32" else np.float64
    if face == "inverse":
        expected = {name: tensor[part] for name, tensor in pool.inverse.items()}
        return Question(f"{pool.name}.inverse", "z", pool.z[part].astype(dtype), kind, _some(expected, chance), *ways)
    x = pool.x[part].astype(dtype)
    if face == "forward":
        expected = {name: tensor[part] for name, tensor in pool.forward.items()}
        return Question(f"{pool.name}.forward", "x", x, kind, _some(expected, chance), *ways)
    return Question(pool.name, "x", x, kind, {"log_prob": pool.log_prob[part]}, *ways)


def _of_sample(pool: Pool, part: slice) -> np.ndarray:
    # The rows of the pool are that sample, and its scores those of its rows.
    return pool.log_prob[part]


def _some(expected: Mapping[str, np.ndarray], chance: random.Random) -> dict[str, np.ndarray]:
    """One or more of the outputs, in any order."""
    names = chance.sample(list(expected), chance.randint(1, len(expected)))
    return {name: expected[name] for name in names}
