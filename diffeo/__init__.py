"""Exact densities and samples of normalizing flows: `fit` a table, and ask a service with `Client`, `AsyncClient`."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffeo.client.async_client import AsyncClient
    from diffeo.client.client import Client
    from diffeo.fitting import fit

__all__ = ["AsyncClient", "Client", "fit"]

MODULES: Final = {
    "AsyncClient": "diffeo.client.async_client", "Client": "diffeo.client.client", "fit": "diffeo.fitting",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # Each is imported at its first use: the command line and the service need no httpx, and a client no torch.
    if name not in MODULES:
        raise AttributeError(f"module 'diffeo' has no attribute {name!r}")
    return getattr(import_module(MODULES[name]), name)
