"""Every command has help with an example, and `diffeo serve` has one flag for each setting of the service."""

import re
from pathlib import Path

import pytest

from diffeo.cli import main
from diffeo.service.settings import Settings, default_text

COMMANDS = ["serve", "key", "sample", "log-prob", "transform", "inspect", "fit", "certify", "study"]


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as end:
        main.main([*command, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_the_main_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    assert re.findall(r"^    ([a-z-]+)(?: |$)", text, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_ends_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, command)
    _, _, examples = text.partition("examples:\n")
    assert f"diffeo {command} " in examples


@pytest.mark.parametrize("name", Settings.model_fields)
def test_serve_has_a_flag_for_each_setting_with_its_description_variable_and_default(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise argparse breaks words at hyphens.
    monkeypatch.setenv("COLUMNS", "10000")
    options = " ".join(help_of(capsys, "serve").partition("options:")[2].split())
    description = Settings.model_fields[name].description
    assert description
    flag = re.escape("--" + name.replace("_", "-"))
    expected = re.escape(f"{description} (default: {default_text(name)}; variable: DIFFEO_{name.upper()})")
    assert re.search(rf"{flag}(, --no-\S+| \S+) {expected}", options)


def test_the_flags_of_serve_become_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[Settings] = []
    monkeypatch.setattr("diffeo.service.process.server.serve", served.append)
    monkeypatch.setenv("DIFFEO_MAX_ROWS", "7")
    flags = {
        "--models": str(tmp_path),
        "--default-model": "moons",
        "--port": "0",
        "--engine": "torchscript",
        "--execution-providers": "cuda, cpu",
        "--precisions": '{"moons": "int8"}',
        "--timeout-seconds": "1.5",
        "--log-level": "debug",
    }
    assert main.main(["serve", *(word for flag in flags.items() for word in flag), "--no-downloads"]) == 0
    (settings,) = served
    assert (settings.models, settings.default_model, settings.port) == (tmp_path, "moons", 0)
    assert (settings.engine, settings.execution_providers) == ("torchscript", ("cuda", "cpu"))
    assert (settings.precisions, settings.timeout_seconds) == ({"moons": "int8"}, 1.5)
    assert (settings.log_level, settings.downloads) == ("debug", False)
    assert settings.max_rows == 7
