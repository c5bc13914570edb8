"""Errors of the engines.

EngineError
├── ProviderMissing    this machine or installation lacks the execution provider that the options name
└── EngineFailed       the runtime could not load or compute a graph
"""


class EngineError(Exception):
    """An engine cannot be used."""


class ProviderMissing(EngineError):
    """This machine or installation lacks the execution provider that the options name."""


class EngineFailed(EngineError):
    """The runtime could not load or compute a graph."""
