"""Recipes: what is read is what was written, and every mistake is one line that names file, key and cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.config import config_dict, load_config, override, parse_config
from crossloom.training.plan import make_plan

RECIPE = Path(__file__).parents[2] / "training" / "configs" / "digits-cnn.toml"
CONV = {"type": "conv", "channels": 4}
DENSE = {"type": "dense"}


def table(**changes: Any) -> dict[str, Any]:
    return {"name": "net", "layers": [CONV, {"type": "flatten"}, DENSE], **changes}


def plan_of(*layers: dict[str, Any], shape: tuple[int, int, int] = (1, 8, 8)) -> Any:
    return make_plan(parse_config(table(layers=list(layers)), "r.toml"), shape, 10)


def test_the_shipped_recipe_is_w4a4_small_and_has_every_kind_of_stage() -> None:
    config = load_config(RECIPE)
    assert (config.quantization.weight_bits, config.quantization.activation_bits) == (4, 4)
    assert {layer.type for layer in config.layers} >= {"conv", "residual", "maxpool", "avgpool", "flatten", "dense"}
    assert make_plan(config, (1, 8, 8), 10).macs < 500_000


def test_a_recipe_written_as_a_table_reads_back_the_same() -> None:
    config = load_config(RECIPE)
    assert parse_config(config_dict(config), config.source) == config


def test_four_bit_weights_and_activations_and_digits_are_the_default() -> None:
    config = parse_config(table())
    assert (config.quantization.weight_bits, config.quantization.activation_bits, config.data.name) == (4, 4, "digits")


def test_an_override_is_checked_like_a_file() -> None:
    config = parse_config(table())
    assert override(config, {"training": {"seed": 7}}).training.seed == 7
    with pytest.raises(ConfigError, match="key 'seed'"):
        override(config, {"training": {"seed": -1}})
    with pytest.raises(ConfigError, match="unknown section"):
        override(config, {"layers": {}})


BAD: list[tuple[dict[str, Any], str]] = [
    (table(nam="x"), "key 'nam': unknown.*did you mean 'name'"),
    (table(name="My Net"), "key 'name': found 'My Net'"),
    ({"layers": [DENSE]}, "key 'name': missing"),
    (table(training={"epoch": 3}), r"\[training\] key 'epoch': unknown.*did you mean 'epochs'"),
    (table(training={"epochs": "ten"}), r"\[training\] key 'epochs': found 'ten'; needed an integer.*epochs = 20"),
    (table(training={"epochs": True}), "found true; needed an integer"),
    (table(training={"epochs": 0}), "found 0; needed an integer in 1"),
    (table(training={"learning_rate": float("nan")}), "found nan; needed a number"),
    (table(training={"learning_rate": 10**400}), "needed a number"),
    (table(training={"schedule": "step"}), "needed one of"),
    (table(training={"augmentation": {"shift": -1}}), r"\[training.augmentation\] key 'shift'"),
    (table(training=3), r"\[training\]: found 3; needed a section"),
    (table(quantization={"weight_bits": 9}), r"\[quantization\] key 'weight_bits': found 9; needed an integer in 2..8"),
    (table(quantization={"weight_scaling": "group"}), 'needed one of "channel", "tensor"'),
    (table(data={"name": "imagenet"}), r"\[data\] key 'name': found 'imagenet'"),
    (table(data={}), "missing, and path too"),
    (table(data={"name": "digits", "path": "x"}), "remove the other"),
    (table(data={"path": ""}), "needed a path"),
    (table(layers=[]), "0 of them; needed 1 to"),
    (table(layers=None), r"\[\[layers\]\]: missing"),
    (table(layers=[3]), r"\[layers\[0\]\]: found 3"),
    (table(layers=[{}]), "key 'type': missing"),
    (table(layers=[{"type": ["conv"]}]), "key 'type': found"),
    (table(layers=[{"type": "cnv"}]), "did you mean 'conv'"),
    (table(layers=[{"type": "conv", "channels": 1.5}]), r"\[layers\[0\] conv\] key 'channels': found 1.5"),
    (table(layers=[{"type": "flatten", "size": 1}]), "key 'size': unknown"),
    (table(layers=[{"type": "residual"}]), r"layers\[0\] residual.layers\]\]: missing"),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_a_mistake_is_one_line_that_names_file_key_and_cure(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(bad, "r.toml")
    text = str(caught.value)
    assert text.startswith("r.toml: ") and "\n" not in text and text.count("; ") >= 2


def test_residuals_nested_without_end_are_refused() -> None:
    layer: dict[str, Any] = CONV
    for _ in range(200):
        layer = {"type": "residual", "layers": [layer]}
    with pytest.raises(ConfigError, match="nested"):
        parse_config(table(layers=[layer, DENSE]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = ", "needed valid TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a=" + b"[" * 5000, "needed"),
        (b"#" * (1 << 20) + b"##", "more than"),
    ],
)
def test_a_file_that_is_no_toml_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path)


MISFITS: list[tuple[list[dict[str, Any]], str]] = [
    ([CONV, {"type": "flatten"}], "needed a dense layer last"),
    ([CONV, DENSE], "its input is an image"),
    ([{"type": "flatten"}, CONV, DENSE], "its input is flat"),
    ([{"type": "flatten"}, {"type": "dense", "units": 9}], "key 'units': found 9; needed 10"),
    ([{"type": "flatten"}, DENSE, DENSE], "key 'units': missing"),
    ([{"type": "conv"}, {"type": "flatten"}, DENSE], "key 'channels': missing"),
    ([CONV, {"type": "avgpool", "kernel": 3}, {"type": "flatten"}, DENSE], "3x3 = 9 pixels; needed a power of two"),
    (
        [{"type": "conv", "channels": 4, "kernel": 2, "padding": 0}, {"type": "global_avgpool"}, DENSE],
        "7x7 = 49 pixels; needed a power of two",
    ),
    ([{"type": "conv", "channels": 4, "kernel": 9, "padding": 0}, {"type": "flatten"}, DENSE], "a window that fits"),
    ([CONV, {"type": "conv", "channels": 6, "groups": 4}, {"type": "flatten"}, DENSE], "groups that divide both"),
    ([CONV, {"type": "conv", "depthwise": True, "groups": 2}, {"type": "flatten"}, DENSE], "beside depthwise"),
    ([CONV, {"type": "maxpool", "kernel": 2, "padding": 2}, {"type": "flatten"}, DENSE], "at most half the kernel"),
    (
        [CONV, {"type": "residual", "projection": False, "layers": [{"type": "conv", "channels": 8}]}, DENSE],
        "needed equal shapes",
    ),
    (
        [CONV, {"type": "residual", "layers": [{"type": "conv", "channels": 8, "padding": 0}]}, DENSE],
        "a size that a 1x1 conv",
    ),
]


@pytest.mark.parametrize(("layers", "message"), MISFITS, ids=[str(i) for i in range(len(MISFITS))])
def test_layers_that_do_not_fit_are_refused_by_name(layers: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        plan_of(*layers)
    assert str(caught.value).startswith("r.toml: [layers[")


def test_the_plan_counts_multiplications_by_hand() -> None:
    plan = plan_of(CONV, {"type": "conv", "depthwise": True, "stride": 2}, {"type": "flatten"}, DENSE)
    assert plan.macs == 64 * 4 * 9 + 16 * 4 * 9 + 64 * 10


def test_a_residual_that_changes_its_shape_gets_a_projection_with_the_stride_that_fits() -> None:
    plan = plan_of(
        CONV,
        {"type": "residual", "layers": [{"type": "conv", "channels": 6, "stride": 2, "activation": "none"}]},
        {"type": "flatten"},
        DENSE,
    )
    projection = plan.steps[1].projection
    assert (projection.inputs, projection.outputs, projection.stride, projection.kernel) == (4, 6, 2, 1)
