"""Random calls that every client can make: a model of the protocol, rows, and the formats of request and response."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.clients.pool import SEED, SIZE, Pool

MAX_ROWS: Final = 40


@dataclass(frozen=True)
class Question:
    """One call and its expected answer.

    Attributes:
        model: the name of the model in the protocol, for example `moons.inverse`.
        name: name of the input.
        values: values of the input.
        datatype: datatype of the input.
        expected: expected output tensors by name, in the requested order.
        binary_in: whether the input is sent as bytes instead of JSON numbers.
        binary_out: whether each output is requested as bytes.
        parameters: parameters of the request.
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
    """A random call about one flow."""
    rows = chance.randint(1, MAX_ROWS)
    start = chance.randint(0, SIZE - rows)
    chosen = slice(start, start + rows)
    binary = (chance.random() < 0.5, chance.random() < 0.5)
    kind_of_model = chance.choice(["", "forward", "inverse", "sample"])
    if kind_of_model == "sample":
        # The rows of the pool are this sample, so their log_prob is that of the pool.
        expected = {"x": pool.inverse["x"][chosen], "log_prob": pool.log_prob[chosen], "z": pool.z[chosen]}
        parameters = {"seed": SEED, "start": start}
        return Question(
            f"{pool.name}.sample",
            "num_samples",
            np.array([rows]),
            "INT64",
            _random_outputs(expected, chance),
            *binary,
            parameters,
        )
    datatype = chance.choice(["FP32", "FP64"])
    dtype = np.float32 if datatype == "FP32" else np.float64
    if kind_of_model == "inverse":
        expected = {name: tensor[chosen] for name, tensor in pool.inverse.items()}
        return Question(
            f"{pool.name}.inverse",
            "z",
            pool.z[chosen].astype(dtype),
            datatype,
            _random_outputs(expected, chance),
            *binary,
        )
    x = pool.x[chosen].astype(dtype)
    if kind_of_model == "forward":
        expected = {name: tensor[chosen] for name, tensor in pool.forward.items()}
        return Question(f"{pool.name}.forward", "x", x, datatype, _random_outputs(expected, chance), *binary)
    return Question(pool.name, "x", x, datatype, {"log_prob": pool.log_prob[chosen]}, *binary)


def _random_outputs(expected: Mapping[str, np.ndarray], chance: random.Random) -> dict[str, np.ndarray]:
    """One or more of the outputs, in random order."""
    names = chance.sample(list(expected), chance.randint(1, len(expected)))
    return {name: expected[name] for name in names}
