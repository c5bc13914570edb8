"""The door: what a person types or imports."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffeo.client.async_client import AsyncClient
    from diffeo.client.client import Client

__all__ = ["AsyncClient", "Client"]

HOMES: Final = {"AsyncClient": "diffeo.client.async_client", "Client": "diffeo.client.client"}


def __getattr__(name: str) -> object:
    # The shell comes through this door too, and needs no HTTP client to serve.
    if name not in HOMES:
        raise AttributeError(f"module 'diffeo' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
