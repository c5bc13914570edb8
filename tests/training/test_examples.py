"""The examples in the docstrings of training run and give the results that they show."""

import doctest
import importlib
import pkgutil

import pytest

from diffeo import training

MODULES = [
    module.name
    for module in pkgutil.walk_packages(training.__path__, "diffeo.training.")
    if not module.name.startswith("diffeo.training.study")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_public_functions_of_a_flow_have_examples() -> None:
    module = importlib.import_module("diffeo.training.flows.flow")
    found = {
        test.name.removeprefix("diffeo.training.flows.flow.")
        for test in doctest.DocTestFinder().find(module)
        if test.examples
    }
    assert found >= {"Flow", "Flow.inverse", "Flow.log_prob"}
