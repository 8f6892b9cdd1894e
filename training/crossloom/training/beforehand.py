"""Refuses a recipe whose network could not be exported or written, before it is trained."""

from __future__ import annotations

import numpy as np

from crossloom.sim import ConfigError
from crossloom.sim.loom import MAX_FILE_BYTES

from .arguments import refuse_size
from .config import Config
from .data.labelled import Dataset
from .hierarchical import build_quantized_network
from .hierarchy import Hierarchy, given_hierarchy
from .plan import make_hierarchy_plan, make_plan, weight_count
from .prove import convert_model
from .spiking.fitting import check_time, encoder_of


def refuse_beforehand(config: Config, dataset: Dataset) -> None:
    """Raise ConfigError or ExportError for what will be refused of the trained network, as far as shapes tell.

    The network is built and exported with the weights that it begins with; super-classes that are to be discovered are
    as many as the recipe says, or two.
    """
    check_time(config, dataset)
    count, (height, width, channels) = len(dataset.classes), dataset.shape
    shape, hierarchy = (channels, height, width), given_hierarchy(config, dataset)
    if config.hierarchy is not None and hierarchy is None:
        groups = min(config.hierarchy.superclasses or 2, count)
        members = tuple(tuple(range(first, count, groups)) for first in range(groups))
        hierarchy = Hierarchy(tuple(f"g{index}" for index in range(groups)), members, "a stand-in")
    _refuse_weights(config, shape, count, hierarchy)
    model = build_quantized_network(config, shape, count, hierarchy)
    values = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    size = height, width, channels
    exported = convert_model(model, config.name, dataset.classes, size, values, encoder_of(config))
    refuse_size(exported.network, len(dataset.test))


def _refuse_weights(config: Config, shape: tuple[int, int, int], classes: int, hierarchy: Hierarchy | None) -> None:
    """Raise ConfigError for more weights than an artifact holds, before there is memory for them."""
    if hierarchy is None:
        count = weight_count(make_plan(config, shape, classes).steps)
    else:
        assert config.hierarchy is not None
        rows = max(len(members) for members in hierarchy.members) + config.hierarchy.spare
        plan = make_hierarchy_plan(config, shape, len(hierarchy.names), rows)
        count = sum(map(weight_count, (plan.trunk, plan.coarse))) + len(hierarchy.names) * weight_count(plan.branch)
    size = count * (1 if config.quantization.weight_bits <= 8 else 2)
    if size > MAX_FILE_BYTES:
        raise ConfigError(
            f"{config.source}: {count:,} weights, {size:,} bytes; an artifact has at most {MAX_FILE_BYTES:,}; take "
            "smaller layers"
        )
