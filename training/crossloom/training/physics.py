"""Training with crossbar arrays in the forward pass, so that a network learns around what its wires take away.

The forward value of every layer with weights is what its arrays give (`crossloom.sim.crossbar`: wires, converters,
variation); gradients pass straight through to the exact layer (Bengio et al., arXiv 1308.3432). Ours: papers on
SWANN do not say whether they retrain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor, nn

from crossloom.sim import LIF, Artifact, ConfigError, Network, run
from crossloom.sim.crossbar import ArraySpec, Physics, build_network, plan_network
from crossloom.sim.crossbar.layer import ArrayLayer
from crossloom.sim.types import AnyArray

from .augment import augment
from .config import override
from .data.labelled import Dataset
from .data.regroup import labels_in
from .evaluation import assess
from .export import Exported
from .hierarchical import AnyNetwork, Hierarchical
from .inputs import to_float
from .layers import identifier
from .prove import convert_model
from .restore import recipe_of, restore
from .steps import batches_of, learning_rate, optimizer, torch_threads
from .tracing import plain

EPOCHS = 5
CALIBRATION_IMAGES = 40
_STREAM = 4

Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Tuned:
    """A network fine-tuned for its arrays, not yet proved; shares of `images` test images that it answers right.

    `before` and `after` are on the arrays, `ideal_before` and `ideal_after` in exact arithmetic.
    """

    exported: Exported
    before: float
    after: float
    ideal_before: float
    ideal_after: float
    images: int


class OnArrays:
    """The layers of a Brevitas model on arrays: `refresh` builds them from its weights, `reading` puts them to work.

    `convert` exports the model as it stands; `images` uint8 (N, H, W, C) calibrate where `spec` asks for it.
    """

    def __init__(
        self,
        model: AnyNetwork,
        convert: Callable[[], Exported],
        spec: ArraySpec,
        physics: Physics,
        images: AnyArray,
    ) -> None:
        self.model, self.convert, self.spec, self.physics, self.images = model, convert, spec, physics, images
        self.layers: dict[nn.Module, tuple[ArrayLayer, Sequence[int] | None]] = {}

    def refresh(self) -> None:
        """Program the arrays with the model's weights as they are now."""
        exported = self.convert()
        network = exported.network
        built = build_network(plan_network(network, self.spec, self.images), self.physics)
        seen = {name: edge for section in exported.sections for name, edge in section.seen.items()}
        reads = {(index, node.name): node.inputs[0] for index, nodes, _ in network.sections() for node in nodes}
        self.layers = {}
        for index, part in _parts(self.model):
            for path, module in part.named_modules():
                if isinstance(module, QuantConv2d | QuantLinear):
                    key = (index, identifier(path))
                    order = seen[reads[key]].order if isinstance(module, QuantLinear) else None
                    self.layers[module] = built.layers[key], order

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Have every layer return its arrays' estimate, while gradients pass as through the exact layer."""
        handles = [module.register_forward_hook(partial(self._read, module)) for module in self.layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _read(self, module: nn.Module, hooked: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor:
        layer, order = self.layers[module]
        values = plain(inputs[0]).numpy()
        if values.ndim == 4:
            values = values.transpose(0, 2, 3, 1)
        elif order is not None:
            values = values[:, list(order)]
        codes = np.rint(np.ldexp(values.astype(np.float64), layer.plan.input.type.frac)).astype(np.int64)
        sums = layer.accumulate(codes.reshape(len(codes), *layer.plan.input.shape)).astype(np.float64)
        found = np.ldexp(sums, -np.asarray(layer.plan.output.type.frac)).astype(np.float32)
        if found.ndim == 4:
            found = found.transpose(0, 3, 1, 2)
        exact: Tensor = output.value if hasattr(output, "value") else output
        return exact + (torch.from_numpy(np.ascontiguousarray(found)) - exact).detach()


def _parts(model: AnyNetwork) -> Iterator[tuple[int | None, nn.Module]]:
    """Yield (None, what is no branch) and (index, branch)."""
    if not isinstance(model, Hierarchical):
        yield None, model
        return
    yield None, model.trunk
    yield None, model.head
    yield from enumerate(model.banks)


def fine_tune(
    artifact: Artifact,
    dataset: Dataset,
    spec: ArraySpec,
    physics: Physics,
    *,
    epochs: int = EPOCHS,
    seed: int | None = None,
    most: int | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Return the artifact's network trained further with its arrays in the forward pass.

    `dataset` has the artifact's classes, by name. Trained by the artifact's own recipe, the arrays being
    programmed anew at every step; measured before and after on the test images, at `most` so many, evenly among all,
    both times calibrated with the same training images. `progress` gets the steps done, of `tuning_steps`.
    Raises ConfigError: other classes, epochs below 1; ExportError: an artifact without a recipe.
    """
    network = artifact.network
    if sorted(dataset.classes) != sorted(network.classes):
        raise ConfigError(f"{dataset.name}: other classes than {network.name}'s; needed the same; exclude the others")
    if epochs < 1:
        raise ConfigError(f"{network.name}: epochs {epochs}; needed at least 1; choose more")
    if any(isinstance(node.op, LIF) for node in network.nodes):
        raise ConfigError(f"{network.name}: has spiking neurons; needed a network without time; train it by its recipe")
    restored = restore(artifact)
    model = restored.model
    config = restored.config if seed is None else override(restored.config, {"training": {"seed": seed}})
    training, labels = config.training, labels_in(network.classes, dataset)
    height, width, channels = dataset.shape
    convert = partial(convert_model, model, network.name, network.classes, (height, width, channels), restored.values)
    some = dataset.train[:: -(-len(dataset.train) // CALIBRATION_IMAGES)]
    arrays = OnArrays(model, convert, spec, physics, dataset.images[some])
    count = len(dataset.test) if most is None else min(most, len(dataset.test))
    test = dataset.test[np.linspace(0, len(dataset.test) - 1, count).astype(np.intp)]
    measure = partial(_measure, arrays, dataset.images[test], labels[test])
    (before, ideal_before), done = measure(network), 0
    with torch_threads(training.threads):
        step = optimizer(model.learned_parameters(), training)
        for epoch in range(epochs):
            rng = np.random.default_rng([training.seed, _STREAM, epoch])
            batches = batches_of(rng.permutation(dataset.train), training.batch_size)
            for number, rows in enumerate(batches):
                arrays.refresh()
                model.train()
                for group in step.param_groups:
                    group["lr"] = learning_rate(
                        training, training.learning_rate, (epoch + number / len(batches)) / epochs
                    )
                images = to_float(augment(dataset.images[rows], training.augmentation, rng), restored.values)
                with arrays.reading():
                    loss, _, _ = assess(model, images, torch.from_numpy(labels[rows]), training.label_smoothing, 0.5)
                if not math.isfinite(loss.item()):
                    raise ConfigError(f"{network.name}: the loss is not finite; needed a lower learning rate")
                step.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks the annotation
                step.step()
                done += 1
                if progress is not None:
                    progress(done)
        model.eval()
        exported = convert()
    after, ideal_after = measure(exported.network)
    return Tuned(exported, before, after, ideal_before, ideal_after, count)


def tuning_steps(artifact: Artifact, dataset: Dataset, epochs: int) -> int:
    """Return how many steps `fine_tune` takes; raise ConfigError or ExportError for a recipe that it cannot read."""
    return epochs * len(batches_of(dataset.train, recipe_of(artifact).training.batch_size))


def _measure(arrays: OnArrays, images: AnyArray, labels: Any, network: Network) -> tuple[float, float]:
    """Return the shares of images that a network answers right on arrays of its own, and in exact arithmetic."""
    built = build_network(plan_network(network, arrays.spec, arrays.images), arrays.physics)
    found, exact = (float((run(which, images).labels == labels).mean()) for which in (built.network, network))
    return found, exact
