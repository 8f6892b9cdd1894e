"""Training recipes: a TOML file read into frozen dataclasses, every mistake named in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tomllib

from crossloom.sim.errors import ConfigError

from .data.registry import NAMED_DATA
from .layer_tables import MAX_NESTING, LayerConfig, read_layers
from .rules import (
    boolean,
    choice,
    file_path,
    integer,
    names,
    number,
    only_known,
    read_section,
    refuse,
    shown,
    subtable,
)
from .spiking.settings import SpikingConfig, check_encoder, check_fits, check_spiking

MAX_FILE = 1 << 20
MAX_NAME = 64
_SECTIONS = ("data", "quantization", "training", "hierarchy", "spiking")
_NAME = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")


@dataclass(frozen=True)
class DataConfig:
    """Which images. `path` is the folder of a named set, or the user's own folder of images by class, or `.npz`.

    The classes named in `exclude` are left out, so that they can be added later. `test` names another set of equal
    images, in `test_path` (left out: `path`), all of which become the test images.
    """

    name: str | None = choice(*NAMED_DATA, default=None)
    path: str | None = file_path(None)
    validation: float = number(0.01, 0.5, 0.1)
    exclude: tuple[str, ...] = names()
    test: str | None = choice(*NAMED_DATA, default=None)
    test_path: str | None = file_path(None)


@dataclass(frozen=True)
class QuantizationConfig:
    """Widths in bits, and whether weights have one scale per output channel or per tensor (the last layer: tensor).

    `normalization` is "unit" (pixels scaled by a power of two to about 0..1) or "standard" (mean 0, deviation 1 per
    channel, computed on the training images).
    """

    weight_bits: int = integer(2, 8, 4)
    activation_bits: int = integer(2, 8, 4)
    input_bits: int = integer(2, 8, 8)
    weight_scaling: str = choice("channel", "tensor", default="channel")
    normalization: str = choice("unit", "standard", default="unit")


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training images, what comes in from outside being 0.

    `shift` pixels each way, `rotate` degrees each way, `scale` as a fraction of the size each way, left-right `flip`.
    """

    shift: int = integer(0, 64, 0)
    rotate: float = number(0.0, 180.0, 0.0)
    scale: float = number(0.0, 0.5, 0.0)
    flip: bool = boolean(False)


@dataclass(frozen=True)
class TrainingConfig:
    """The loop: `float_epochs` with batch norm, then `epochs` of quantization-aware training, each with its schedule.

    `float_precision` and `precision` are those of the two phases; what is exported is chosen and proved in float32
    always. `threads` 0 leaves torch's own number; 1 is best for small networks, keeps its pace on a busy machine, and
    gives the same weights whatever the number of cores. "auto" takes what a step is fastest with, see `pace`.

    `ema` is the decay of a running average of the weights, see `averaging`; 0: none.

    `init` is the folder of a finished run of the same layers, which the float phase begins with the weights of; see
    `starting.start_from` for neurons in place of its ReLUs.
    """

    epochs: int = integer(1, 100_000, 20)
    float_epochs: int = integer(0, 100_000, 10)
    batch_size: int = integer(2, 65536, 64)
    learning_rate: float = number(1e-7, 10.0, 2e-3)
    float_learning_rate: float = number(1e-7, 10.0, 4e-3)
    weight_decay: float = number(0.0, 10.0, 1e-4)
    label_smoothing: float = number(0.0, 0.9, 0.0)
    schedule: str = choice("cosine", "one-cycle", "constant", default="cosine")
    seed: int = integer(0, 2**32 - 1, 1)
    threads: int | str = integer(0, 1024, 0, or_word="auto")
    float_precision: str = choice("float32", "bfloat16", "auto", default="float32")
    precision: str = choice("float32", "bfloat16", "auto", default="float32")
    ema: float = number(0.0, 0.99999, 0.0)
    init: str | None = file_path(None)
    augmentation: AugmentationConfig = AugmentationConfig()


@dataclass(frozen=True)
class HierarchyConfig:
    """Super-classes, and how trunk, coarse head and branches learn together.

    `source`: "auto" takes the data set's own super-classes where it has some, else discovers them; "dataset",
    "discover" and "file" (with the key `file`, JSON) ask for one. Discovery trains the flat network for
    `discovery_epochs` and clusters its validation confusion into `superclasses` groups (left out: chosen by
    silhouette), of equal sizes where `balanced`. Every branch has rows for the largest super-class and `spare` more.

    The loss is w * coarse + (1 - w) * fine; w goes from `coarse_weight` to `final_coarse_weight` over the float
    phase, as B-CNN (arXiv 1709.09890) shifts its losses from coarse to fine, and stays there. `branches` "shared" is
    the B-CNN itself: one branch with all classes, computed for every image.
    """

    source: str = choice("auto", "dataset", "discover", "file", default="auto")
    file: str | None = file_path(None)
    superclasses: int | None = integer(2, 256, None)
    balanced: bool = boolean(False)
    discovery_epochs: int = integer(1, 100_000, 10)
    spare: int = integer(0, 1024, 2)
    coarse_weight: float = number(0.0, 1.0, 0.9)
    final_coarse_weight: float = number(0.01, 0.99, 0.5)
    branches: str = choice("routed", "shared", default="routed")


@dataclass(frozen=True)
class Config:
    """A whole recipe. `source` is the file it came from, for messages.

    With a `hierarchy`, `layers` are the trunk, `coarse` the layers of the coarse head and `branch` those of every
    branch; without, `layers` are the network. With `spiking`, it has time.
    """

    name: str
    layers: tuple[LayerConfig, ...]
    coarse: tuple[LayerConfig, ...] = ()
    branch: tuple[LayerConfig, ...] = ()
    hierarchy: HierarchyConfig | None = None
    spiking: SpikingConfig | None = None
    data: DataConfig = DataConfig(name="digits")
    quantization: QuantizationConfig = QuantizationConfig()
    training: TrainingConfig = TrainingConfig()
    source: str = "recipe"


def load_config(path: str | Path) -> Config:
    """Read a recipe; raise ConfigError naming file, section, key, what was found, what is needed and what to do."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # of which reading may never end
            raise ConfigError(f"{path}: no plain file; needed a recipe in TOML; check the path")
        raw = path.open("rb").read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); needed a recipe in TOML; check the path"
        ) from None
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path}: more than {MAX_FILE} bytes; needed a recipe in TOML; check the path")
    try:
        table = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; needed a recipe in TOML; save it as UTF-8"
        ) from None
    except ValueError as error:  # a number of thousands of digits is one, but no TOMLDecodeError
        raise ConfigError(f"{path}: {' '.join(str(error).split())}; needed valid TOML; correct that line") from None
    except RecursionError:
        raise ConfigError(
            f"{path}: nested too deeply; needed at most {MAX_NESTING} levels of layers; flatten it"
        ) from None
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str = "recipe") -> Config:
    """Return the recipe of a TOML-shaped table; raise ConfigError at the first mistake, `source` leading the line."""
    only_known(source, "", table, [*_SECTIONS, "name", "layers", "coarse", "branch"])
    name = table.get("name")
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        found = f"found {shown(name)}" if "name" in table else "missing"
        needed = 'lower-case letters, digits and "_", parts joined by "-"'
        refuse(source, "", "name", found, needed, 'write name = "my-net"')
    data = read_section(source, "data", table.get("data", {"name": "digits"}), DataConfig)
    if data.name is None and data.path is None:
        known = ", ".join(f'"{n}"' for n in NAMED_DATA)
        refuse(source, "data", "name", "missing, and path too", f"one of {known}, or a path", 'write name = "digits"')
    if data.name is not None and data.path is not None and not NAMED_DATA[data.name].needs_folder:
        found = f"found {shown(data.path)} beside name {data.name!r}"
        refuse(source, "data", "path", found, "one of them", "remove the other")
    if data.test is not None and data.test == data.name:
        refuse(source, "data", "test", f"found {shown(data.test)}, its own name", "another data set's", "remove it")
    if data.test_path is not None and data.test is None:
        refuse(source, "data", "test_path", "given, but test is not", "both", "write test, or remove it")
    training_table = subtable(source, "training", table.get("training", {}))
    augmentation = read_section(
        source, "training.augmentation", training_table.pop("augmentation", {}), AugmentationConfig
    )
    hierarchy = None
    if "hierarchy" in table:
        hierarchy = read_section(source, "hierarchy", table["hierarchy"], HierarchyConfig)
        _check_hierarchy(source, hierarchy)
    for part in ("coarse", "branch"):
        if part in table and hierarchy is None:
            found = "there, but no [hierarchy]"
            raise ConfigError(f"{source}: [[{part}]]: {found}; needed both or none; write [hierarchy], or remove it")
    layers = read_layers(source, "layers", table.get("layers"), 0)
    training = read_section(source, "training", training_table, TrainingConfig, augmentation=augmentation)
    if training.init is not None and hierarchy is not None:
        refuse(source, "training", "init", "given beside [hierarchy]", "a flat network for it", "remove one of them")
    spiking = None
    if "spiking" in table:
        spiking = read_section(source, "spiking", table["spiking"], SpikingConfig)
        check_spiking(source, spiking)
    quantization = read_section(source, "quantization", table.get("quantization", {}), QuantizationConfig)
    plain = quantization.input_bits == QuantizationConfig.input_bits
    init, tree = training.init is not None, hierarchy is not None
    check_encoder(source, spiking, plain, quantization.normalization, tree, init)
    coarse = read_layers(source, "coarse", table.get("coarse"), 0) if hierarchy else ()
    branch = read_layers(source, "branch", table.get("branch"), 0) if hierarchy else ()
    check_fits(
        source,
        spiking,
        (*layers, *coarse, *branch),
        hierarchy is not None,
        training.float_precision,
        training.precision,
    )
    return Config(
        name=name,
        layers=layers,
        coarse=coarse,
        branch=branch,
        hierarchy=hierarchy,
        spiking=spiking,
        data=data,
        quantization=quantization,
        training=training,
        source=source,
    )


def _check_hierarchy(source: str, hierarchy: HierarchyConfig) -> None:
    """Refuse keys that the source of the super-classes would leave without effect."""
    if (hierarchy.file is None) == (hierarchy.source == "file"):
        found = f"source is {shown(hierarchy.source)}"
        found += ", file is missing" if hierarchy.file is None else ", beside a file"
        refuse(source, "hierarchy", "file", found, 'file with source "file", and nowhere else', "correct one of them")
    if hierarchy.source in ("dataset", "file"):
        for key, given in (("superclasses", hierarchy.superclasses is not None), ("balanced", hierarchy.balanced)):
            if given:
                found = f"given, but the super-classes come from the {hierarchy.source}"
                refuse(source, "hierarchy", key, found, 'source "discover" for it', "remove it, or change source")


def config_dict(config: Config) -> dict[str, Any]:
    """Return the TOML-shaped table of a recipe, without `source`; `parse_config` reads it back."""
    table: dict[str, Any] = {"name": config.name}
    for name in _SECTIONS:
        section = getattr(config, name)
        if section is not None:
            table[name] = _plain(section)
    for name in ("layers", "coarse", "branch"):
        layers = getattr(config, name)
        if layers:
            table[name] = [_plain(layer) for layer in layers]
    return table


def flat_recipe(config: Config) -> Config:
    """Return the flat baseline of a hierarchical recipe: trunk and one branch-shaped tail with all classes."""
    table = config_dict(_hierarchical(config, "flat baseline"))
    table["layers"] = [*table["layers"], *table.pop("branch")]
    del table["coarse"], table["hierarchy"]
    return parse_config({**table, "name": _baseline_name(config, "-flat")}, config.source)


def bcnn_recipe(config: Config) -> Config:
    """Return the B-CNN baseline of a hierarchical recipe: one tail with all classes beside the coarse head."""
    table = config_dict(_hierarchical(config, "B-CNN baseline"))
    table["hierarchy"]["branches"] = "shared"
    return parse_config({**table, "name": _baseline_name(config, "-bcnn")}, config.source)


def _baseline_name(config: Config, suffix: str) -> str:
    return config.name[: MAX_NAME - len(suffix)].rstrip("-") + suffix


def _hierarchical(config: Config, what: str) -> Config:
    if config.hierarchy is None:
        raise ConfigError(
            f"{config.source}: {config.name} is flat; a {what} needs a hierarchical recipe; name one with [hierarchy]"
        )
    return config


def override(config: Config, changes: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return the recipe with some keys changed, checked as a file is: `override(c, {"training": {"seed": 3}})`.

    Raises ConfigError for an unknown section or key, or a value out of range. A value of None removes the key.
    """
    table = config_dict(config)
    for section, values in changes.items():
        if section not in table or section not in _SECTIONS:
            needed = "one of " + ", ".join(name for name in _SECTIONS if name in table)
            raise ConfigError(f"{config.source}: [{section}]: unknown section; needed {needed}; correct the name")
        merged = {**table[section], **values}
        table[section] = {key: value for key, value in merged.items() if value is not None}
    return parse_config(table, config.source)


def _plain(part: Any) -> dict[str, Any]:
    table = {"type": part.type} if hasattr(part, "type") else {}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, tuple):
            # An empty list says what leaving it out says.
            value = [_plain(item) if hasattr(item, "type") else item for item in value] or None
        elif hasattr(value, "__dataclass_fields__"):
            value = _plain(value)
        if value is not None:
            table[f.name] = value
    return table
