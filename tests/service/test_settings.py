"""Every setting has a default, an environment variable, and bounds. An error names the variable."""

import doctest
from ipaddress import ip_network
from pathlib import Path

import pytest

from diffeo.runtime.cores import usable_cores
from diffeo.service import settings as settings_module
from diffeo.service.errors import SettingsInvalid
from diffeo.service.settings import Settings, read_settings


def test_the_defaults_listen_on_this_machine_only_and_use_all_its_cores() -> None:
    settings = read_settings({})
    assert settings == Settings()
    assert (settings.models, settings.host, settings.port) == (Path("models"), "127.0.0.1", 8000)
    assert (settings.engine, settings.execution_providers) == ("onnx", ("cpu",))
    assert settings.threads == settings.workers == usable_cores() >= 1


CASES: list[tuple[str, str, object]] = [
    ("MODELS", "/srv/models", Path("/srv/models")),
    ("DEFAULT_MODEL", "moons", "moons"),
    ("HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104  (what a container sets)
    ("PORT", "0", 0),
    ("ENGINE", "torchscript", "torchscript"),
    ("EXECUTION_PROVIDERS", "cuda, cpu", ("cuda", "cpu")),
    ("THREADS", "3", 3),
    ("WORKERS", "3", 3),
    ("PRECISIONS", '{"moons": "int8"}', {"moons": "int8"}),
    ("CHUNK_ROWS", "64", 64),
    ("TIMEOUT_SECONDS", "2.5", 2.5),
    ("MAX_QUEUE_ROWS", "10", 10),
    ("MAX_BODY_BYTES", "1024", 1024),
    ("MAX_ROWS", "10", 10),
    ("MAX_NUM_SAMPLES", "10", 10),
    ("MAX_JSON_SAMPLES", "10", 10),
    ("DOWNLOADS", "false", False),
    ("API_KEYS_FILE", "/run/secrets/keys", Path("/run/secrets/keys")),
    ("API_KEYS", "a:read:00", "a:read:00"),
    ("OPEN_WITHOUT_KEY", "metrics, docs", ("metrics", "docs")),
    ("ALLOWED_HOSTS", "flows.example, *.lan", ("flows.example", "*.lan")),
    ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    ("LOG_LEVEL", "warning", "warning"),
    ("MAX_WAIT_MS", "250", 250),
    ("STOP_DELAY_SECONDS", "5", 5.0),
    ("MAX_CONNECTIONS", "100", 100),
    ("MAX_MEMORY_BYTES", "1000000", 1_000_000),
    ("HEAD_SECONDS", "2.5", 2.5),
    ("BODY_SECONDS", "2.5", 2.5),
    ("WRITE_SECONDS", "2.5", 2.5),
    ("KEEP_ALIVE_SECONDS", "5", 5.0),
    ("MIN_BYTES_PER_SECOND", "10", 10),
    ("LOG_HEALTH_CHECKS", "true", True),
]


@pytest.mark.parametrize(("variable", "text", "value"), CASES)
def test_the_environment_sets_each_setting(
    variable: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DIFFEO_{variable}", text)
    assert getattr(read_settings({}), variable.lower()) == value


def test_the_table_above_names_every_setting() -> None:
    assert {variable.lower() for variable, _, _ in CASES} == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "65536"),
        ("PORT", "http"),
        ("THREADS", "0"),
        ("THREADS", "1.5"),
        ("CHUNK_ROWS", "-1"),
        ("ENGINE", "tensorflow"),
        ("EXECUTION_PROVIDERS", "tpu"),
        ("EXECUTION_PROVIDERS", ""),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "http://flows.example:8000"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("OPEN_WITHOUT_KEY", "everything"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_variable(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DIFFEO_{variable}", text)
    with pytest.raises(SettingsInvalid, match=rf"^DIFFEO_{variable}: .*(should|valid)"):
        read_settings({})


def test_all_wrong_values_are_in_one_error() -> None:
    with pytest.raises(SettingsInvalid, match=r"DIFFEO_PORT: .*; DIFFEO_THREADS: "):
        read_settings({"port": -1, "threads": 0})


def test_a_wrong_value_is_reported_alone_without_the_defaults_that_depend_on_it() -> None:
    with pytest.raises(SettingsInvalid, match="DIFFEO_EXECUTION_PROVIDERS") as caught:
        read_settings({"execution_providers": "tpu"})
    assert "DIFFEO_CHUNK_ROWS" not in str(caught.value)
    assert "DIFFEO_WORKERS" not in str(caught.value)


def test_the_command_line_replaces_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFEO_PORT", "1")
    monkeypatch.setenv("DIFFEO_THREADS", "7")
    settings = read_settings({"port": 2})
    assert (settings.port, settings.threads) == (2, 7)


@pytest.mark.parametrize(
    ("host", "names"),
    [("127.0.0.1", "local"), ("::1", "local"), ("localhost", "local"), ("0.0.0.0", "*"), ("flows.example", "*")],  # noqa: S104  (what a container sets)
)
def test_on_a_loopback_address_only_local_names_are_allowed_by_default(host: str, names: str) -> None:
    assert read_settings({"host": host}).allowed_hosts == (names,)
    assert read_settings({"host": host, "allowed_hosts": "a.example"}).allowed_hosts == ("a.example",)


def test_with_cuda_there_is_one_worker_with_large_chunks_by_default() -> None:
    on_gpu = read_settings({"execution_providers": "cuda,cpu"})
    assert (on_gpu.workers, on_gpu.chunk_rows) == (1, 65_536)
    assert read_settings({}).chunk_rows == 1024
    explicit = read_settings({"execution_providers": "cuda", "workers": 2, "chunk_rows": 10})
    assert (explicit.workers, explicit.chunk_rows) == (2, 10)


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(settings_module) == (0, 1)


def test_settings_hold_the_variables_of_opentelemetry_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    held = read_settings({}).opentelemetry
    assert held["OTEL_SERVICE_NAME"] == "mine"
    assert all(name.startswith("OTEL_") for name in held)
