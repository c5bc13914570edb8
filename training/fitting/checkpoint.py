"""Saves the state of a fit as safetensors with a JSON header, atomically, with the digest of its recipe and data."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import ResumeError
from .evaluation import Evaluation, best_evaluation
from .fit import ROLLBACK_RATE, FitState, Interval
from .plan import Plan

STATE: Final = "state.safetensors"


def save_state(state: FitState, folder: Path, digest: str, progress: Mapping[str, float] | None = None) -> None:
    """Replace the saved state atomically; after a crash the state before is still there.

    Args:
        state: the fit.
        folder: where `state.safetensors` is written.
        digest: of recipe and data.
        progress: numbers that the caller wants back from `load_state`, such as the seconds so far.
    """
    tensors = {
        f"{part}.{name}": value.detach().cpu().contiguous()
        for part, flow in _flows(state)
        for name, value in flow.state_dict().items()
    }
    tensors |= _optimiser_tensors(state)
    numbers = {
        "plan": asdict(state.plan),
        "step": state.step,
        "start_nll": state.start_nll,
        "best_nll": state.best_nll,
        "best_step": state.best_step,
        "slowdown": state.slowdown,
        "interval": asdict(state.interval),
        "progress": dict(progress or {}),
    }
    records = json.dumps([asdict(record) for record in state.records])
    header = {"recipe": digest, "record": records, "state": json.dumps(numbers)}
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{STATE}"
    with draft.open("wb") as file:
        file.write(save(tensors, metadata=header))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / STATE)


def load_state(state: FitState, folder: Path, digest: str) -> dict[str, float]:
    """Fill a fresh state from the saved one; returns the numbers that were saved with it as `progress`.

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
    for part, flow in _flows(state):
        prefix = f"{part}."
        flow.load_state_dict({n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)})
    _load_optimiser(state, tensors)
    state.records[:] = [_record(values) for values in json.loads(header["record"])]
    if "state" not in header:
        _continue_from_records(state)
        return {}
    return _load_numbers(state, json.loads(header["state"]))


def _load_numbers(state: FitState, numbers: dict[str, Any]) -> dict[str, float]:
    state.plan = Plan(**numbers["plan"])
    state.step = int(numbers["step"])
    state.start_nll, state.best_nll = float(numbers["start_nll"]), float(numbers["best_nll"])
    state.best_step = int(numbers["best_step"])
    state.slowdown = float(numbers["slowdown"])
    state.interval = Interval(**numbers["interval"])
    progress: dict[str, float] = numbers["progress"]
    return progress


def _continue_from_records(state: FitState) -> None:
    """Older checkpoints hold one record for each pass and nothing between passes; their plans have epochs."""
    steps = state.plan.interval
    state.step = len(state.records) * steps
    state.slowdown = ROLLBACK_RATE ** sum(record.rollback for record in state.records)
    best = best_evaluation(state.records)
    state.start_nll = math.inf  # it was not measured
    state.best_nll = math.inf if best is None else best.validation_nll
    state.best_step = 0 if best is None else round(best.epoch) * steps


def _flows(state: FitState) -> tuple[tuple[str, torch.nn.Module], ...]:
    return ("flow", state.flow), ("average", state.average), ("best", state.best)


def _record(values: Mapping[str, float]) -> Evaluation:
    # Older checkpoints have the key `setback` for `rollback`, and no step.
    rollback = values["rollback"] if "rollback" in values else values["setback"]
    losses = float(values["train_nll"]), float(values["validation_nll"])
    step = int(values.get("step", 0))
    return Evaluation(float(values["epoch"]), *losses, int(values["skipped"]), rollback=bool(rollback), step=step)


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
    if len(moments) > len(groups):
        moments = _joined(moments, [len(weights) for weights in state.weights])
    state.optimiser.load_state_dict({"state": moments, "param_groups": groups})


def _joined(moments: dict[int, dict[str, Tensor]], sizes: Sequence[int]) -> dict[int, dict[str, Tensor]]:
    """Moments of vectors of these sizes; older checkpoints hold those of each weight by itself, in the same order."""
    of_weights = [moments[index] for index in sorted(moments)]
    step = of_weights[0]["step"]
    names = [name for name in of_weights[0] if name != "step"]
    whole = {name: torch.cat([each[name].reshape(-1) for each in of_weights]) for name in names}
    parts = {name: torch.split(vector, list(sizes)) for name, vector in whole.items()}
    return {
        index: {"step": step.clone()} | {name: part[index].clone() for name, part in parts.items()}
        for index in range(len(sizes))
    }
