"""Pictures of animals to grow classes with, and a hierarchical recipe that learns them in a moment."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from crossloom.sim import Artifact, Network, run
from crossloom.training.config import Config, parse_config
from crossloom.training.data.labelled import Dataset, split
from crossloom.training.growing import RATE
from crossloom.training.workflow import train_and_export

GROUPS = {"cats": ["lion", "lynx"], "dogs": ["wolf", "fox"], "fish": ["carp", "pike"]}
NEW = ("puma", "tiger", "manul", "otter")  # cats, the first three; the last looks like a dog or like a fish
EPOCHS = 4
CLASSES = ("wolf", "puma", "carp", "lion", "fox", "tiger", "lynx", "pike", "manul", "otter")


def pictures(classes: Sequence[str] = CLASSES, count: int = 30, size: int = 6) -> Dataset:
    """Noisy 6x6 pictures: a pattern of the super-class, and one of the class."""
    rng = np.random.default_rng(0)
    of_class = {name: group for group, names in GROUPS.items() for name in names}
    of_class |= dict.fromkeys(NEW[:3], "cats") | {"otter": "fish"}
    shared = {group: 110 * rng.integers(0, 2, (size, size)) for group in GROUPS}
    own = {name: shared[of_class[name]] + 60 * rng.integers(0, 2, (size, size)) for name in CLASSES}
    mixed = np.stack([shared["dogs"], shared["fish"]] * (count // 2 + 1))[:count]
    own["otter"] = mixed + 60 * rng.integers(0, 2, (size, size))
    images = {name: np.clip(own[name] + rng.normal(0, 12, (count, size, size)), 0, 255) for name in CLASSES}
    stacked = np.concatenate([images[name] for name in classes]).astype(np.uint8)[..., None]
    labels = np.repeat(np.arange(len(classes)), count)
    superclasses = tuple(of_class[name] for name in classes)
    return Dataset("pictures", tuple(classes), 256, stacked, labels, *split(stacked, labels, 0.2), superclasses)


def recipe(spare: int = 2, seed: int = 1, **parts: Any) -> Config:
    conv, flat, dense = {"type": "conv", "channels": 4}, {"type": "flatten"}, {"type": "dense"}
    hidden = {"type": "dense", "units": 8}
    table = {
        "name": "pets",
        "data": {"path": "pictures"},
        "hierarchy": {"spare": spare},
        "layers": [conv, {"type": "maxpool"}],
        "coarse": [flat, dense],
        "branch": [flat, hidden, dense],
        "training": {
            "epochs": 2,
            "float_epochs": 4,
            "batch_size": 12,
            "float_learning_rate": 2e-2,
            "learning_rate": 1e-2,
            "seed": seed,
        },
    }
    return parse_config({**table, **parts}, "pets.toml")


def trained(folder: Path, config: Config, dataset: Dataset) -> Artifact:
    return train_and_export(config, dataset, folder).artifact


def faster(artifact: Artifact) -> Artifact:
    """The artifact with a recipe by which a few epochs are enough to grow."""
    config = copy.deepcopy(artifact.info["config"])
    config["training"]["learning_rate"] = 0.01 / RATE
    return replace(artifact, info={**artifact.info, "config": config})


def branch_of(network: Network, name: str) -> int:
    assert network.route is not None
    return next(k for k, b in enumerate(network.route.branches) if b.name == name)


# -- what changes -----------------------------------------------------------------------------------------------


def accuracy(network: Network, data: Dataset, classes: Sequence[str]) -> float:
    """Share of the test images of these classes that are answered with their own name."""
    rows = [i for i in data.test if data.classes[data.labels[i]] in classes]
    answers = [network.classes[label] for label in run(network, data.images[rows]).labels]
    return float(np.mean([answer == data.classes[data.labels[i]] for answer, i in zip(answers, rows, strict=True)]))
