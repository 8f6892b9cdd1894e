"""What a training run leaves on disk: `checkpoint.pt`, replaced as a whole, `log.jsonl`, and `hierarchy.json`."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crossloom.sim.errors import ConfigError

from .config import Config, config_dict, parse_config
from .hierarchical import AnyNetwork, build_quantized_network
from .hierarchy import Hierarchy
from .inputs import FloatArray

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
HIERARCHY = "hierarchy.json"
FORMAT = 4
_KEYS = (
    "format", "config", "dataset", "dataset_sha256", "classes", "shape", "levels", "values", "pace", "machine",
    "phase", "epoch", "stages", "model", "optimizer", "averages", "best", "history", "test", "hierarchy",
    "init_sha256",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A finished run: the quantized network with the best validation accuracy, in eval mode, and what it was fed.

    `shape` (H, W, C); `values` is the input table (levels, 1 or C) float32; accuracies are fractions of 1;
    `history` has one record per epoch, as in `log.jsonl`. `hierarchy` and the share of right super-classes
    `test_coarse_accuracy` are None for a flat network. `stages`: steps, validation_accuracy and test_accuracy of the
    best network with each of the greater numbers of time steps that training began with. `init_sha256`:
    of the checkpoint that gave the first weights.
    """

    config: Config
    model: AnyNetwork
    values: FloatArray
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    levels: int
    dataset: str
    dataset_sha256: str
    validation_accuracy: float
    test_accuracy: float
    history: tuple[Mapping[str, Any], ...]
    hierarchy: Hierarchy | None = None
    test_coarse_accuracy: float | None = None
    stages: tuple[Mapping[str, Any], ...] = ()
    init_sha256: str | None = None


def write_checkpoint(run_dir: Path, state: Mapping[str, Any]) -> None:
    """Replace `checkpoint.pt` at once: a kill or a full disk leaves the old one whole. Raises ConfigError."""
    buffer = io.BytesIO()
    torch.save({**state, "format": FORMAT}, buffer)
    _replace(run_dir / CHECKPOINT, buffer.getvalue())


def write_log(run_dir: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Replace `log.jsonl` by one line per record of `history`. Raises ConfigError."""
    _replace(run_dir / LOG, "".join(json.dumps(record) + "\n" for record in history).encode())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); the last one is whole; make room, then resume"
        ) from None


def append_log(run_dir: Path, record: Mapping[str, Any]) -> None:
    """Add one line to `log.jsonl`. Raises ConfigError."""
    try:
        with (run_dir / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError as error:
        raise ConfigError(f"{run_dir / LOG}: cannot be written ({error.strerror}); make room, then resume") from None


def read_checkpoint(run_dir: Path) -> dict[str, Any]:
    """Return the state in `checkpoint.pt`, unpickling nothing but tensors and plain values; raise ConfigError."""
    path = run_dir / CHECKPOINT
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; needed the folder of a training run; check the path")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a dozen kinds for a damaged or foreign file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ConfigError(
            f"{path}: not a whole checkpoint ({reason}); needed one of this program; train again"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT or any(key not in state for key in _KEYS):
        raise ConfigError(f"{path}: a checkpoint of another kind or version; needed format {FORMAT}; train again")
    return state


def load_run(run_dir: str | os.PathLike[str]) -> TrainedModel:
    """Return the result of a finished run; raise ConfigError where there is none or it is unfinished or damaged."""
    run_dir = Path(run_dir)
    state = read_checkpoint(run_dir)
    if state["best"] is None or state["test"] is None:
        where = f"epoch {state['epoch']} of the {state['phase']} phase"
        raise ConfigError(f"{run_dir}: the run stopped after {where}; needed a finished run; train with resume")
    return result_of(parse_config(state["config"], f"{run_dir / CHECKPOINT}"), state)


def result_of(config: Config, state: Mapping[str, Any]) -> TrainedModel:
    """Return the TrainedModel of a finished run's state."""
    height, width, channels = (int(n) for n in state["shape"])
    hierarchy = restored_hierarchy(state)
    model = build_quantized_network(config, (channels, height, width), len(state["classes"]), hierarchy)
    load_weights(model, state["best"]["model"], config.source)
    return TrainedModel(
        config=config,
        model=model.eval(),
        values=state["values"].numpy(),
        classes=tuple(state["classes"]),
        shape=(height, width, channels),
        levels=int(state["levels"]),
        dataset=str(state["dataset"]),
        dataset_sha256=str(state["dataset_sha256"]),
        validation_accuracy=float(state["best"]["accuracy"]),
        test_accuracy=float(state["test"]["accuracy"]),
        history=tuple(state["history"]),
        hierarchy=hierarchy,
        test_coarse_accuracy=state["test"]["coarse_accuracy"],
        stages=tuple(
            {"steps": stage["steps"], "validation_accuracy": stage["accuracy"], "test_accuracy": accuracy}
            for stage, accuracy in zip(state["stages"], state["test"]["stages"], strict=True)
        ),
        init_sha256=state["init_sha256"],
    )


def restored_hierarchy(state: Mapping[str, Any]) -> Hierarchy | None:
    """Return the super-classes of a run's state; None for a flat network, or before they are known."""
    found = state["hierarchy"]
    if found is None:
        return None
    return Hierarchy(tuple(found["names"]), tuple(tuple(m) for m in found["members"]), str(found["origin"]))


def load_weights(model: AnyNetwork, weights: Mapping[str, Any], source: str) -> None:
    """Load a state dict; raise ConfigError where it belongs to another network."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"{source}: the weights do not fit the recipe ({reason}); needed a checkpoint of it; train again"
        ) from None


def earlier_state(run_dir: Path, config: Config, dataset_sha256: str, resume: bool) -> dict[str, Any] | None:
    """Return the state of a run in `run_dir` that is to go on, None where there is no run.

    Raises ConfigError for one of another recipe or data set, and for any without `resume`.
    """
    if not (run_dir / CHECKPOINT).exists():
        return None
    if not resume:
        raise ConfigError(f"{run_dir}: holds a run already; needed a new folder; choose another one, or resume")
    state = read_checkpoint(run_dir)
    check_same_run(run_dir, state, config, dataset_sha256)
    return state


def check_same_run(run_dir: Path, state: Mapping[str, Any], config: Config, dataset_sha256: str) -> None:
    """Raise ConfigError naming the first key of the recipe, or the data set, that is not the one of the checkpoint."""
    old, new = {**state["config"]}, config_dict(config)
    for recipe in (old, new):
        # The images, the super-classes and the first weights count, not where they lie.
        for section, place in (("data", "path"), ("hierarchy", "file"), ("training", "init")):
            if section in recipe:
                recipe[section] = {key: value for key, value in recipe[section].items() if key != place}
    difference = _first_difference(old, new, "")
    if difference:
        raise ConfigError(
            f"{run_dir}: cannot resume, {difference}; needed the recipe it started with; use another folder"
        )
    _check_init(run_dir, state, config)
    if state["dataset_sha256"] != dataset_sha256:
        raise ConfigError(
            f"{run_dir}: cannot resume, the images, labels or classes differ; needed those it started with; "
            f"use another folder"
        )


def _check_init(run_dir: Path, state: Mapping[str, Any], config: Config) -> None:
    """Raise ConfigError unless the run began, and is to go on, with the first weights of one checkpoint or of none.

    They are in the run since its first epoch, so that the other run may be gone.
    """
    folder, began = config.training.init, state["init_sha256"]
    found = None if folder is None else checkpoint_sha256(folder) or began
    if found != began:
        raise ConfigError(
            f"{run_dir}: cannot resume, the first weights are others (training.init); needed those it started with; "
            "use another folder"
        )


def checkpoint_sha256(folder: str | os.PathLike[str]) -> str | None:
    """Return the hash of a run's checkpoint, None where there is none."""
    path = Path(folder) / CHECKPOINT
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _first_difference(old: Any, new: Any, where: str) -> str | None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            found = _first_difference(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
            if found:
                return found
        return None
    return None if old == new else f"{where} was {str(old)[:60]}, now {str(new)[:60]}"
