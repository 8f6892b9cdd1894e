"""Adds a class to a trained hierarchical network: one branch and, unless kept, the coarse head are trained again.

That the class goes where the coarse head's mean response is greatest is Tree-CNN's rule (arXiv 1802.05800, section
3.2, for one new class). SHA-CNN (arXiv 2407.21370) says that classes can be added without extensive retraining, but
not how; what is retrained here, and with which images, is ours.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossloom.sim import Artifact, ConfigError, ExportError, Network, run
from crossloom.sim.identity import structure_sha256
from crossloom.sim.schema import encode

from .augment import augment
from .config import Config, override
from .data.labelled import Dataset, Ints
from .data.regroup import exclude, labels_in
from .export import Exported
from .hierarchical import Hierarchical, build_routed, learned_of, rows_of
from .hierarchy import Hierarchy
from .inputs import FloatArray, to_float
from .prove import convert_model
from .restore import restore
from .steps import batches_of, learning_rate, optimizer, torch_threads

_log = logging.getLogger(__name__)

EPOCHS = 20
RATE = 0.25
"""Of the recipe's learning rate: the weights are nearly right, and the old classes are to stay so."""

_STREAM = 3

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Accuracy:
    """Fractions of test images answered right by a grown network: over the old classes' images, and the new class's."""

    old_after: float
    new_accuracy: float


@dataclass(frozen=True, eq=False)
class Grown:
    """A network with one more class, and what that did.

    `exported` is not yet proved; `data` are the images of its classes, `labels` (N,) their classes in the network's
    order. `branch` is where the class went, `responses` the coarse head's mean response to it
    by branch. `old_before`: accuracy on the old classes' test images before. `kept` and `retrained` are the results
    with the coarse head as it was and trained again; `coarse_retrained` says which of them `exported` is.
    """

    exported: Exported
    data: Dataset
    labels: Ints
    name: str
    branch: str
    responses: Mapping[str, float]
    old_before: float
    kept: Accuracy
    retrained: Accuracy
    coarse_retrained: bool
    changed_tensors: tuple[str, ...]
    unchanged_tensors: tuple[str, ...]

    @property
    def result(self) -> Accuracy:
        """The accuracy of the exported network."""
        return self.retrained if self.coarse_retrained else self.kept


def place(network: Network, images: Any) -> dict[str, float]:
    """Return each branch's mean response to uint8 images (N, H, W, C): the softmax of the coarse logits, averaged."""
    assert network.route is not None
    frac = network.edges[network.output].type.common_frac
    logits = torch.from_numpy(np.ldexp(run(network, images).logits.astype(np.float64), -(frac or 0)))
    means = functional.softmax(logits, 1).mean(0).tolist()
    return dict(zip((branch.name for branch in network.route.branches), means, strict=True))


def grow(
    artifact: Artifact,
    dataset: Dataset,
    name: str,
    *,
    keep_coarse: bool = False,
    epochs: int = EPOCHS,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Grown:
    """Return the artifact's network with the class `name` added, retrained on `dataset` with replay of the old classes.

    `dataset` has the new class and every old one, by name; others are left out. The new class takes the next row of
    the branch with the greatest mean response to its training images. That branch's bank, and the coarse head, are
    trained for `epochs` by the artifact's own recipe, at a quarter of its learning rate; all else is frozen. Both
    ways of treating the coarse head are measured on the test images; `keep_coarse` chooses which is returned.
    `progress` gets the epochs done.

    Raises ConfigError: no hierarchy, a class that is there already, classes without images, a branch that is full;
    ExportError: an artifact without a recipe, or weights that ask for another structure.
    """
    network = artifact.network
    if network.route is None:
        raise ConfigError(f"{network.name}: a flat network; needed a hierarchical one; train one with [hierarchy]")
    if epochs < 1:
        raise ConfigError(f"{network.name}: epochs {epochs}; needed at least 1 to train the class; choose more")
    if name in network.classes:
        raise ConfigError(f"{network.name}: knows class {name!r} already; needed a new one; choose another")
    classes = (*network.classes, name)
    data = _select(network.name, dataset, classes)
    restored = restore(artifact)
    config, old = restored.config, restored.model
    if seed is not None:
        config = override(config, {"training": {"seed": seed}})
    assert isinstance(old, Hierarchical) and config.hierarchy is not None
    _check_same_images(artifact, data, name)
    labels = labels_in(classes, data)
    new = len(classes) - 1

    responses = place(network, data.images[data.train[labels[data.train] == new]])
    branch = max(responses, key=lambda key: responses[key])
    index = list(responses).index(branch)
    rows, capacity = len(network.route.branches[index].classes), network.route.capacity
    if rows == capacity:
        raise ConfigError(
            f"{network.name}: class {name!r} belongs to branch {branch!r} (mean response {responses[branch]:.2f}), "
            f"which is full; needed a capacity of {capacity + 1}, here {capacity}; train again with "
            f"[hierarchy] spare = {config.hierarchy.spare + 1}"
        )
    with torch_threads(config.training.threads):
        model = _with_class(old, index, new, capacity)
        trained = _Training(model, index, data, labels, restored.values, config)
        trained.run(epochs, progress)
        kept_model = copy.deepcopy(model)
        kept_model.head.load_state_dict(old.head.state_dict())
    shape = (network.input.shape[0], network.input.shape[1], network.input.shape[2])
    exports = {
        retrained: convert_model(which, network.name, classes, shape, restored.values)
        for retrained, which in ((False, kept_model), (True, model))
    }
    test = data.images[data.test]
    tested = labels[data.test]
    before = tested != new
    answers = {retrained: run(found.network, test).labels == tested for retrained, found in exports.items()}
    kept, retrained = (Accuracy(float(a[before].mean()), float(a[~before].mean())) for a in answers.values())
    chosen = exports[not keep_coarse]
    changed, unchanged = _compare_tensors(network, chosen.network, index)
    return Grown(
        chosen,
        data,
        labels,
        name,
        branch,
        responses,
        float((run(network, test[before]).labels == tested[before]).mean()),
        kept,
        retrained,
        not keep_coarse,
        changed,
        unchanged,
    )


def _select(where: str, dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """Return the data set with these classes alone; refuse one that lacks some."""
    missing = [c for c in classes if c not in dataset.classes]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise ConfigError(
            f"{where}: {dataset.name} has no images of class {missing[0]!r}{more}; needed the new class and, for "
            "replay, every class it knows; give a data set with all of them"
        )
    return exclude(dataset, [c for c in dataset.classes if c not in classes])


def _check_same_images(artifact: Artifact, data: Dataset, name: str) -> None:
    """Warn where the old classes' images are not those the network was trained on: test images may not be new to it."""
    grown = artifact.info.get("grown")
    added = [g.get("class") for g in grown if isinstance(g, dict)] if isinstance(grown, list) else []
    left_out = [c for c in data.classes if c == name or c in added]
    # Fewer than 3 classes left have no super-classes: what the artifact says of itself is wrong.
    same = len(data.classes) - len(left_out) >= 3
    if not same or exclude(data, left_out).sha256 != artifact.info.get("dataset_sha256"):
        _log.warning(
            "%s: trained on other images than those of %s; accuracy on old classes may count images that it has seen",
            artifact.network.name, data.name,
        )  # fmt: skip


def _with_class(old: Hierarchical, branch: int, new: int, capacity: int) -> Hierarchical:
    """Return a copy of the network whose branch has one more class, at the next row."""
    members = tuple((*m, new) if k == branch else m for k, m in enumerate(old.members))
    plan = old.plan
    model = build_routed(plan.config, plan.shape, Hierarchy(old.hierarchy.names, members, "grown"), capacity)
    model.load_state_dict(old.state_dict())
    return model.eval()


class _Training:
    """The coarse head and one bank, trained side by side on what the frozen trunk gives."""

    def __init__(
        self,
        model: Hierarchical,
        branch: int,
        data: Dataset,
        labels: Ints,
        values: FloatArray,
        config: Config,
    ) -> None:
        self.model, self.data, self.labels, self.values, self.config = model, data, labels, values, config
        self.classes = model.members[branch]
        self.parts: dict[str, nn.Module] = {"head": model.head, "bank": model.banks[branch]}
        self.superclass = model.hierarchy.coarse
        self.row = np.full(len(self.superclass), -1)
        self.row[list(self.classes)] = np.arange(len(self.classes))

    def run(self, epochs: int, progress: Progress | None) -> None:
        """Train to the end of the schedule; few validation images choose an epoch by luck (measured on digits)."""
        training, data = self.config.training, self.data
        step = optimizer([p for part in self.parts.values() for p in learned_of(part)], training)
        for part in self.parts.values():
            part.train()
        for epoch in range(epochs):
            rng = np.random.default_rng([training.seed, _STREAM, epoch])
            batches = batches_of(rng.permutation(data.train), training.batch_size)
            for number, rows in enumerate(batches):
                rate = learning_rate(training, RATE * training.learning_rate, (epoch + number / len(batches)) / epochs)
                for group in step.param_groups:
                    group["lr"] = rate
                total = self._loss(augment(data.images[rows], training.augmentation, rng), rows)
                if not math.isfinite(total.item()):
                    raise ConfigError(f"{self.config.source}: growing: the loss is not finite; lower the learning rate")
                step.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks the annotation
                step.step()
            if progress is not None:
                progress(epoch + 1)
        self.model.eval()

    def _loss(self, images: Any, rows: Ints) -> Tensor:
        """Return the coarse loss of the images plus the fine loss of those that belong to the branch."""
        smoothing = self.config.training.label_smoothing
        with torch.no_grad():
            source = self.model.trunk(to_float(images, self.values))
        coarse = torch.from_numpy(self.superclass[self.labels[rows]])
        fine = torch.from_numpy(self.row[self.labels[rows]])
        loss = functional.cross_entropy(self.parts["head"](source), coarse, label_smoothing=smoothing)
        inside = (fine >= 0).nonzero()[:, 0]
        if len(inside):
            logits = self.parts["bank"](rows_of(source, inside, len(rows)))[:, : len(self.classes)]
            loss = loss + functional.cross_entropy(logits, fine[inside], label_smoothing=smoothing)
        return loss


def _compare_tensors(before: Network, after: Network, branch: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the tensors that differ and that do not; raise ExportError where more changed than may."""
    old, new = encode(before)[1], encode(after)[1]
    if structure_sha256(before) != structure_sha256(after):
        wider = _wider(before, after) or "its structure differs"
        raise ExportError(
            f"{before.name}: the new weights need another structure ({wider}); needed weights that fit; "
            "grow with another seed, or train again with the class"
        )
    changed = tuple(name for name in new if old[name].tobytes() != new[name].tobytes())
    allowed = {n.name for n in before.nodes if n.name in before.head}
    for name in changed:
        node, _, bank = name.partition(".")[0], *name.rpartition(".")[1:]
        assert node in allowed or bank == str(branch), f"{name} was to stay as it is"
    return changed, tuple(name for name in new if name not in changed)


def _wider(before: Network, after: Network) -> str | None:
    """Return the first layer whose biases or membranes outgrew their declared width, in words."""
    sections = zip(before.sections(), after.sections(), strict=True)
    for (_, old, _), (_, new, _) in sections:
        for was, now in zip(old, new, strict=True):
            for what, key in (("biases", "bias_bits"), ("membranes", "bits")):
                wide, wanted = getattr(was.op, key, 0), getattr(now.op, key, 0)
                if wide != wanted:
                    return f"{what} of {was.name} need {wanted} bits, {wide} are declared"
    return None
