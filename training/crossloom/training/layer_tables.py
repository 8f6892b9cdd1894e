"""The layers of a recipe: one frozen dataclass for each type, and how a list of TOML tables becomes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from crossloom.sim.errors import ConfigError

from .rules import boolean, choice, integer, read_section, refuse, shown, subtable, suggestion

MAX_LAYERS = 256
MAX_NESTING = 2


@dataclass(frozen=True)
class Conv:
    """Convolution of square windows; `padding` defaults to kernel // 2; depthwise is groups = input channels."""

    channels: int | None = integer(1, 65536, None)
    kernel: int = integer(1, 31, 3)
    stride: int = integer(1, 31, 1)
    padding: int | None = integer(0, 15, None)
    groups: int = integer(1, 65536, 1)
    depthwise: bool = boolean(False)
    activation: str = choice("relu", "none", "lif", default="relu")
    type = "conv"


@dataclass(frozen=True)
class MaxPool:
    """Maximum over square windows; `stride` defaults to the kernel."""

    kernel: int = integer(2, 64, 2)
    stride: int | None = integer(1, 64, None)
    padding: int = integer(0, 31, 0)
    type = "maxpool"


@dataclass(frozen=True)
class AvgPool:
    """Mean over square windows whose number of pixels is a power of two; `stride` defaults to the kernel."""

    kernel: int = integer(2, 64, 2)
    stride: int | None = integer(1, 64, None)
    type = "avgpool"


@dataclass(frozen=True)
class GlobalAvgPool:
    """Mean over the whole image, whose number of pixels must be a power of two; the result is flat."""

    type = "global_avgpool"


@dataclass(frozen=True)
class Residual:
    """`layers` plus their input, then an activation; neurons within read what is behind others.

    `projection` puts a 1x1 convolution on the input; left out, it is there where the shapes differ.
    """

    layers: tuple[LayerConfig, ...]
    projection: bool | None = boolean(None)
    activation: str = choice("relu", "none", "lif", default="relu")
    type = "residual"


@dataclass(frozen=True)
class Flatten:
    """Image to vector."""

    type = "flatten"


@dataclass(frozen=True)
class Dense:
    """Fully connected; the last layer may leave `units` out: the number of classes."""

    units: int | None = integer(1, 65536, None)
    activation: str = choice("relu", "none", "lif", default="relu")
    type = "dense"


LayerConfig: TypeAlias = Conv | MaxPool | AvgPool | GlobalAvgPool | Residual | Flatten | Dense
_LAYERS: dict[str, type[Any]] = {c.type: c for c in (Conv, MaxPool, AvgPool, GlobalAvgPool, Residual, Flatten, Dense)}


def read_layers(source: str, section: str, value: object, depth: int) -> tuple[LayerConfig, ...]:
    """Return the layers of a list of tables; raise ConfigError at the first mistake, `source` leading the line."""
    if depth > MAX_NESTING:
        found = f"residual nested {depth} deep"
        raise ConfigError(f"{source}: [{section}]: {found}; needed at most {MAX_NESTING}; flatten it")
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LAYERS:
        found = f"{len(value)} of them" if isinstance(value, list) else f"found {shown(value)}"
        found = "missing" if value is None else found
        needed = f"1 to {MAX_LAYERS} layers"
        named = ".".join(re.findall(r"layers|coarse|branch", section))
        # Inside a residual, TOML spells it [[layers.layers]], [[branch.layers]].
        raise ConfigError(f"{source}: [[{section}]]: {found}; needed {needed}; write one [[{named}]] table each")
    return tuple(_layer(source, f"{section}[{i}]", item, depth) for i, item in enumerate(value))


def _layer(source: str, section: str, value: object, depth: int) -> LayerConfig:
    table = subtable(source, section, value)
    found = f"found {shown(table['type'])}" if "type" in table else "missing"
    name = table.pop("type", None)
    kind = _LAYERS.get(name) if isinstance(name, str) else None
    if kind is None:
        advice = suggestion(name, list(_LAYERS), 'write type = "conv"')
        refuse(source, section, "type", found, "one of " + ", ".join(_LAYERS), advice)
    section = f"{section} {kind.type}"
    if kind is Residual:
        inner = read_layers(source, f"{section}.layers", table.pop("layers", None), depth + 1)
        return read_section(source, section, table, Residual, layers=inner)
    layer: LayerConfig = read_section(source, section, table, kind)
    return layer
