"""Reference data: rows and their answers by the native API, which every client must reproduce."""

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
    """One flow: rows x, their images z, and the answers for both.

    Attributes:
        forward: the tensors of the forward transform of x, by name.
        inverse: the tensors of the inverse transform of z, by name.
    """

    name: str
    x: np.ndarray
    z: np.ndarray
    log_prob: np.ndarray
    forward: dict[str, np.ndarray]
    inverse: dict[str, np.ndarray]


def fetch(url: str, name: str) -> Pool:
    """Gets the reference data of one flow from the server that is tested."""
    drawn = _post(url, "sample", {"model": name, "num_samples": SIZE, "seed": SEED, "return": ["x", "log_prob", "z"]})
    x, z = np.array(drawn["x"], np.float32), np.array(drawn["z"], np.float32)
    forward = _post(url, "transform", {"model": name, "direction": "forward", "x": x.astype(float).tolist()})
    inverse = _post(url, "transform", {"model": name, "direction": "inverse", "z": z.astype(float).tolist()})
    scores = _post(url, "log_prob", {"model": name, "x": x.astype(float).tolist()})
    return Pool(
        name,
        x,
        z,
        np.array(scores["log_prob"], np.float32),
        {tensor: np.array(forward[tensor], np.float32) for tensor in ("z", LADJ)},
        {tensor: np.array(inverse[tensor], np.float32) for tensor in ("x", LADJ)},
    )


def same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to the rounding that differs between batches of different size."""
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def _post(url: str, operation: str, body: dict[str, object]) -> dict[str, object]:
    request = urllib.request.Request(  # noqa: S310  (the tested server on this machine)
        f"{url}/{operation}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  (as above)
        answer: dict[str, object] = json.load(response)
    return answer
