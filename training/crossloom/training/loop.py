"""The training loop: a float phase with batch norm, folding, then quantization-aware training; resumable to the bit."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossloom.sim.errors import ConfigError

from .augment import augment
from .config import Config, TrainingConfig, config_dict
from .datasets import Dataset, Ints
from .inputs import FloatArray, input_values, to_float
from .models import Network, build_float, build_quantized, quantize
from .runs import (
    CHECKPOINT,
    TrainedModel,
    append_log,
    check_same_run,
    load_run,
    load_weights,
    read_checkpoint,
    result_of,
    write_checkpoint,
    write_log,
)

__all__ = ["TrainedModel", "evaluate", "load_run", "train"]

_log = logging.getLogger(__name__)

FLOAT, QAT = "float", "qat"
CALIBRATION_IMAGES = 256
EVALUATION_BATCH = 512

OnEpoch = Callable[[Mapping[str, Any]], None]


def train(
    config: Config,
    dataset: Dataset,
    run_dir: str | Path,
    resume: bool = False,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
) -> TrainedModel:
    """Train the recipe on the data set, leaving `checkpoint.pt` and `log.jsonl` in `run_dir`; return the best network.

    The best is the QAT epoch with the highest validation accuracy (then the lowest loss); the test images are looked
    at once, at the end. Each epoch ends with a checkpoint and one JSON line: phase, epoch (from 1), loss, accuracies
    as fractions, seconds, learning rate at its end, precision. Weights are a function of recipe, data, torch, kind of
    machine and thread count: with `resume` a run that was stopped anywhere ends in the same bits. Shuffling and
    augmentation draw from (seed, phase, epoch), so no generator's state has to survive; torch's own is left as it was.

    `on_epoch` is called with each record, after it is on disk. `progress` shows a bar where there is a terminal.
    Raises ConfigError: layers that do not fit the images, a folder that holds another run, a loss that is not finite.
    """
    run_dir = Path(run_dir)
    state: dict[str, Any] | None = None
    if (run_dir / CHECKPOINT).exists():
        if not resume:
            raise ConfigError(f"{run_dir}: holds a run already; needed a new folder; choose another one, or resume")
        state = read_checkpoint(run_dir)
        check_same_run(run_dir, state, config, dataset.sha256)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{run_dir}: cannot be made ({error.strerror}); needed a folder to write in; choose another one"
        ) from None
    with _threads(config.training.threads):
        run = _Run(config, dataset, run_dir, state)
        with _Bar(run, progress) as tick:
            for record in run.epochs():
                tick(record)
                if on_epoch:
                    on_epoch(record)
        return run.finish()


def evaluate(model: nn.Module, dataset: Dataset, part: Ints, values: FloatArray) -> tuple[float, float]:
    """Return (accuracy as a fraction, mean cross entropy) of `model` in eval mode on the images with indices `part`."""
    training = model.training
    model.eval()
    right, loss = 0, 0.0
    with torch.no_grad():
        for start in range(0, len(part), EVALUATION_BATCH):
            rows = part[start : start + EVALUATION_BATCH]
            labels = torch.from_numpy(dataset.labels[rows])
            logits = model(to_float(dataset.images[rows], values))
            right += int((logits.argmax(1) == labels).sum())
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    model.train(training)
    return right / len(part), loss / len(part)


class _Run:
    """Where a run stands: phase, epoch, network, optimizer, best network so far."""

    def __init__(self, config: Config, dataset: Dataset, run_dir: Path, state: dict[str, Any] | None) -> None:
        self.config, self.dataset, self.run_dir = config, dataset, run_dir
        height, width, channels = dataset.shape
        self.shape = (channels, height, width)
        if state is None:
            self.values = input_values(dataset.images[dataset.train], dataset.levels, config.quantization.normalization)
            self.phase, self.epoch = FLOAT, 0
            self.history: list[dict[str, Any]] = []
            self.best: dict[str, Any] | None = None
            self.test_accuracy: float | None = None
            self.model = build_float(config, self.shape, len(dataset.classes))
            self.optimizer = _optimizer(self.model, config.training)
        else:
            self.values = state["values"].numpy()
            self.phase, self.epoch = state["phase"], state["epoch"]
            self.history, self.best, self.test_accuracy = state["history"], state["best"], state["test_accuracy"]
            build = build_float if self.phase == FLOAT else build_quantized
            self.model = build(config, self.shape, len(dataset.classes))
            load_weights(self.model, state["model"], str(run_dir / CHECKPOINT))
            self.optimizer = _optimizer(self.model, config.training)
            self.optimizer.load_state_dict(state["optimizer"])
            if state["threads"] != torch.get_num_threads():
                _log.warning("%s: started with %d threads, resumed with %d: the weights may differ in their last bits",
                             run_dir, state["threads"], torch.get_num_threads())  # fmt: skip
        write_log(run_dir, self.history)

    @property
    def total(self) -> int:
        """Epochs of both phases."""
        return self.config.training.float_epochs + self.config.training.epochs

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Run what is left, yielding each epoch's record once it is on disk."""
        training = self.config.training
        if self.phase == FLOAT:
            while self.epoch < training.float_epochs:
                yield self._epoch(training.float_learning_rate, training.float_epochs)
            first = self.dataset.train[:: -(-len(self.dataset.train) // CALIBRATION_IMAGES)]
            self.model = quantize(self.model, to_float(self.dataset.images[first], self.values))
            self.optimizer = _optimizer(self.model, training)
            self.phase, self.epoch = QAT, 0
        while self.epoch < training.epochs:
            yield self._epoch(training.learning_rate, training.epochs)

    def finish(self) -> TrainedModel:
        """Measure the best network on the test images, once, and return it."""
        assert self.best is not None
        if self.test_accuracy is None:
            result = result_of(self.config, {**self._state(), "test_accuracy": 0.0})
            self.test_accuracy, _ = evaluate(result.model, self.dataset, self.dataset.test, self.values)
            write_checkpoint(self.run_dir, self._state())
        return result_of(self.config, self._state())

    def _epoch(self, peak: float, epochs: int) -> dict[str, Any]:
        started = time.perf_counter()
        training, data = self.config.training, self.dataset
        rng = np.random.default_rng([training.seed, 0 if self.phase == FLOAT else 1, self.epoch])
        order = rng.permutation(data.train)
        batches = np.array_split(order, -(-len(order) // training.batch_size))
        narrow = self.phase == FLOAT and _use_bfloat16(training)
        self.model.train()
        right, total_loss = 0, 0.0
        for step, rows in enumerate(batches):
            rate = peak
            if training.schedule == "cosine":
                done = (self.epoch + step / len(batches)) / epochs
                rate = peak * 0.5 * (1.0 + math.cos(math.pi * done))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            images = to_float(augment(data.images[rows], training.augmentation, rng), self.values)
            labels = torch.from_numpy(data.labels[rows])
            loss, logits = self._step(images, labels, narrow)
            total_loss += loss * len(rows)
            right += int((logits.argmax(1) == labels).sum())
        self.epoch += 1
        accuracy, validation_loss = evaluate(self.model, data, data.validation, self.values)
        record = {
            "phase": self.phase,
            "epoch": self.epoch,
            "loss": total_loss / len(order),
            "train_accuracy": right / len(order),
            "validation_accuracy": accuracy,
            "validation_loss": validation_loss,
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 3),
            "precision": "bfloat16" if narrow else "float32",
        }
        self.history.append(record)
        if self.phase == QAT and (
            self.best is None or (accuracy, -validation_loss) > (self.best["accuracy"], -self.best["loss"])
        ):
            weights = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
            self.best = {"epoch": self.epoch, "accuracy": accuracy, "loss": validation_loss, "model": weights}
        write_checkpoint(self.run_dir, self._state())
        append_log(self.run_dir, record)
        return record

    def _step(self, images: Tensor, labels: Tensor, narrow: bool) -> tuple[float, Tensor]:
        """One step of the optimizer; return (loss, logits)."""
        context: AbstractContextManager[Any] = nullcontext()
        if narrow:
            images = images.contiguous(memory_format=torch.channels_last)
            context = torch.autocast("cpu", dtype=torch.bfloat16)
        with context:
            logits = self.model(images)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.config.training.label_smoothing)
        value = loss.item()
        if not math.isfinite(value):
            where = f"{self.phase} epoch {self.epoch + 1}"
            raise ConfigError(
                f"{self.config.source}: the loss is {value} in {where}; needed a finite one; lower the learning rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks the annotation
        self.optimizer.step()
        return value, logits.detach()

    def _state(self) -> dict[str, Any]:
        height, width, channels = self.dataset.shape
        return {
            "config": config_dict(self.config),
            "dataset": self.dataset.name,
            "dataset_sha256": self.dataset.sha256,
            "classes": list(self.dataset.classes),
            "shape": [height, width, channels],
            "levels": self.dataset.levels,
            "values": torch.from_numpy(self.values),
            "threads": torch.get_num_threads(),
            "phase": self.phase,
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history,
            "test_accuracy": self.test_accuracy,
        }


def _optimizer(model: Network, training: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW; weight matrices decay, biases, batch norms and learned ranges do not."""
    learned = model.learned_parameters()
    groups = [
        {"params": [p for p in learned if p.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in learned if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch `count` threads for a while; 0 leaves its own number."""
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


def _use_bfloat16(training: TrainingConfig) -> bool:
    """Whether the float phase computes in bfloat16: asked for, or "auto" on a CPU with AMX tiles."""
    if training.float_precision == "auto":
        return bool(torch.cpu._is_amx_tile_supported())
    return training.float_precision == "bfloat16"


class _Bar:
    """A tqdm bar over the run's epochs, where wanted and a terminal is there."""

    def __init__(self, run: _Run, wanted: bool) -> None:
        self.run, self.wanted, self.bar = run, wanted, None

    def __enter__(self) -> Callable[[Mapping[str, Any]], None]:
        if not self.wanted:
            return lambda record: None
        from tqdm import tqdm

        bar = tqdm(total=self.run.total, initial=len(self.run.history), unit="epoch", disable=None)
        self.bar = bar

        def tick(record: Mapping[str, Any]) -> None:
            bar.set_description(str(record["phase"]))
            bar.set_postfix(loss=f"{record['loss']:.3f}", validation=f"{record['validation_accuracy']:.4f}")
            bar.update()

        return tick

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
