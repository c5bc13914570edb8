"""The examples in the docstrings of the service run and show the right results."""

import doctest
from types import ModuleType

import pytest

from diffeo.service import query, settings
from diffeo.service.observability import logs, shared_counters
from diffeo.service.repository import scan
from diffeo.service.routes.v2 import protocol_model

MODULES = (query, settings, logs, shared_counters, scan, protocol_model)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried > 0
