"""Recipes and data small enough to train in a moment, flat and hierarchical."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from crossloom.training.config import Config, parse_config  # noqa: E402
from crossloom.training.data.digits import digits  # noqa: E402
from crossloom.training.data.labelled import Dataset, split  # noqa: E402
from crossloom.training.runs import TrainedModel  # noqa: E402

RECIPE = Path(__file__).parents[2] / "training" / "configs" / "digits-cnn.toml"


class Stop(Exception):
    """What a test raises to stop a run."""


def config_of(**training: Any) -> Config:
    table = {
        "name": "small",
        "quantization": {"input_bits": 4},
        "training": {
            "epochs": 3,
            "float_epochs": 2,
            "batch_size": 32,
            "augmentation": {"shift": 1, "flip": True},
            **training,
        },
        "layers": [
            {"type": "conv", "channels": 4},
            {"type": "maxpool"},
            {"type": "residual", "layers": [{"type": "conv", "channels": 4, "activation": "none"}]},
            {"type": "avgpool"},
            {"type": "flatten"},
            {"type": "dense"},
        ],
    }
    return parse_config(table, "small.toml")


def small() -> Dataset:
    data = digits()
    images, labels = data.images[:300], data.labels[:300]
    return Dataset("small", data.classes, 17, images, labels, *split(images, labels, 0.2))


def same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


PARTS: dict[str, Any] = {
    "layers": [{"type": "conv", "channels": 4, "stride": 2}],
    "coarse": [{"type": "maxpool"}, {"type": "flatten"}, {"type": "dense"}],
    "branch": [{"type": "flatten"}, {"type": "dense", "units": 6}, {"type": "dense"}],
}
PAIRS = {"a": ["1", "0"], "b": ["2", "3"], "c": ["4", "5", "6"], "d": ["7", "8", "9"]}


def tree_config(hierarchy: dict[str, Any] | None = None, parts: dict[str, Any] = PARTS, **training: Any) -> Config:
    discover = {"source": "discover", "superclasses": 3, "discovery_epochs": 2, "spare": 1}
    table = {
        "name": "tree",
        "quantization": {"input_bits": 4},
        "hierarchy": discover if hierarchy is None else hierarchy,
        "training": {"epochs": 2, "float_epochs": 3, "batch_size": 16, "float_learning_rate": 2e-2, **training},
    }
    return parse_config({**table, **parts}, "tree.toml")


def grouped(superclasses: Mapping[str, list[str]] = PAIRS) -> Dataset:
    of_class = {name: group for group, names in superclasses.items() for name in names}
    data = small()
    return replace(data, superclasses=tuple(of_class[name] for name in data.classes))


def timeless(trained: TrainedModel) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in trained.history]
