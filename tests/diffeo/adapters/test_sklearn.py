"""A flow is an outlier detector of scikit-learn: its own checks pass, but for those that no fitted density can pass."""

import affine
import numpy as np
import pytest
from normal import Normal
from sklearn.utils.estimator_checks import estimator_checks_generator

from diffeo.adapters.sklearn import FlowDensity
from diffeo.local import open_model

X = affine.inverse(np.random.default_rng(1).normal(size=(400, 2)))


def checks() -> list[object]:
    return [
        pytest.param(check, id=getattr(check, "func", check).__name__ + str(getattr(check, "keywords", "")))
        for _, check in estimator_checks_generator(FlowDensity(Normal(2)))
    ]


@pytest.mark.parametrize("check", checks())
def test_scikit_learns_own_checks(check: object) -> None:
    check(FlowDensity(open_model(affine.DATA, "affine2d", None)))
