"""Refuses a recipe whose network could not be exported, before it is trained."""

from __future__ import annotations

import numpy as np

from .config import Config
from .data.labelled import Dataset
from .hierarchical import build_quantized_network
from .hierarchy import Hierarchy
from .prove import convert_model


def refuse_beforehand(config: Config, dataset: Dataset) -> None:
    """Raise ExportError for what export will refuse of the trained network, as far as shapes and types tell.

    The network is built and exported with the weights that it begins with; super-classes, whichever they will be,
    are two.
    """
    count, (height, width, channels) = len(dataset.classes), dataset.shape
    hierarchy = None
    if config.hierarchy is not None:
        labels = tuple(range(count))
        hierarchy = Hierarchy(("first", "second"), (labels[: count // 2], labels[count // 2 :]), "a stand-in")
    model = build_quantized_network(config, (channels, height, width), count, hierarchy)
    values = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    convert_model(model, config.name, dataset.classes, (height, width, channels), values)
