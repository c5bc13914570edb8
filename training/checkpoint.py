"""Saves the state of a fit as safetensors with a JSON header, atomically, with the digest of its recipe and data."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from .errors import ResumeError
from .fit import EpochRecord, FitState

STATE: Final = "state.safetensors"


def save_state(state: FitState, folder: Path, digest: str) -> None:
    """Replace the saved state atomically; after a crash the state before is still there."""
    tensors = {
        f"{part}.{name}": value.detach().cpu().contiguous()
        for part, flow in (("flow", state.flow), ("average", state.average), ("best", state.best))
        for name, value in flow.state_dict().items()
    }
    tensors |= _optimiser_tensors(state)
    header = {"recipe": digest, "record": json.dumps([asdict(record) for record in state.records])}
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{STATE}"
    with draft.open("wb") as file:
        file.write(save(tensors, metadata=header))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / STATE)


def load_state(state: FitState, folder: Path, digest: str) -> None:
    """Fill a fresh state from the saved one.

    Raises:
        ResumeError: nothing was saved, or the saved state belongs to another recipe or other data.
    """
    path = folder / STATE
    if not path.is_file():
        raise ResumeError(f"nothing to resume in {folder}; start without --resume")
    with safe_open(path, framework="pt") as file:
        header: dict[str, str] = file.metadata()
        if header["recipe"] != digest:
            raise ResumeError(f"{path} belongs to another recipe or other data; start without --resume")
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for part, flow in (("flow", state.flow), ("average", state.average), ("best", state.best)):
        prefix = f"{part}."
        flow.load_state_dict({n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)})
    _load_optimiser(state, tensors)
    state.records[:] = [_record(values) for values in json.loads(header["record"])]


def _record(values: Mapping[str, float]) -> EpochRecord:
    # Older checkpoints have the key `setback` for `rollback`.
    rollback = values["rollback"] if "rollback" in values else values["setback"]
    losses = values["train_nll"], values["validation_nll"]
    return EpochRecord(int(values["epoch"]), *losses, int(values["skipped"]), rollback=bool(rollback))


def _optimiser_tensors(state: FitState) -> dict[str, Tensor]:
    moments: dict[int, dict[str, Tensor]] = state.optimiser.state_dict()["state"]
    return {
        f"optimiser.{index}.{name}": value.detach().cpu().contiguous()
        for index, entry in moments.items()
        for name, value in entry.items()
    }


def _load_optimiser(state: FitState, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = torch.clone(value)
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": moments, "param_groups": groups})
