"""Fits a small flow with the command `diffeo fit`, and reads it back in float64."""

from pathlib import Path

from diffeo.bundle.read import read
from diffeo.cli.main import main
from diffeo.training.flows.architecture import flow_from_bytes
from diffeo.training.flows.flow import Flow


def fitted(folder: Path, recipe: str) -> Path:
    """Fit a recipe (TOML) whose data are in the folder; returns the repository, folder/models."""
    (folder / "recipe.toml").write_text(recipe)
    options = ["--models", str(folder / "models"), "--runs", str(folder / "runs"), "--torchscript", "--device", "cpu"]
    assert main(["fit", str(folder / "recipe.toml"), *options]) == 0
    return folder / "models"


def flow_of(bundle: Path) -> Flow:
    """The flow that the graphs of the bundle should compute, in float64."""
    return flow_from_bytes(read(bundle).files["flow.safetensors"]).double().requires_grad_(requires_grad=False)
