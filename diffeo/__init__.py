"""Exact densities and samples of normalizing flows: `Client` and `AsyncClient` of a diffeo service."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffeo.client.async_client import AsyncClient
    from diffeo.client.client import Client

__all__ = ["AsyncClient", "Client"]

MODULES: Final = {"AsyncClient": "diffeo.client.async_client", "Client": "diffeo.client.client"}


def __getattr__(name: str) -> object:
    # The clients are imported at their first use, because the command line and the service do not need httpx.
    if name not in MODULES:
        raise AttributeError(f"module 'diffeo' has no attribute {name!r}")
    return getattr(import_module(MODULES[name]), name)
