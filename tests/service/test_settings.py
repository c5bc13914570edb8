"""Every setting has a default, a variable DIFFEO_NAME, and bounds that its refusal names."""

from pathlib import Path

import pytest

from diffeo.runtime.cores import usable_cores
from diffeo.service.errors import SettingsInvalid
from diffeo.service.settings import Settings, settle


def test_the_defaults_serve_this_machine_only_on_its_own_cores() -> None:
    settings = settle({})
    assert settings == Settings()
    assert (settings.models, settings.host, settings.port) == (Path("models"), "127.0.0.1", 8000)
    assert (settings.engine, settings.execution_providers) == ("onnx", ("cpu",))
    assert settings.threads == settings.workers == usable_cores() >= 1


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
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
        ("LOG_LEVEL", "warning", "warning"),
        ("LOG_HEALTH_CHECKS", "true", True),
    ],
)
def test_the_environment_sets_each(variable: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DIFFEO_{variable}", text)
    assert getattr(settle({}), variable.lower()) == value


def test_the_table_above_names_every_setting() -> None:
    cases = test_the_environment_sets_each.pytestmark[0].args[1]
    assert {variable.lower() for variable, _, _ in cases} == set(Settings.model_fields)


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
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_variable(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DIFFEO_{variable}", text)
    with pytest.raises(SettingsInvalid, match=rf"^DIFFEO_{variable}: .*(should|valid)"):
        settle({})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsInvalid, match=r"DIFFEO_PORT: .*; DIFFEO_THREADS: "):
        settle({"port": -1, "threads": 0})


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFEO_PORT", "1")
    monkeypatch.setenv("DIFFEO_THREADS", "7")
    settings = settle({"port": 2})
    assert (settings.port, settings.threads) == (2, 7)


def test_a_gpu_has_one_worker_and_large_chunks_unless_told() -> None:
    on_gpu = settle({"execution_providers": "cuda,cpu"})
    assert (on_gpu.workers, on_gpu.chunk_rows) == (1, 65_536)
    assert settle({}).chunk_rows == 1024
    told = settle({"execution_providers": "cuda", "workers": 2, "chunk_rows": 10})
    assert (told.workers, told.chunk_rows) == (2, 10)


def test_settings_hold_the_variables_of_opentelemetry_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    held = settle({}).opentelemetry
    assert held["OTEL_SERVICE_NAME"] == "mine"
    assert all(name.startswith("OTEL_") for name in held)
