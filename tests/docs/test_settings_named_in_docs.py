"""Every DIFFEO_ variable that a document or a deployment file names exists, and docs/settings.md lists every setting.

`python -m tests.docs.test_settings_named_in_docs`, in the root of the repository, writes the table of docs/settings.md.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from diffeo.service.settings import PREFIX, Settings, default_text

ROOT: Final = Path(__file__).parents[2]
SETTINGS_PAGE: Final = ROOT / "docs/settings.md"
VARIABLE: Final = re.compile(r"DIFFEO_[A-Z0-9]+(?:_[A-Z0-9]+)*")
FOLDERS: Final = ("docs", "deploy")
KINDS: Final = {".md", ".yml", ".yaml", ".cfg", ".sh"}
FILES: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in KINDS),
        ROOT / "docker-compose.yml",
        ROOT / "Dockerfile",
        ROOT / "Makefile",
    ]
)
# Variables that are not settings of the service, and the file that reads each.
OTHERS: Final = {
    "DIFFEO_CACHE": "diffeo/local/cache.py",
    "DIFFEO_API_KEY": "diffeo/client/httpx_steps.py",
    "DIFFEO_MODELS": "docker-compose.yml",
    "DIFFEO_TABLES": "docker-compose.yml",
    "DIFFEO_FIT": "docker-compose.yml",
    "DIFFEO_TRAIN_USER": "docker-compose.yml",
    "DIFFEO_PUBLISH": "docker-compose.yml",
    "DIFFEO_PUBLISH_GPU": "docker-compose.yml",
    "DIFFEO_PUBLISH_BALANCED": "docker-compose.yml",
    "DIFFEO_CPUS": "docker-compose.yml",
    "DIFFEO_MEMORY": "docker-compose.yml",
    "DIFFEO_BALANCE_PORT": "deploy/balance/1-policy.cfg",
}
SETTING_VARIABLES: Final = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def unknown_variables(text: str) -> set[str]:
    return set(VARIABLE.findall(text)) - SETTING_VARIABLES - OTHERS.keys()


def table() -> str:
    """One line for each setting."""
    lines = [
        f"| `{PREFIX}{name.upper()}` | {default_text(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *lines])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_variable_in_the_file_exists(file: Path) -> None:
    assert unknown_variables(file.read_text(encoding="utf-8")) == set()


def test_an_unknown_variable_is_found() -> None:
    assert unknown_variables("set `DIFFEO_PROT=1` and `DIFFEO_PORT=2`") == {"DIFFEO_PROT"}


@pytest.mark.parametrize(("variable", "file"), OTHERS.items())
def test_the_file_that_reads_another_variable_names_it(variable: str, file: str) -> None:
    assert variable in VARIABLE.findall((ROOT / file).read_text(encoding="utf-8"))


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_table_of_the_settings_page_is_made_of_the_settings() -> None:
    assert table() in SETTINGS_PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    head, _, _ = SETTINGS_PAGE.read_text(encoding="utf-8").partition("| variable |")
    SETTINGS_PAGE.write_text(f"{head}{table()}\n", encoding="utf-8")
