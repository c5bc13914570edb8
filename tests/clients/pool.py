"""Rows and their answers, as the native API gives them: what every client of the protocol is held to."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Final

import numpy as np

SIZE: Final = 200
SEED: Final = 7
LADJ: Final = "log_abs_det_jacobian"


@dataclass(frozen=True)
class Pool:
    """One flow: rows x, their images z, and what goes with them.

    Attributes:
        tensors: by direction ("forward" takes x, "inverse" takes z), the parts of the answer.
    """

    name: str
    x: np.ndarray
    z: np.ndarray
    log_prob: np.ndarray
    forward: dict[str, np.ndarray]
    inverse: dict[str, np.ndarray]


def fetch(url: str, name: str) -> Pool:
    """The pool of one flow, from the server that will be asked."""
    drawn = _ask(url, "sample", {"model": name, "num_samples": SIZE, "seed": SEED, "return": ["x", "log_prob", "z"]})
    x, z = np.array(drawn["x"], np.float32), np.array(drawn["z"], np.float32)
    forward = _ask(url, "transform", {"model": name, "direction": "forward", "x": x.astype(float).tolist()})
    inverse = _ask(url, "transform", {"model": name, "direction": "inverse", "z": z.astype(float).tolist()})
    scores = _ask(url, "log_prob", {"model": name, "x": x.astype(float).tolist()})
    return Pool(
        name,
        x,
        z,
        np.array(scores["log_prob"], np.float32),
        {part: np.array(forward[part], np.float32) for part in ("z", LADJ)},
        {part: np.array(inverse[part], np.float32) for part in ("x", LADJ)},
    )


def same(actual: np.ndarray, expected: np.ndarray) -> None:
    """The same up to what a batch may change."""
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def _ask(url: str, verb: str, body: dict[str, object]) -> dict[str, object]:
    request = urllib.request.Request(  # noqa: S310  (a server of ours, on this machine)
        f"{url}/{verb}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  (as above)
        return json.load(response)
