"""The hierarchical torch network: trunk, coarse head, and a bank of branches of which an image takes one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossloom.sim.errors import ConfigError

from .config import Config, flat_recipe
from .hierarchy import Hierarchy
from .models import (
    FloatParts,
    Network,
    Parts,
    QuantAdd,
    QuantParts,
    build_float,
    build_quantized,
    modules_of,
    transfer,
    with_input,
)
from .models import quantize as quantize_flat
from .plan import DenseStep, HierarchyPlan, make_hierarchy_plan
from .spiking.layers import Sum


class Hierarchical(nn.Module):
    """`trunk` -> `head` -> argmax -> one of `banks`, each a Sequential of the same layers with its own weights.

    `members[k]`: the class indices that the first rows of bank k stand for; further rows are spare. One bank with
    all classes is a B-CNN (arXiv 1709.09890): its fine logits are computed for every image, and nothing is routed.
    Float32 (N, C, H, W) in.
    """

    _superclass: Tensor
    _bank: Tensor
    _row: Tensor

    def __init__(
        self,
        plan: HierarchyPlan,
        hierarchy: Hierarchy,
        members: tuple[tuple[int, ...], ...],
        parts: Parts,
        quantized: bool,
    ) -> None:
        super().__init__()
        self.plan, self.hierarchy, self.members, self.quantized = plan, hierarchy, members, quantized
        self.trunk = nn.Sequential(with_input(plan.config, plan.trunk, parts))
        self.head = nn.Sequential(OrderedDict(modules_of(plan.coarse, parts, plan.config.spiking)))
        branches = [modules_of(plan.branch, parts, plan.config.spiking) for _ in members]
        self.banks = nn.ModuleList(nn.Sequential(OrderedDict(branch)) for branch in branches)
        coarse = torch.from_numpy(hierarchy.coarse)
        for name, values in (("_superclass", coarse), ("_bank", coarse * 0), ("_row", coarse * 0)):
            self.register_buffer(name, values, persistent=False)
        for bank, classes in enumerate(members):
            self._bank[list(classes)] = bank
            self._row[list(classes)] = torch.arange(len(classes))

    @property
    def routed(self) -> bool:
        """Whether an image takes one branch of several."""
        return len(self.members) > 1

    def learned_parameters(self) -> list[nn.Parameter]:
        """Return the parameters to train: all but the range of the input, and what `learned_of` leaves out."""
        trunk = [p for name, p in self.trunk.named_parameters() if not name.startswith("quant_input.")]
        return [*trunk, *(p for part in (self.head, *self.banks) for p in learned_of(part))]

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 scores (N, classes); those of branches that an image did not take are -inf."""
        source = self.trunk(images)
        coarse = self.head(source)
        taken = coarse.argmax(1) if self.routed else self._bank.new_zeros(len(images))
        scores = torch.full((len(images), len(self._bank)), -torch.inf, device=images.device)
        for bank in sorted(set(taken.tolist())):
            inside = (taken == bank).nonzero()[:, 0]
            classes = torch.tensor(self.members[bank], device=images.device)
            scores[inside[:, None], classes] = self.banks[bank](rows_of(source, inside, len(images)))[
                :, : len(classes)
            ].float()
        return scores

    def assess(
        self, images: Tensor, labels: Tensor, smoothing: float, coarse_weight: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return (loss, which answers are right (N,), which super-classes are right (N,)).

        loss = w * cross entropy of the super-classes + (1 - w) * mean cross entropy within the branch of the true
        super-class. An answer of a routed network is right where both are.
        """
        source = self.trunk(images)
        coarse = self.head(source).float()
        wanted = self._superclass[labels]
        coarse_right = coarse.argmax(1) == wanted
        loss = coarse_weight * functional.cross_entropy(coarse, wanted, label_smoothing=smoothing)
        right = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
        bank_of = self._bank[labels]
        for bank in sorted(set(bank_of.tolist())):
            inside = (bank_of == bank).nonzero()[:, 0]
            own = source if len(inside) == len(labels) else rows_of(source, inside, len(labels))
            logits = self.banks[bank](own)[:, : len(self.members[bank])].float()
            rows = self._row[labels[inside]]
            fine = functional.cross_entropy(logits, rows, label_smoothing=smoothing, reduction="sum")
            loss = loss + (1.0 - coarse_weight) * fine / len(labels)
            right[inside] = logits.argmax(1) == rows
        return loss, right & coarse_right if self.routed else right, coarse_right


AnyNetwork: TypeAlias = Network | Hierarchical


def learned_of(part: nn.Module) -> list[nn.Parameter]:
    """Return the parameters to train of a coarse head or a bank.

    Where a part adds (a residual), the ranges of its activations stay as calibrated: they decide how an addition
    aligns its operands, which is structure, so that banks have to agree on it and a grown class must not change it.
    """
    adds = any(isinstance(module, QuantAdd | Sum) for module in part.modules())
    return [p for name, p in part.named_parameters() if not (adds and ".act_quant." in name)]


def rows_of(values: Any, rows: Tensor, images: int) -> Any:
    """Return some of the images of a batch of so many, a tensor or a Brevitas QuantTensor (whose own [] is a tuple's).

    Where they have time, at every step: rows t * images to (t + 1) * images are step t.
    """
    if hasattr(values, "_replace"):
        return values._replace(value=rows_of(values.value, rows, images))
    return values.reshape(-1, images, *values.shape[1:])[:, rows].flatten(0, 1)


def _build(
    config: Config,
    shape: tuple[int, int, int],
    hierarchy: Hierarchy,
    members: tuple[tuple[int, ...], ...],
    rows: int,
    quantized: bool,
) -> Hierarchical:
    plan = make_hierarchy_plan(config, shape, len(hierarchy.names), rows)
    parts: Parts = QuantParts(config.quantization) if quantized else FloatParts()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        return Hierarchical(plan, hierarchy, members, parts, quantized)


def build_routed(config: Config, shape: tuple[int, int, int], hierarchy: Hierarchy, capacity: int) -> Hierarchical:
    """Return the Brevitas network with a branch of `capacity` rows for each super-class, weights not set yet."""
    return _build(config, shape, hierarchy, hierarchy.members, capacity, True)


def build_float_network(
    config: Config, shape: tuple[int, int, int], classes: int, hierarchy: Hierarchy | None = None
) -> AnyNetwork:
    """Return the float network that a recipe's float phase trains: a flat one, or a B-CNN of the super-classes.

    A hierarchical recipe without `hierarchy` gives the flat network whose confusion decides the super-classes.
    """
    if hierarchy is None:
        return build_float(config if config.hierarchy is None else flat_recipe(config), shape, classes)
    return _build(config, shape, hierarchy, (tuple(range(classes)),), classes, False)


def build_quantized_network(
    config: Config, shape: tuple[int, int, int], classes: int, hierarchy: Hierarchy | None = None
) -> AnyNetwork:
    """Return the Brevitas network of a recipe, weights and scales not set yet; routed unless branches are shared."""
    if hierarchy is None:
        return build_quantized(config, shape, classes)
    assert config.hierarchy is not None
    if config.hierarchy.branches == "shared":
        return _build(config, shape, hierarchy, (tuple(range(classes)),), classes, True)
    return build_routed(config, shape, hierarchy, max(len(m) for m in hierarchy.members) + config.hierarchy.spare)


def quantize(model: AnyNetwork, images: Tensor) -> AnyNetwork:
    """Return the Brevitas network of a trained float one: batch norm folded, scales set from `images`.

    Training, then sharing (SHA-CNN, arXiv 2407.21370, says that weights are extracted after training; the step is
    ours): every branch starts as a copy of the B-CNN's branch, with the output rows of its own classes alone.
    """
    if isinstance(model, Network):
        return quantize_flat(model, images)
    if model.quantized:
        raise ConfigError("quantize: the network is quantized already; needed the float network")
    plan, hierarchy = model.plan, model.hierarchy
    quantized = build_quantized_network(plan.config, plan.shape, len(hierarchy.coarse), hierarchy)
    assert isinstance(quantized, Hierarchical)
    members, output = quantized.members, next(s.name for s in reversed(plan.branch) if isinstance(s, DenseStep))

    def twin(name: str) -> tuple[str, Sequence[int] | None]:
        if not name.startswith("banks."):
            return name, None
        _, bank, layer = name.split(".", 2)
        return f"banks.0.{layer}", members[int(bank)] if layer in (output, f"{output}_lif") else None

    transfer(model, quantized, images, twin)
    return quantized.eval()
