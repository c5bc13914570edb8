"""A checkout keeps the bytes of bundles, also on a system that changes line ends."""

import subprocess
from pathlib import Path

import pytest

from diffeo.bundle.read import read

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this folder is not a checkout of the repository")
def test_a_clone_that_changes_line_ends_still_reads_every_shipped_model(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    options = ["--config", "core.autocrlf=true", "--config", "core.eol=crlf", "--depth", "1"]
    subprocess.run(["git", "clone", "--quiet", *options, ROOT.as_uri(), clone], check=True)
    text = (clone / "pyproject.toml").read_bytes()
    assert b"\r\n" in text
    bundles = sorted(path.parent for path in clone.glob("models/*/*/manifest.json"))
    assert bundles
    for bundle in bundles:
        read(bundle)
