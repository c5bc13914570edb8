"""Settings come from the environment (`DIFFEO_*`) or the command line; every one has a safe default."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import SettingsInvalid


def _names(value: object) -> object:
    # The environment holds one string: "cuda,cpu".
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


Provider = Literal["cpu", "cuda"]
Providers = Annotated[tuple[Provider, ...], NoDecode, BeforeValidator(_names), Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]


def usable_cores() -> int:
    """Cores that this process may run on, which in a container are fewer than the host's."""
    return len(os.sched_getaffinity(0))


class Settings(BaseSettings):
    """How the service runs; `DIFFEO_PORT=9000` sets `port`."""

    model_config = SettingsConfigDict(env_prefix="DIFFEO_", frozen=True, extra="ignore")

    models: Path = Path("models")
    """The repository: a folder of NAME/VERSION/ bundles."""
    default_model: str | None = None
    """The model for requests that name none; a repository with one model needs no default."""

    host: str = "127.0.0.1"
    """Address to listen on; this machine only, unless told otherwise."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""

    engine: Literal["onnx", "torchscript"] = "onnx"
    """Runtime that computes the graphs; torchscript needs torch and a bundle that has .ts files."""
    execution_providers: Providers = ("cpu",)
    """Execution providers in order of preference: cpu, cuda."""
    threads: Positive = Field(default_factory=usable_cores)
    """Chunks computed at the same time; each runs on one core."""
    chunk_rows: Positive = 1024
    """Rows per call of an engine; more than about a thousand leave the cache and go slower."""

    max_body_bytes: Positive = 64 * 2**20
    """Largest request body."""
    max_rows: Positive = 1_000_000
    """Most rows in one log_prob or transform request."""
    max_num_samples: Positive = 10_000_000
    """Most rows in one sample request."""
    max_json_samples: Positive = 1_000_000
    """Most rows in one sample request answered as JSON, which cannot be streamed."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""


def settle(given: Mapping[str, object]) -> Settings:
    """The settings of the environment, with what is given on top.

    Raises:
        SettingsInvalid: naming each setting that does not fit, as the variable that sets it.
    """
    try:
        return Settings.model_validate({**given})
    except ValidationError as error:
        faults = [f"DIFFEO_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsInvalid("; ".join(faults)) from None
