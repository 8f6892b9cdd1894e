"""The training loop: super-classes found, a float phase, folding, quantization-aware training; resumable to the bit."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossloom.sim.errors import ConfigError

from .augment import augment
from .averaging import Averages
from .config import Config, config_dict
from .data.labelled import Dataset, Images, Ints, check_classes
from .epoch_bar import epoch_bar
from .evaluation import Evaluation, evaluate
from .hierarchical import AnyNetwork, build_float_network, build_quantized_network, quantize
from .hierarchy import Hierarchy, discover, given_hierarchy, write_hierarchy
from .inputs import input_values, to_float
from .models import Network
from .pace import Pace, candidates, choose, kept, pace_state
from .phases import DISCOVER, FLOAT, Phase, phases_of
from .runs import (
    CHECKPOINT,
    HIERARCHY,
    TrainedModel,
    append_log,
    checkpoint_sha256,
    earlier_state,
    load_run,
    load_weights,
    restored_hierarchy,
    result_of,
    write_checkpoint,
    write_log,
)
from .spiking.fitting import check_time, encoder_of
from .starting import start_from
from .stepping import checked_device, step
from .steps import batches_of, evaluation_batches, learning_rate, optimizer, torch_threads

__all__ = ["Evaluation", "TrainedModel", "evaluate", "load_run", "train"]

CALIBRATION_IMAGES = 256

OnEpoch = Callable[[Mapping[str, Any]], None]


def train(
    config: Config,
    dataset: Dataset,
    run_dir: str | Path,
    resume: bool = False,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
    device: str = "cpu",
) -> TrainedModel:
    """Train the recipe on the data set, leaving `checkpoint.pt` and `log.jsonl` in `run_dir`; return the best network.

    A hierarchical recipe whose super-classes are to be discovered trains a flat network first, and leaves
    `hierarchy.json` besides.

    The best is the QAT epoch with the highest validation accuracy (then the lowest loss); the test images are looked
    at once, at the end. Each epoch ends with a checkpoint and one JSON line: phase, epoch (from 1), loss, accuracies
    as fractions, seconds, learning rate at its end, precision. Weights are a function of recipe, data, torch, kind of
    machine and thread count: with `resume` a run that was stopped anywhere ends in the same bits. Shuffling and
    augmentation draw from (seed, phase, epoch), so no generator's state has to survive; torch's own is left as it was.
    What a recipe leaves to "auto" is chosen at the first epoch of a phase, whose record has the timings; a run that is
    resumed on the same kind of machine keeps it. Networks are validated in float32 always.

    `device` is "cpu" or "cuda". `on_epoch` is called with each record, after it is on disk. `progress` shows a bar
    where there is a terminal.
    Raises ConfigError: layers that do not fit the images, a folder that holds another run, a loss that is not finite.
    """
    run_dir = Path(run_dir)
    check_classes(dataset.name, dataset.classes)
    check_time(config, dataset)
    state = earlier_state(run_dir, config, dataset.sha256, resume)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{run_dir}: cannot be made ({error.strerror}); needed a folder to write in; choose another one"
        ) from None
    where = checked_device(device, config)
    with torch_threads(config.training.threads):
        run = _Run(config, dataset, run_dir, state, where)
        with epoch_bar(run.total, len(run.history), progress) as tick:
            for record in run.epochs():
                tick(record)
                if on_epoch:
                    on_epoch(record)
        return run.finish()


class _Run:
    """Where a run stands: phase, epoch, super-classes, network, optimizer, best network so far."""

    def __init__(
        self, config: Config, dataset: Dataset, run_dir: Path, state: dict[str, Any] | None, device: torch.device
    ) -> None:
        self.config, self.dataset, self.run_dir, self.device = config, dataset, run_dir, device
        height, width, channels = dataset.shape
        self.shape = (channels, height, width)
        self.hierarchy = given_hierarchy(config, dataset)
        self.discovers = config.hierarchy is not None and self.hierarchy is None
        self.phases = phases_of(config, self.discovers)
        if state is None:
            normalization = config.quantization.normalization
            self.values = input_values(dataset.images, dataset.levels, normalization, dataset.train)
            self.phase, self.epoch = self.phases[0], 0
            self.stages: list[dict[str, Any]] = []
            self.history: list[dict[str, Any]] = []
            self.best: dict[str, Any] | None = None
            self.test: dict[str, Any] | None = None
            self.model = self._build(self.phase)
            self.init_sha256 = self._start(config.training.init)
        else:
            if not self.discovers and restored_hierarchy(state) != self.hierarchy:
                raise ConfigError(
                    f"{run_dir}: cannot resume, the super-classes differ; needed those it started with; restore them"
                )
            self.hierarchy = restored_hierarchy(state)
            self.values = state["values"].numpy()
            self.phase = next(phase for phase in self.phases if phase.name == state["phase"])
            self.epoch, self.stages = state["epoch"], state["stages"]
            self.init_sha256 = state["init_sha256"]
            self.history, self.best, self.test = state["history"], state["best"], state["test"]
            self.model = self._build(self.phase)
            load_weights(self.model, state["model"], str(run_dir / CHECKPOINT))
        self._equip(state)
        write_log(run_dir, self.history)
        self._write_hierarchy()

    @property
    def total(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def _equip(self, state: Mapping[str, Any] | None = None) -> None:
        """Give the phase's network its place, optimizer, average and pace, those of a checkpoint where it goes on."""
        training = self.config.training
        self.model.to(self.device)
        self.optimizer = optimizer(self.model.learned_parameters(), training)
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self.averages = Averages(training.ema, self.model, None if state is None else state["averages"])
        found = candidates(training, self.phase.quantized)
        pace = kept(state, found, self.run_dir)
        self.timings: dict[str, float] = {}
        if pace is None and self.epoch < self.phase.epochs:
            pace, self.timings = choose(found, self._seconds)
        self.pace = pace or found[0]
        torch.set_num_threads(self.pace.threads)

    def _seconds(self, pace: Pace) -> float:
        """Time a step on a copy of the network; nothing of the run changes."""
        training, rows = self.config.training, self.dataset.train[: self.config.training.batch_size]
        with torch.random.fork_rng(devices=[]):
            model = copy.deepcopy(self.model).train()
            steps = optimizer(model.learned_parameters(), training)
            images = self._reads(self.dataset.images[rows], rows).to(self.device)
            labels = torch.from_numpy(self.dataset.labels[rows]).to(self.device)
            torch.set_num_threads(pace.threads)
            started = time.perf_counter()
            step(model, steps, images, labels, pace, 0.0, self._coarse_weight(), np.random.default_rng(0))
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() - started

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Run what is left, yielding each epoch's record once it is on disk."""
        for phase in self.phases[self.phases.index(self.phase) :]:
            if phase != self.phase:
                self._enter(phase)
            while self.epoch < phase.epochs:
                yield self._epoch()

    def _enter(self, phase: Phase) -> None:
        """Make the next phase's network out of this one's."""
        before, self.phase, self.epoch = self.phase, phase, 0
        if before.name == DISCOVER:
            with self.averages.applied(self.model):
                self.hierarchy = self._discover()
            self._write_hierarchy()
        if not phase.quantized:
            self.model = self._build(self.phase)
        elif before.quantized:
            assert self.best is not None
            self.stages.append({**self.best, "steps": before.steps})
            self.model = self._build(self.phase)
            load_weights(self.model, self.best["model"], self.config.source)
            self.best = None
        else:
            with self.averages.applied(self.model):
                self.model = quantize(self.model.cpu(), self._calibration())
        self._equip()

    def _reads(self, images: Images, number: Ints) -> Tensor:
        """What the phase's network reads of images with these numbers."""
        return to_float(images, self.values, encoder_of(self.phase.config), number)

    def _calibration(self) -> Tensor:
        """Return some training images, evenly spread."""
        first = self.dataset.train[:: -(-len(self.dataset.train) // CALIBRATION_IMAGES)]
        return self._reads(self.dataset.images[first], first)

    def _start(self, folder: str | None) -> str | None:
        """Take the first weights from a finished run; return the hash of its checkpoint."""
        if folder is None:
            return None
        assert isinstance(self.model, Network)  # the recipe refuses [hierarchy] beside it
        found = checkpoint_sha256(folder)
        start_from(self.model, load_run(folder), folder, self._calibration(), self.values)
        return found

    def _build(self, phase: Phase) -> AnyNetwork:
        """Return a phase's network, its weights fresh."""
        build = build_quantized_network if phase.quantized else build_float_network
        return build(phase.config, self.shape, len(self.dataset.classes), self.hierarchy)

    def _discover(self) -> Hierarchy:
        """Cluster the confusion of the flat network: mean probabilities on the validation images of each class."""
        data, settings = self.dataset, self.config.hierarchy
        assert settings is not None
        confusion = np.zeros((len(data.classes), len(data.classes)))
        self.model.eval()
        with torch.no_grad():
            for rows in evaluation_batches(data.validation, data.shape):
                images = self._reads(data.images[rows], rows).to(self.device)
                answers = functional.softmax(self.model(images).double(), 1)
                np.add.at(confusion, data.labels[rows], answers.cpu().numpy())
        confusion /= confusion.sum(axis=1, keepdims=True)
        return discover(confusion, settings.superclasses, settings.balanced, data.classes)

    def _write_hierarchy(self) -> None:
        if self.hierarchy is not None:
            write_hierarchy(self.run_dir / HIERARCHY, self.hierarchy, self.dataset.classes)

    def finish(self) -> TrainedModel:
        """Measure the best network on the test images, once, and return it."""
        assert self.best is not None
        if self.test is None:
            phases = [phase for phase in self.phases if phase.quantized]
            *stages, found = map(self._tested, phases, [*self.stages, self.best])
            accuracies = [stage.accuracy for stage in stages]
            self.test = {"accuracy": found.accuracy, "coarse_accuracy": found.coarse_accuracy, "stages": accuracies}
            write_checkpoint(self.run_dir, self._state())
        return result_of(self.config, self._state())

    def _tested(self, phase: Phase, best: Mapping[str, Any]) -> Evaluation:
        model = self._build(phase)
        load_weights(model, best["model"], self.config.source)
        return evaluate(model, self.dataset, self.dataset.test, self.values, encoder=encoder_of(phase.config))

    def _epoch(self) -> dict[str, Any]:
        started = time.perf_counter()
        training, data, phase = self.config.training, self.dataset, self.phase
        rng = np.random.default_rng([training.seed, *phase.stream, self.epoch])
        order = rng.permutation(data.train)
        batches = batches_of(order, training.batch_size)
        coarse_weight = self._coarse_weight()
        self.model.train()
        right, total_loss = 0, 0.0
        for number, rows in enumerate(batches):
            rate = learning_rate(training, phase.peak, (self.epoch + number / len(batches)) / phase.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            # An image has other numbers in every epoch, so that no spikes of its encoder are learned by heart.
            shown = rows + self.epoch * len(data.images)
            images = self._reads(augment(data.images[rows], training.augmentation, rng), shown).to(self.device)
            labels = torch.from_numpy(data.labels[rows]).to(self.device)
            loss, answers = step(
                self.model, self.optimizer, images, labels, self.pace, training.label_smoothing, coarse_weight, rng
            )
            if not math.isfinite(loss):
                where = f"{phase.name} epoch {self.epoch + 1}"
                raise ConfigError(
                    f"{self.config.source}: the loss is {loss} in {where}; needed a finite one; lower the learning rate"
                )
            self.averages.update(self.model)
            total_loss += loss * len(rows)
            right += int(answers.sum())
        self.epoch += 1
        with self.averages.applied(self.model):
            found = evaluate(self.model, data, data.validation, self.values, coarse_weight, encoder_of(phase.config))
            better = phase.quantized and (
                self.best is None or (found.accuracy, -found.loss) > (self.best["accuracy"], -self.best["loss"])
            )
            if better:
                weights = {key: value.detach().cpu().clone() for key, value in self.model.state_dict().items()}
                self.best = {"epoch": self.epoch, "accuracy": found.accuracy, "loss": found.loss, "model": weights}
        record: dict[str, Any] = {
            "phase": phase.name,
            "epoch": self.epoch,
            "loss": total_loss / len(order),
            "train_accuracy": right / len(order),
            "validation_accuracy": found.accuracy,
            "validation_loss": found.loss,
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 3),
            "precision": self.pace.precision,
        }
        if self.timings:
            record |= {"pace": str(self.pace), "timings": self.timings}
            self.timings = {}
        if phase.steps is not None:
            record["steps"] = phase.steps
        if found.coarse_accuracy is not None:
            record |= {"validation_coarse_accuracy": found.coarse_accuracy, "coarse_weight": coarse_weight}
        self.history.append(record)
        write_checkpoint(self.run_dir, self._state())
        append_log(self.run_dir, record)
        return record

    def _coarse_weight(self) -> float:
        """Weight of the coarse loss in this epoch: in even steps over the float phase, then the last one."""
        hierarchy = self.config.hierarchy
        if hierarchy is None:
            return 0.0
        done = self.epoch / max(1, self.phase.epochs - 1) if self.phase.name == FLOAT else 1.0
        return hierarchy.coarse_weight + done * (hierarchy.final_coarse_weight - hierarchy.coarse_weight)

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
            **pace_state(self.pace),
            "phase": self.phase.name,
            "epoch": self.epoch,
            "stages": self.stages,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averages": self.averages.state(),
            "best": self.best,
            "history": self.history,
            "test": self.test,
            "init_sha256": self.init_sha256,
            "hierarchy": None if self.hierarchy is None else asdict(self.hierarchy),
        }
