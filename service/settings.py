"""The settings of the service, from the environment (`DIFFEO_*`) or the command line. Each has a safe default."""

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, PrivateAttr, ValidationError
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from diffeo.runtime.cores import usable_cores
from diffeo.runtime.engines.options import EngineOptions, Provider

from .errors import SettingsInvalid

PREFIX: Final = "DIFFEO_"


def _split(value: object) -> object:
    # In the environment the list is one string: "cuda,cpu".
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Providers = Annotated[tuple[Provider, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
HostName = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$")]
HostNames = Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]
KeylessPaths = Literal["docs", "downloads", "metrics"]
Precision = Literal["float32", "float64", "int8"]
Positive = Annotated[int, Field(ge=1)]


def _uses_gpu(validated: Mapping[str, object]) -> bool:
    # execution_providers is missing here if its own value is invalid.
    providers = validated.get("execution_providers", ("cpu",))
    return isinstance(providers, tuple) and providers[0] == "cuda"


def _workers(validated: Mapping[str, object]) -> int:
    return 1 if _uses_gpu(validated) else usable_cores()


def _chunk_rows(validated: Mapping[str, object]) -> int:
    return 65_536 if _uses_gpu(validated) else 1024


def _allowed_hosts(validated: Mapping[str, object]) -> tuple[str, ...]:
    host = str(validated.get("host", ""))
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return ("local",) if is_loopback else ("*",)


def _opentelemetry_variables() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}


class Settings(BaseSettings):
    """How the service runs. The variable DIFFEO_PORT sets `port`, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    models: Path = Field(default=Path("models"), description="The repository: a folder of NAME/VERSION/ bundles.")
    default_model: str | None = Field(
        default=None,
        description="The model of requests that name none. A repository with one model needs no default.",
    )

    host: str = Field(
        default="127.0.0.1", description="Address to listen on. The default accepts connections from this machine only."
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")

    engine: Literal["onnx", "torchscript"] = Field(
        default="onnx",
        description="Runtime that computes the graphs. torchscript needs torch, and a bundle with TorchScript graphs. "
        "A TorchScript graph is a program: it runs code of its maker. Use it only for bundles that you made.",
    )
    execution_providers: Providers = Field(
        default=("cpu",), description="Devices in order of preference: cpu, or cuda,cpu."
    )
    precisions: dict[str, Precision] = Field(
        default_factory=dict,
        description='By model, the precision of requests that name none, as JSON: {"moons": "int8"}.',
    )
    stop_delay_seconds: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description=(
            "Seconds for which a service that was told to stop still accepts connections. /readyz answers 503 in that "
            "time, so a load balancer can notice."
        ),
    )
    workers: Positive = Field(
        default_factory=_workers,
        description="Processes on the port. Each loads all models and has its own queues.",
    )
    threads: Positive = Field(
        default_factory=usable_cores,
        description="Chunks that one worker computes at the same time, each on one core.",
    )
    chunk_rows: Positive = Field(
        default_factory=_chunk_rows,
        description="Most rows of one engine call. On a CPU, larger chunks leave the cache and are slower.",
    )

    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Time limit of a request; then it is rejected with 504. X-Request-Timeout-Ms can shorten it.",
    )
    max_wait_ms: Positive = Field(
        default=60,
        description="Longest wait for the work of other requests. A request that would wait longer gets 429 at once. A "
        "client without another request may wait as long as its own work takes, if that is longer.",
    )
    max_queue_rows: Positive = Field(
        default=10_000_000,
        description="Most rows in the queue of one graph. A request that arrives when it is full is rejected with 429.",
    )
    max_body_bytes: Positive = Field(default=64 * 2**20, description="Most bytes of a request body.")
    max_rows: Positive = Field(default=1_000_000, description="Most rows of one log_prob or transform request.")
    max_num_samples: Positive = Field(default=10_000_000, description="Most rows of one sample request.")
    max_json_samples: Positive = Field(
        default=1_000_000,
        description="Most rows of one sample request whose answer cannot be streamed: JSON, npz.",
    )

    max_connections: Positive = Field(
        default=4096,
        description="Most connections of one worker, and never more than its open files allow. "
        "Beyond it, only health checks are answered.",
    )
    max_memory_bytes: int = Field(
        default=0,
        ge=0,
        description="Most bytes that the requests of one worker hold: bodies, rows and answers. "
        "0 takes a quarter of the memory, divided by the workers.",
    )
    head_seconds: float = Field(
        default=10.0, gt=0, description="Time for the head of a request, and for a new connection to begin one."
    )
    body_seconds: float = Field(
        default=30.0, gt=0, description="Time for the body of a request; min_bytes_per_second adds to it."
    )
    write_seconds: float = Field(
        default=30.0, gt=0, description="Time for a client to take an answer; min_bytes_per_second adds to it."
    )
    min_bytes_per_second: Positive = Field(
        default=16_384, description="The pace at which received or taken bytes extend body_seconds and write_seconds."
    )
    keep_alive_seconds: float = Field(
        default=75.0,
        gt=0,
        description="How long a connection stays open between two requests; longer than common proxies keep theirs.",
    )

    downloads: bool = Field(
        default=True, description="Whether clients may download the files of a bundle, that is, the model itself."
    )

    api_keys_file: Annotated[Path, AfterValidator(Path.absolute)] | None = Field(
        default=None,
        description="A file of API keys, one line for each; `diffeo key` makes them. Changes count within two seconds.",
    )
    api_keys: str | None = Field(
        default=None, description="The lines of such a file. With any of the two, every path but health needs a key."
    )
    open_without_key: Annotated[tuple[KeylessPaths, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(), description="Paths that need no key although there are keys: docs, downloads, metrics."
    )
    allowed_hosts: HostNames = Field(
        default_factory=_allowed_hosts,
        min_length=1,
        description="Names that a Host header may have: name, *.name, local, or * for all. Addresses always fit.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Networks whose X-Forwarded-For or Forwarded names the client, such as 10.0.0.0/8,::1.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important level that is logged."
    )
    log_health_checks: bool = Field(
        default=False,
        description="Whether successful health checks and scrapes of /metrics are logged too; failed ones always are.",
    )

    _opentelemetry: Mapping[str, str] = PrivateAttr(default_factory=_opentelemetry_variables)

    @property
    def opentelemetry(self) -> Mapping[str, str]:
        """The OTEL_* variables of the environment, which OpenTelemetry defines; they configure traces."""
        return self._opentelemetry

    @property
    def engine_options(self) -> EngineOptions:
        """The settings that an engine needs."""
        return EngineOptions(self.execution_providers, self.chunk_rows, self.threads)


# The default in words, if it depends on the machine or on another setting.
DEFAULT_TEXTS: Final = {
    "workers": "the usable cores; 1 with cuda",
    "threads": "the usable cores",
    "chunk_rows": "1024; 65536 with cuda",
    "allowed_hosts": "local on a loopback address; * on others",
}


def default_text(name: str) -> str:
    """The default of a setting in words, for documents and `--help`.

    >>> default_text("port"), default_text("threads"), default_text("default_model")
    ('8000', 'the usable cores', 'none')
    """
    if name in DEFAULT_TEXTS:
        return DEFAULT_TEXTS[name]
    default = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return str(default) if default or default == 0 else "none"


def read_settings(overrides: Mapping[str, object]) -> Settings:
    """The settings of the environment.

    Args:
        overrides: settings by name that replace those of the environment.

    Raises:
        SettingsInvalid: a value does not fit; the error names the variable of each such setting.
    """
    try:
        return Settings.model_validate({**overrides})
    except ValidationError as error:
        # A default that depends on another setting cannot be computed if that one is wrong; only the cause is reported.
        causes = [each for each in error.errors() if each["type"] != "default_factory_not_called"]
        problems = [f"{PREFIX}{str(each['loc'][0]).upper()}: {each['msg']}" for each in causes]
        raise SettingsInvalid("; ".join(problems)) from None
