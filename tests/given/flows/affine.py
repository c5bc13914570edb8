"""tests/data/affine2d by hand: z = (x - (1, -2)) / (2, 4), log|det dz/dx| = -log 8; and bundles made from it."""

import io
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from diffeo.bundle.manifest import Dtype, FileName
from diffeo.bundle.read import read
from diffeo.bundle.write import content_of, write

DATA: Final = Path(__file__).parents[2] / "data"
PATH: Final = DATA / "affine2d/1"
MEAN: Final = np.array([1.0, -2.0])
SCALE: Final = np.array([2.0, 4.0])
LADJ: Final = -math.log(8)


Rows = npt.NDArray[np.float64]


def forward(x: npt.ArrayLike) -> Rows:
    z: Rows = (np.asarray(x, np.float64) - MEAN) / SCALE
    return z


def inverse(z: npt.ArrayLike) -> Rows:
    x: Rows = np.asarray(z, np.float64) * SCALE + MEAN
    return x


def log_prob(x: npt.ArrayLike, temperature: float = 1.0) -> Rows:
    square = (forward(x) ** 2).sum(axis=1)
    nats: Rows = -square / (2 * temperature**2) - 2 * math.log(temperature) - math.log(2 * math.pi) + LADJ
    return nats


def copy_to(models: Path, name: str = "affine2d", version: int = 1) -> Path:
    """The bundle as models/name/version."""
    return Path(shutil.copytree(PATH, models / name / str(version)))


def shifted(path: Path, by: float) -> Path:
    """A valid bundle at `path` whose mean is MEAN + by: log_prob(x - by)."""
    files = read(PATH).files
    vectors = np.load(io.BytesIO(files["golden.npy"]))
    vectors[:, :2] += by
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    change: dict[FileName, bytes | None] = {
        "forward.onnx": _moved(files["forward.onnx"], by),
        "inverse.onnx": _moved(files["inverse.onnx"], by),
        "golden.npy": buffer.getvalue(),
        "forward.ts": None,
        "inverse.ts": None,
    }
    return remake(path, change)


def _moved(graph: bytes, by: float) -> bytes:
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.shape == (2,) and np.array_equal(values, MEAN):
            tensor.CopyFrom(numpy_helper.from_array((values + by).astype(values.dtype), tensor.name))
    return bytes(model.SerializeToString())


def remake(path: Path, change: Mapping[FileName, bytes | None], dtype: Dtype = "float32") -> Path:
    """A valid bundle at `path` with some files exchanged, or left out where None."""
    bundle = read(PATH)
    files = {name: content for name, content in {**bundle.files, **change}.items() if content is not None}
    return write(replace(content_of(bundle), files=files, dtype=dtype), path).path
