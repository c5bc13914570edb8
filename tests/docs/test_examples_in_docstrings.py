"""Runs the examples in the docstrings of the public modules and compares their results with the shown ones."""

import doctest
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from diffeo import AsyncClient, Client, adapters, bulk, client, local, tables
from tests.given.servers.server_process import Server

ROOT = Path(__file__).parents[2]
ROOMS = (client, local, adapters, tables, bulk)
# Ray is an optional extra.
WITHOUT_EXAMPLES = {"diffeo.bulk.ray_executor"}
MODULES = [
    "diffeo.density",
    *(
        module.name
        for room in ROOMS
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
        if module.name not in WITHOUT_EXAMPLES
    ),
]
# The modules whose classes and functions a user calls by name; each must have an example.
PUBLIC = {
    "diffeo.client.client",
    "diffeo.client.async_client",
    "diffeo.local.model",
    "diffeo.tables.arrays",
    "diffeo.tables.cells",
    "diffeo.tables.columns",
    "diffeo.tables.csv",
    "diffeo.adapters.scipy",
    "diffeo.adapters.sklearn",
    "diffeo.adapters.torch",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server over the repository's models."""
    running = Server(ROOT / "models")
    yield running.url
    running.stop()


def examples(module: ModuleType, names: dict[str, object]) -> list[doctest.DocTest]:
    """The docstrings of a module that have examples, with these names defined beside its own."""
    return [test for test in doctest.DocTestFinder().find(module, extraglobs=names) if test.examples]


def test_every_public_module_is_listed_and_has_an_example_that_runs() -> None:
    assert set(MODULES) >= PUBLIC
    for name in PUBLIC:
        found = [example for test in examples(import_module(name), {}) for example in test.examples]
        assert found, f"{name} has no example"
        assert not any(doctest.SKIP in example.options for example in found), f"{name} skips an example"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_show(name: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # The examples name the default address; here they connect to the server of this test.
    clients: dict[str, object] = {
        "Client": lambda _: Client(server),
        "AsyncClient": lambda _: AsyncClient(server),
    }
    output: list[str] = []
    runner = doctest.DocTestRunner()
    for test in examples(import_module(name), clients):
        runner.run(test, out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)
