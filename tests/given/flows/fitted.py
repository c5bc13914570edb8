"""A repository with one flow, fitted by the shell's own `diffeo fit`; and that flow in float64."""

from pathlib import Path

from diffeo.bundle.read import read
from diffeo.cli.main import main
from diffeo.training.flows.architecture import flow_from_bytes
from diffeo.training.flows.flow import Flow


def fitted(folder: Path, recipe: str) -> Path:
    """The repository: folder/models, after a fit of this recipe (TOML) whose data lie in the folder."""
    (folder / "recipe.toml").write_text(recipe)
    options = ["--models", str(folder / "models"), "--runs", str(folder / "runs"), "--torchscript", "--device", "cpu"]
    assert main(["fit", str(folder / "recipe.toml"), *options]) == 0
    return folder / "models"


def flow_of(bundle: Path) -> Flow:
    """What its graphs should compute."""
    return flow_from_bytes(read(bundle).files["flow.safetensors"]).double().requires_grad_(requires_grad=False)
