"""The further rows of a check come in steps that are short in any number of columns, up to one total."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from diffeo.bundle import agreement, base
from diffeo.bundle.golden import Golden

MOST = 5000
SEED = "1" * 64


def forward(x: npt.NDArray[np.floating]) -> agreement.Tensors:
    return {"z": x, "log_abs_det_jacobian": np.zeros(len(x), np.float32), "log_prob": base.log_prob(x)}


def inverse(z: npt.NDArray[np.floating]) -> agreement.Tensors:
    return {"x": z, **{name: values for name, values in forward(z).items() if name != "z"}}


@pytest.mark.parametrize(("dimension", "step"), [(1, 4096), (64, 4096), (100, 2621), (1024, 256), (2000, 256)])
def test_a_step_of_further_rows_has_fewer_rows_in_many_columns(
    monkeypatch: pytest.MonkeyPatch, dimension: int, step: int
) -> None:
    x = np.random.default_rng(0).normal(size=(32, dimension))
    golden = Golden(x, x, np.zeros(32), base.log_prob(x), base.StandardNormal(x.shape[1]))
    draw, counts = base.draw, [0]

    def counted(seed: int, start: int, count: int, width: int, temperature: float = 1.0) -> base.Rows:
        if seed == int(SEED[24:36], 16) and start == sum(counts):
            counts.append(count)
        return draw(seed, start, count, width, temperature)

    monkeypatch.setattr(agreement, "MOST_FURTHER_ROWS", MOST)
    agreement.check(forward, inverse, golden, "float32", SEED, 0.0)
    monkeypatch.setattr(base, "draw", counted)
    agreement._check_further(forward, inverse, golden, "float32", int(SEED[24:36], 16), math.inf)  # noqa: SLF001
    assert max(counts) == step
    assert sum(counts) == MOST
