"""Training recipes: a TOML file read into frozen dataclasses, every mistake named in one line."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from crossloom.sim.errors import ConfigError

MAX_FILE = 1 << 20
MAX_LAYERS = 256
MAX_NESTING = 2
NAMED_DATA = ("digits", "mnist", "fashion-mnist")

Rule: TypeAlias = Callable[[object], bool]
T = TypeVar("T")


def _rule(needed: str, check: Rule, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"needed": needed, "check": check})


def _int(lo: int, hi: int, default: Any = MISSING) -> Any:
    def check(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and lo <= value <= hi

    return _rule(f"an integer in {lo}..{hi}", check, default)


def _float(lo: float, hi: float, default: float) -> Any:
    def check(value: object) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value) and lo <= value <= hi  # type: ignore[arg-type, operator, no-any-return]  # `number` says that it is one

    return field(default=default, metadata={"needed": f"a number in {lo:g}..{hi:g}", "check": check, "float": True})


def _choice(*names: str, default: Any = MISSING) -> Any:
    return _rule(
        "one of " + ", ".join(f'"{n}"' for n in names), lambda value: isinstance(value, str) and value in names, default
    )


def _bool(default: bool | None) -> Any:
    return _rule("true or false", lambda value: isinstance(value, bool), default)


def _path(default: None) -> Any:
    return _rule(
        "a path in quotes", lambda value: isinstance(value, str) and bool(value.strip()) and "\0" not in value, default
    )


_NAME = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 64 and bool(_NAME.fullmatch(value))


@dataclass(frozen=True)
class DataConfig:
    """Which images. `path` is the folder of a named set, or the user's own folder of images by class, or `.npz`."""

    name: str | None = _choice(*NAMED_DATA, default=None)
    path: str | None = _path(None)
    validation: float = _float(0.01, 0.5, 0.1)


@dataclass(frozen=True)
class QuantizationConfig:
    """Widths in bits, and whether weights have one scale per output channel or per tensor (the last layer: tensor).

    `normalization` is "unit" (pixels scaled by a power of two to about 0..1) or "standard" (mean 0, deviation 1 per
    channel, computed on the training images).
    """

    weight_bits: int = _int(2, 8, 4)
    activation_bits: int = _int(2, 8, 4)
    input_bits: int = _int(2, 8, 8)
    weight_scaling: str = _choice("channel", "tensor", default="channel")
    normalization: str = _choice("unit", "standard", default="unit")


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training images, what comes in from outside being 0.

    `shift` pixels each way, `rotate` degrees each way, `scale` as a fraction of the size each way, left-right `flip`.
    """

    shift: int = _int(0, 64, 0)
    rotate: float = _float(0.0, 180.0, 0.0)
    scale: float = _float(0.0, 0.5, 0.0)
    flip: bool = _bool(False)


@dataclass(frozen=True)
class TrainingConfig:
    """The loop: `float_epochs` with batch norm, then `epochs` of quantization-aware training, each with its schedule.

    `float_precision` "bfloat16" or "auto" (bfloat16 where the CPU has AMX) concerns the float phase alone.
    """

    epochs: int = _int(1, 100_000, 20)
    float_epochs: int = _int(0, 100_000, 10)
    batch_size: int = _int(2, 65536, 64)
    learning_rate: float = _float(1e-7, 10.0, 2e-3)
    float_learning_rate: float = _float(1e-7, 10.0, 4e-3)
    weight_decay: float = _float(0.0, 10.0, 1e-4)
    label_smoothing: float = _float(0.0, 0.9, 0.0)
    schedule: str = _choice("cosine", "constant", default="cosine")
    seed: int = _int(0, 2**32 - 1, 1)
    float_precision: str = _choice("float32", "bfloat16", "auto", default="float32")
    augmentation: AugmentationConfig = AugmentationConfig()


@dataclass(frozen=True)
class Conv:
    """Convolution of square windows; `padding` defaults to kernel // 2; depthwise is groups = input channels."""

    channels: int | None = _int(1, 65536, None)
    kernel: int = _int(1, 31, 3)
    stride: int = _int(1, 31, 1)
    padding: int | None = _int(0, 15, None)
    groups: int = _int(1, 65536, 1)
    depthwise: bool = _bool(False)
    activation: str = _choice("relu", "none", default="relu")
    type = "conv"


@dataclass(frozen=True)
class MaxPool:
    """Maximum over square windows; `stride` defaults to the kernel."""

    kernel: int = _int(2, 64, 2)
    stride: int | None = _int(1, 64, None)
    padding: int = _int(0, 31, 0)
    type = "maxpool"


@dataclass(frozen=True)
class AvgPool:
    """Mean over square windows whose number of pixels is a power of two; `stride` defaults to the kernel."""

    kernel: int = _int(2, 64, 2)
    stride: int | None = _int(1, 64, None)
    type = "avgpool"


@dataclass(frozen=True)
class GlobalAvgPool:
    """Mean over the whole image, whose number of pixels must be a power of two; the result is flat."""

    type = "global_avgpool"


@dataclass(frozen=True)
class Residual:
    """`layers` plus their input, then an activation; `projection` is a 1x1 conv on the input (default: where shapes differ)."""

    layers: tuple[LayerConfig, ...]
    projection: bool | None = _bool(None)
    activation: str = _choice("relu", "none", default="relu")
    type = "residual"


@dataclass(frozen=True)
class Flatten:
    """Image to vector."""

    type = "flatten"


@dataclass(frozen=True)
class Dense:
    """Fully connected; the last layer may leave `units` out: the number of classes."""

    units: int | None = _int(1, 65536, None)
    activation: str = _choice("relu", "none", default="relu")
    type = "dense"


LayerConfig: TypeAlias = Conv | MaxPool | AvgPool | GlobalAvgPool | Residual | Flatten | Dense
_LAYERS: dict[str, type[Any]] = {c.type: c for c in (Conv, MaxPool, AvgPool, GlobalAvgPool, Residual, Flatten, Dense)}


@dataclass(frozen=True)
class Config:
    """A whole recipe. `source` is the file it came from, for messages."""

    name: str
    layers: tuple[LayerConfig, ...]
    data: DataConfig = DataConfig(name="digits")
    quantization: QuantizationConfig = QuantizationConfig()
    training: TrainingConfig = TrainingConfig()
    source: str = "recipe"


def load_config(path: str | Path) -> Config:
    """Read a recipe; raise ConfigError naming file, section, key, what was found, what is needed and what to do."""
    path = Path(path)
    try:
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
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}; needed valid TOML; correct that line") from None
    except RecursionError:
        raise ConfigError(
            f"{path}: nested too deeply; needed at most {MAX_NESTING} levels of layers; flatten it"
        ) from None
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str = "recipe") -> Config:
    """Return the recipe of a TOML-shaped table; raise ConfigError at the first mistake, `source` leading the line."""
    _only_known(source, "", table, ("name", "data", "quantization", "training", "layers"))
    name = table.get("name")
    if not _is_name(name):
        _refuse(
            source,
            "",
            "name",
            name,
            'lower-case letters, digits and "_", parts joined by "-"',
            'write name = "my-net"',
            "name" in table,
        )
    data = _section(source, "data", table.get("data", {"name": "digits"}), DataConfig)
    if data.name is None and data.path is None:
        known = ", ".join(f'"{n}"' for n in NAMED_DATA)
        raise ConfigError(
            f'{source}: [data]: neither name nor path; needed one of {known}, or a path; write name = "digits"'
        )
    if data.name not in (None, "digits") and data.path is None:
        raise ConfigError(
            f"{source}: [data] key 'path': missing; needed the folder with the {data.name} files; write path = \"FOLDER\""
        )
    if data.name == "digits" and data.path is not None:
        raise ConfigError(
            f"{source}: [data] key 'path': found {data.path!r} beside name 'digits'; needed one of them; remove the other"
        )
    training_table = _table(source, "training", table.get("training", {}))
    augmentation = _section(source, "training.augmentation", training_table.pop("augmentation", {}), AugmentationConfig)
    return Config(
        name=str(name),
        layers=_layers(source, "layers", table.get("layers"), 0),
        data=data,
        quantization=_section(source, "quantization", table.get("quantization", {}), QuantizationConfig),
        training=_section(source, "training", training_table, TrainingConfig, augmentation=augmentation),
        source=source,
    )


def config_dict(config: Config) -> dict[str, Any]:
    """Return the TOML-shaped table of a recipe, without `source`; `parse_config` reads it back."""
    return {
        "name": config.name,
        "data": _plain(config.data),
        "quantization": _plain(config.quantization),
        "training": _plain(config.training),
        "layers": [_plain(layer) for layer in config.layers],
    }


def override(config: Config, changes: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return the recipe with some keys changed, checked as a file is: `override(c, {"training": {"seed": 3}})`.

    Raises ConfigError for an unknown section or key, or a value out of range. A value of None removes the key.
    """
    table = config_dict(config)
    for section, values in changes.items():
        if section not in ("data", "quantization", "training"):
            raise ConfigError(
                f"{config.source}: [{section}]: unknown section; needed data, quantization or training; correct the name"
            )
        merged = {**table[section], **values}
        table[section] = {key: value for key, value in merged.items() if value is not None}
    return parse_config(table, config.source)


def _plain(part: Any) -> dict[str, Any]:
    table = {"type": part.type} if hasattr(part, "type") else {}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, tuple):
            value = [_plain(layer) for layer in value]
        elif hasattr(value, "__dataclass_fields__"):
            value = _plain(value)
        if value is not None:
            table[f.name] = value
    return table


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(source: str, section: str, key: str, value: object, needed: str, advice: str, present: bool = True) -> None:
    where = f"{source}: [{section}] key {key!r}" if section else f"{source}: key {key!r}"
    raise ConfigError(f"{where}: {'found ' + _shown(value) if present else 'missing'}; needed {needed}; {advice}")


def _only_known(source: str, section: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "remove it"
            where = f"{source}: [{section}] key" if section else f"{source}: key"
            raise ConfigError(
                f"{where} {key[:60]!r}: unknown; needed {', '.join(known) or 'no key but type'}; {advice}"
            )


def _table(source: str, section: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: [{section}]: found {_shown(value)}; needed a section of keys; write [{section}]")
    return dict(value)


def _section(source: str, section: str, value: object, kind: type[T], **ready: Any) -> T:
    """Return the dataclass `kind` of a table, each value checked by its field's rule; `ready` fields are made already."""
    table = _table(source, section, value)
    checked: dict[str, Field[Any]] = {f.name: f for f in fields(kind) if "check" in f.metadata}  # type: ignore[arg-type]  # T is a dataclass here
    _only_known(source, section, table, tuple(checked))
    values: dict[str, Any] = dict(ready)
    for key, found in table.items():
        rule = checked[key].metadata
        if not rule["check"](found):
            default = checked[key].default
            advice = f"write {key} = {_example(default)}" if default not in (MISSING, None) else "correct it"
            _refuse(source, section, key, found, rule["needed"], advice)
        values[key] = float(found) if rule.get("float") else found
    return kind(**values)


def _example(default: object) -> str:
    return f'"{default}"' if isinstance(default, str) else _shown(default)


def _layers(source: str, section: str, value: object, depth: int) -> tuple[LayerConfig, ...]:
    if depth > MAX_NESTING:
        raise ConfigError(
            f"{source}: [{section}]: residual nested {depth} deep; needed at most {MAX_NESTING}; flatten it"
        )
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LAYERS:
        found = (
            "missing"
            if value is None
            else f"{len(value)} of them"
            if isinstance(value, list)
            else f"found {_shown(value)}"
        )
        raise ConfigError(
            f"{source}: [[{section}]]: {found}; needed 1 to {MAX_LAYERS} layers; write one [[layers]] table each"
        )
    return tuple(_layer(source, f"{section}[{i}]", item, depth) for i, item in enumerate(value))


def _layer(source: str, section: str, value: object, depth: int) -> LayerConfig:
    table = _table(source, section, value)
    present = "type" in table
    name = table.pop("type", None)
    kind = _LAYERS.get(name) if isinstance(name, str) else None
    if kind is None:
        near = difflib.get_close_matches(name, list(_LAYERS), n=1) if isinstance(name, str) else []
        advice = f"did you mean {near[0]!r}?" if near else 'write type = "conv"'
        _refuse(source, section, "type", name, "one of " + ", ".join(_LAYERS), advice, present)
        raise AssertionError
    section = f"{section} {kind.type}"
    if kind is Residual:
        inner = _layers(source, f"{section}.layers", table.pop("layers", None), depth + 1)
        return _section(source, section, table, Residual, layers=inner)
    layer: LayerConfig = _section(source, section, table, kind)
    return layer
