"""Hierarchical networks that no training is needed for: random weights, different in every bank, scales calibrated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

Layers = Sequence[Mapping[str, Any]]

CONV: dict[str, Any] = {"type": "conv", "channels": 4}
FLAT, DENSE = {"type": "flatten"}, {"type": "dense"}
PLAIN = {**CONV, "activation": "none"}
POOL, MEAN, GLOBAL = {"type": "maxpool"}, {"type": "avgpool"}, {"type": "global_avgpool"}
DEPTHWISE = {"type": "conv", "depthwise": True, "activation": "none"}


def hidden(units: int, activation: str = "relu") -> dict[str, Any]:
    return {"type": "dense", "units": units, "activation": activation}


def residual(*layers: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {"type": "residual", "layers": list(layers), **options}


Parts = tuple[Layers, Layers, Layers]
SIMPLE: Parts = ([CONV, POOL], [FLAT, DENSE], [FLAT, DENSE])
ADDING: Layers = [CONV, residual(PLAIN), residual(CONV, {**PLAIN, "channels": 6, "stride": 2}), FLAT, DENSE]
NESTED: Layers = [residual(residual({**PLAIN, "channels": 5})), FLAT, DENSE]
TWO_BITS = {"weight_bits": 2, "activation_bits": 2, "input_bits": 2}

# Trunk, coarse head, branch.
PARTS: dict[str, Parts] = {
    "the shipped one": ([CONV], [POOL, FLAT, DENSE], [FLAT, DENSE]),
    "convolutions in the branch": ([CONV], [FLAT, DENSE], [POOL, CONV, DEPTHWISE, FLAT, DENSE]),
    "hidden layers": ([CONV, POOL], [FLAT, hidden(6), DENSE], [FLAT, hidden(5, "none"), hidden(7), DENSE]),
    "residuals in the branch": ([CONV, POOL], [FLAT, DENSE], ADDING),
    "residuals first": ([CONV, POOL], [residual(PLAIN, activation="none"), FLAT, DENSE], NESTED),
    "a flat trunk": ([CONV, POOL, FLAT], [DENSE], [hidden(6), DENSE]),
    "a trunk with a dense end": ([CONV, POOL, FLAT, hidden(9)], [DENSE], [DENSE]),
    "a trunk with a global mean": ([CONV, GLOBAL], [hidden(8), DENSE], [DENSE]),
    "a trunk of a pool alone": ([POOL], [FLAT, DENSE], [CONV, GLOBAL, DENSE]),
    "a trunk with signed codes": ([CONV, PLAIN], [MEAN, FLAT, DENSE], [POOL, FLAT, DENSE]),
    "pools and one scale a tensor": ([CONV], [CONV, POOL, FLAT, DENSE], [CONV, MEAN, POOL, FLAT, hidden(6), DENSE]),
    "two bits": ([CONV], [CONV, FLAT, DENSE], [CONV, MEAN, FLAT, DENSE]),
    "eight bits": ([CONV], [CONV, MEAN, FLAT, DENSE], [CONV, POOL, FLAT, DENSE]),
    "colour images of odd sides": ([CONV], [POOL, FLAT, DENSE], [CONV, FLAT, DENSE]),
}
# What differs from the defaults of `build_case` and the members PAIR; parts that are not above are simple ones.
OPTIONS: dict[str, dict[str, Any]] = {
    "pools and one scale a tensor": {"quantization": {"weight_scaling": "tensor"}},
    "two bits": {"quantization": TWO_BITS},
    "eight bits": {"quantization": {"weight_bits": 8, "activation_bits": 8}},
    "colour images of odd sides": {"quantization": {"normalization": "standard"}, "shape": (3, 5, 7)},
    "a trunk with a global mean": {"seed": 4},
    "super-classes of one class and of many": {
        "members": ((4,), (0, 1, 2, 5, 6, 8), (3,), (7, 9)),
        "quantization": {"weight_bits": 3, "activation_bits": 5, "input_bits": 7},
    },
    "hidden layers": {"members": ((1,), (0, 2))},
}
PAIR = ((0, 3), (1, 2, 4))
MATRIX = sorted({*PARTS, *OPTIONS})


@dataclass(frozen=True, eq=False)
class Case:
    """A hierarchical Brevitas network, its float origin, and images uint8 (N, H, W, C) for it.

    `sibling` makes the same network from another seed.
    """

    origin: Any
    model: Any
    images: Any
    values: Any
    classes: tuple[str, ...]
    sibling: Callable[[int], Case]

    def exported(self, name: str = "net") -> Any:
        """Convert the network, without a proof."""
        from crossloom.training.prove import convert_model

        return convert_model(self.model, name, self.classes, self.images.shape[1:], self.values)


def build_case(
    parts: Parts,
    quantization: Mapping[str, Any] | None = None,
    members: tuple[tuple[int, ...], ...] = ((0, 1, 2), (3,), (4, 5)),
    shape: tuple[int, int, int] = (1, 8, 8),
    seed: int = 0,
    branches: str = "routed",
) -> Case:
    """Return a network of random weights and batch norms, quantized, then every learned parameter shaken.

    The biases of the coarse head are such that every branch gets some images.
    """
    import torch
    from torch import nn

    from crossloom.training.config import config_dict, parse_config
    from crossloom.training.hierarchical import build_float_network, quantize
    from crossloom.training.hierarchy import Hierarchy
    from crossloom.training.inputs import input_values, to_float

    layers, coarse, branch = (list(part) for part in parts)
    table = {"name": "net", "layers": layers, "coarse": coarse, "branch": branch}
    table |= {"hierarchy": {"spare": 1, "branches": branches}, "quantization": dict(quantization or {})}
    config = parse_config({**table, "training": {"seed": seed}})
    assert parse_config(config_dict(config)) == config
    hierarchy = Hierarchy(tuple(f"g{k}" for k in range(len(members))), members, "test")
    count = sum(map(len, members))
    network = build_float_network(config, shape, count, hierarchy).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.3, generator=random)
                module.running_var.uniform_(0.2, 2, generator=random)
                module.weight.uniform_(-1.5, 1.5, generator=random)
                module.bias.normal_(0, 0.3, generator=random)
    rng = np.random.default_rng(seed)
    images = (rng.integers(0, 256, (130, *shape[1:], shape[0])) * rng.random((130, 1, 1, 1))).astype(np.uint8)
    images[0], images[1] = 0, 255
    values = input_values(images, 256, config.quantization.normalization)
    model = quantize(network, to_float(images[:64], values))
    with torch.no_grad():
        for p in model.learned_parameters():
            by = torch.randn(p.shape, generator=random)
            p.add_(by if p.dim() == 0 else 0.4 * by * p.abs().mean())
        model.head[-1].bias -= model.head(model.trunk(to_float(images, values))).mean(0)

    def sibling(seed: int) -> Case:
        return build_case(parts, quantization, members, shape, seed, branches)

    return Case(network, model, images, values, tuple(f"class {i}" for i in range(count)), sibling)


@pytest.fixture(scope="session")
def routed() -> Callable[..., Case]:
    """Makes a hierarchical network of a trunk, a coarse head and a branch; see `build_case`. Tests may change it."""
    made: dict[str, Case] = {}

    def case(*arguments: Any, **options: Any) -> Case:
        key = repr((arguments, sorted(options.items())))
        if key not in made:
            made[key] = build_case(*arguments, **options)
        return copy.deepcopy(made[key])

    return case


@pytest.fixture(scope="session")
def matrix() -> Callable[[str], Case]:
    """Makes a network of the matrix by name, once."""
    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            made[name] = build_case(PARTS.get(name, SIMPLE), **{"members": PAIR, **OPTIONS.get(name, {})})
        return made[name]

    return case


@pytest.fixture(params=MATRIX)
def case(request: pytest.FixtureRequest, matrix: Callable[[str], Case]) -> Iterator[Case]:
    """Every network of the matrix in turn; tests must not change it."""
    yield matrix(request.param)
