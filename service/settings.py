"""Settings come from the environment (`DIFFEO_*`) or the command line; every one has a safe default."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from diffeo.runtime.cores import usable_cores
from diffeo.runtime.engines.options import EngineOptions, Provider

from .errors import SettingsInvalid


def _names(value: object) -> object:
    # The environment holds one string: "cuda,cpu".
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


Providers = Annotated[tuple[Provider, ...], NoDecode, BeforeValidator(_names), Field(min_length=1)]
Precision = Literal["float32", "float64", "int8"]
Positive = Annotated[int, Field(ge=1)]


def _on_gpu(settled: Mapping[str, object]) -> bool:
    # The providers are missing here when their own value was refused.
    providers = settled.get("execution_providers", ("cpu",))
    return isinstance(providers, tuple) and providers[0] == "cuda"


def _workers(settled: Mapping[str, object]) -> int:
    return 1 if _on_gpu(settled) else usable_cores()


def _chunk_rows(settled: Mapping[str, object]) -> int:
    return 65_536 if _on_gpu(settled) else 1024


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
    precisions: dict[str, Precision] = Field(default_factory=dict)
    """By model, what its graphs compute in for requests that do not say: `{"moons": "int8"}`."""
    workers: Positive = Field(default_factory=_workers)
    """Processes on the one port, each with the models and a queue of its own; one where a GPU computes."""
    threads: Positive = Field(default_factory=usable_cores)
    """Chunks that one worker computes at the same time; each runs on one core."""
    chunk_rows: Positive = Field(default_factory=_chunk_rows)
    """Rows per call of an engine: 1024 on a processor, where more leave the cache and go slower; 65536 on a GPU."""

    timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A request that is not answered by then is refused with 504; X-Request-Timeout-Ms shortens it."""
    max_queue_rows: Positive = 10_000_000
    """Rows that may wait for one graph; a request that comes when there are more is refused with 429."""
    max_body_bytes: Positive = 64 * 2**20
    """Largest request body."""
    max_rows: Positive = 1_000_000
    """Most rows in one log_prob or transform request."""
    max_num_samples: Positive = 10_000_000
    """Most rows in one sample request."""
    max_json_samples: Positive = 1_000_000
    """Most rows in one sample request answered in a format that cannot be streamed: JSON, npz."""

    downloads: bool = True
    """Whether clients may fetch the files of a bundle, and with them the model itself."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""

    @property
    def engine_options(self) -> EngineOptions:
        """The settings that an engine needs."""
        return EngineOptions(self.execution_providers, self.chunk_rows, self.threads)


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
