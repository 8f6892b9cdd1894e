"""Recipes: what is read is what was written, and every mistake is one line that names file, key and cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.config import bcnn_recipe, config_dict, flat_recipe, load_config, override, parse_config
from crossloom.training.plan import make_hierarchy_plan, make_plan, weight_count

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


# -- hierarchical recipes ---------------------------------------------------------------------------------------

FLATTEN, POOL = {"type": "flatten"}, {"type": "maxpool"}


def routed(**changes: Any) -> dict[str, Any]:
    """A hierarchical recipe; a change to None takes a key away."""
    parts = {"hierarchy": {}, "layers": [CONV, POOL], "coarse": [FLATTEN, DENSE], "branch": [CONV, FLATTEN, DENSE]}
    made = {"name": "net", **parts, **changes}
    return {key: value for key, value in made.items() if value is not None}


def test_what_a_hierarchical_recipe_leaves_out_has_the_documented_defaults() -> None:
    found = parse_config(routed()).hierarchy
    assert found is not None
    assert (found.source, found.file, found.superclasses, found.balanced) == ("auto", None, None, False)
    assert (found.discovery_epochs, found.spare, found.branches) == (10, 2, "routed")
    assert (found.coarse_weight, found.final_coarse_weight) == (0.9, 0.5)


BAD_HIERARCHIES: list[tuple[dict[str, Any], str]] = [
    (routed(coarse=None), r"\[\[coarse\]\]: missing; needed 1 to 256 layers; write one \[\[coarse\]\] table each"),
    (routed(branch=None), r"\[\[branch\]\]: missing; needed 1 to 256 layers; write one \[\[branch\]\] table each"),
    (routed(branch=[]), r"\[\[branch\]\]: 0 of them"),
    (routed(layers=None), r"\[\[layers\]\]: missing"),
    (routed(hierarchy=None), r"\[\[coarse\]\]: there, but no \[hierarchy\]"),
    (routed(hierarchy=None, coarse=None), r"\[\[branch\]\]: there, but no \[hierarchy\]"),
    (routed(hierarchy=3), r"\[hierarchy\]: found 3; needed a section"),
    (routed(hierarchy={"superclass": 3}), "key 'superclass': unknown.*did you mean 'superclasses'"),
    (routed(hierarchy={"source": "file"}), r"\[hierarchy\] key 'file': source is 'file', file is missing"),
    (routed(hierarchy={"file": "h.json"}), r"\[hierarchy\] key 'file': source is 'auto', beside a file"),
    (routed(hierarchy={"source": "dataset", "file": "h"}), "key 'file': source is 'dataset', beside a file"),
    (routed(hierarchy={"source": "file", "file": ""}), "key 'file': found ''; needed a path"),
    (routed(hierarchy={"source": "cluster"}), "key 'source': found 'cluster'; needed one of"),
    (routed(hierarchy={"source": "dataset", "superclasses": 2}), "key 'superclasses': given, but .* from the dataset"),
    (routed(hierarchy={"source": "dataset", "balanced": True}), "key 'balanced': given, but .* from the dataset"),
    (routed(hierarchy={"source": "file", "file": "h", "superclasses": 2}), "key 'superclasses': given, but"),
    (routed(hierarchy={"source": "file", "file": "h", "balanced": True}), "key 'balanced': given, but .* the file"),
    (routed(hierarchy={"superclasses": 1}), "key 'superclasses': found 1; needed an integer in 2..256"),
    (routed(hierarchy={"spare": -1}), "key 'spare': found -1"),
    (routed(hierarchy={"coarse_weight": 1.1}), "key 'coarse_weight': found 1.1"),
    (routed(hierarchy={"final_coarse_weight": 0}), "key 'final_coarse_weight': found 0; needed a number in 0.01..0.99"),
    (routed(hierarchy={"branches": "both"}), "key 'branches': found 'both'"),
    (routed(coarse=[{"type": "cnv"}]), r"\[coarse\[0\]\] key 'type'.*did you mean 'conv'"),
    (routed(branch=[FLATTEN, {"type": "dense", "unit": 3}]), r"\[branch\[1\] dense\] key 'unit': unknown"),
    (table(data={"name": "digits", "exclude": "7"}), r"\[data\] key 'exclude': found '7'; needed a list of distinct"),
    (table(data={"name": "digits", "exclude": [7]}), "key 'exclude': found"),
    (table(data={"name": "digits", "exclude": ["7", "7"]}), "needed a list of distinct texts"),
    (table(data={"name": "digits", "exclude": [" "]}), "needed a list of distinct texts"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_HIERARCHIES, ids=[str(i) for i in range(len(BAD_HIERARCHIES))])
def test_a_mistake_in_a_hierarchical_recipe_is_one_line_too(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(bad, "r.toml")
    text = str(caught.value)
    assert text.startswith("r.toml: ") and "\n" not in text and text.count("; ") >= 2


SETTINGS: list[dict[str, Any]] = [
    {},
    {"source": "file", "file": "groups.json", "spare": 0},
    {"source": "discover", "superclasses": 3, "balanced": True, "discovery_epochs": 2},
    {"coarse_weight": 1, "final_coarse_weight": 0.25, "branches": "shared"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=[str(i) for i in range(len(SETTINGS))])
def test_a_hierarchical_recipe_written_as_a_table_reads_back_the_same(settings: dict[str, Any]) -> None:
    config = parse_config(routed(hierarchy=settings, data={"path": "x", "exclude": ["a", "b"]}), "r.toml")
    assert parse_config(config_dict(config), "r.toml") == config
    assert config.data.exclude == ("a", "b")
    for key, value in settings.items():
        assert getattr(config.hierarchy, key) == value


def test_an_override_reaches_the_hierarchy_where_there_is_one() -> None:
    config = parse_config(routed(hierarchy={"source": "discover", "superclasses": 3}), "r.toml")
    changed = override(config, {"hierarchy": {"superclasses": None, "spare": 5}, "data": {"exclude": ["7"]}})
    assert changed.hierarchy is not None
    assert (changed.hierarchy.superclasses, changed.hierarchy.spare, changed.data.exclude) == (None, 5, ("7",))
    assert (changed.layers, changed.coarse, changed.branch) == (config.layers, config.coarse, config.branch)
    with pytest.raises(ConfigError, match=r"r.toml: \[hierarchy\] key 'file': source is 'file', file is missing"):
        override(config, {"hierarchy": {"source": "file", "superclasses": None}})
    with pytest.raises(ConfigError, match=r"\[hierarchy\]: unknown section"):
        override(parse_config(table()), {"hierarchy": {"spare": 1}})


def test_the_flat_baseline_is_the_trunk_and_one_branch_with_all_classes() -> None:
    config = parse_config(routed(hierarchy={"spare": 7}, training={"seed": 9}, data={"path": "x"}), "r.toml")
    flat = flat_recipe(config)
    assert flat.name == "net-flat" and flat.hierarchy is None
    assert flat.layers == (*config.layers, *config.branch) and flat.coarse == flat.branch == ()
    assert (flat.training, flat.data, flat.quantization, flat.source) == (
        config.training, config.data, config.quantization, "r.toml",
    )  # fmt: skip
    assert make_plan(flat, (1, 8, 8), 10).macs == 64 * 4 * 9 + 16 * 4 * 4 * 9 + 64 * 10


def test_the_bcnn_baseline_shares_one_branch_and_keeps_the_rest() -> None:
    config = parse_config(routed(hierarchy={"source": "discover", "superclasses": 3}), "r.toml")
    bcnn = bcnn_recipe(config)
    assert bcnn.name == "net-bcnn" and bcnn.hierarchy is not None and bcnn.hierarchy.branches == "shared"
    assert override(bcnn, {"hierarchy": {"branches": "routed"}}).hierarchy == config.hierarchy
    assert (bcnn.layers, bcnn.coarse, bcnn.branch) == (config.layers, config.coarse, config.branch)


def test_a_baseline_of_a_flat_recipe_is_refused_and_one_of_a_long_name_is_not() -> None:
    for baseline in (flat_recipe, bcnn_recipe):
        with pytest.raises(
            ConfigError, match=r"r.toml: net is flat; a .* baseline needs a hierarchical recipe"
        ) as caught:
            baseline(parse_config(table(), "r.toml"))
        assert "\n" not in str(caught.value)
        for name in ("n" * 64, "n" * 58 + "-nnnnn"):
            assert len(baseline(parse_config(routed(name=name))).name) <= 64


HIERARCHICAL_MISFITS: list[tuple[dict[str, Any], str, str]] = [
    ({"coarse": [FLATTEN]}, "coarse[0] flatten", "it is the last layer; needed a dense layer last"),
    ({"branch": [CONV]}, "branch[0] conv", "it is the last layer; needed a dense layer last"),
    ({"coarse": [FLATTEN, {"type": "dense", "units": 4}]}, "coarse[1] dense", "found 4; needed 3 rows here"),
    ({"branch": [FLATTEN, {"type": "dense", "units": 4}]}, "branch[1] dense", "found 4; needed 6 rows here"),
    ({"coarse": [DENSE]}, "coarse[0] dense", "its input is an image"),
    ({"branch": [POOL, DENSE]}, "branch[1] dense", "its input is an image"),
    ({"layers": [CONV, FLATTEN]}, "coarse[0] flatten", "its input is flat"),
    ({"layers": [CONV, FLATTEN], "coarse": [DENSE]}, "branch[0] conv", "its input is flat"),
    ({"layers": [FLATTEN, DENSE], "coarse": [DENSE]}, "layers[1] dense", "key 'units': missing"),
    ({"layers": [CONV, DENSE]}, "layers[1] dense", "its input is an image"),
    ({"branch": [{"type": "conv", "channels": 6, "groups": 3}, FLATTEN, DENSE]}, "branch[0] conv", "groups that"),
    ({"coarse": [{"type": "avgpool", "kernel": 3}, FLATTEN, DENSE]}, "coarse[0] avgpool", "a power of two"),
    ({"branch": [{"type": "maxpool", "kernel": 5}, FLATTEN, DENSE]}, "branch[0] maxpool", "a window that fits"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "where", "words"), HIERARCHICAL_MISFITS, ids=[str(i) for i in range(len(HIERARCHICAL_MISFITS))]
)
def test_layers_that_do_not_fit_name_their_section(changes: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_hierarchy_plan(parse_config(routed(**changes), "r.toml"), (1, 8, 8), 3, 6)
    assert str(caught.value).startswith(f"r.toml: [{where}]") and words in str(caught.value)


def test_head_and_branch_both_read_what_the_trunk_ends_with() -> None:
    signed = {**CONV, "activation": "none"}
    mean = {"type": "avgpool"}
    parts = {"layers": [signed], "coarse": [CONV, mean, FLATTEN, DENSE], "branch": [mean, FLATTEN, DENSE]}
    plan = make_hierarchy_plan(parse_config(routed(**parts)), (1, 8, 8), 3, 6)
    assert [(s.name, s.inputs, s.outputs) for s in plan.coarse[::3]] == [
        ("coarse_conv1", 4, 4),
        ("coarse_dense4", 64, 3),
    ]
    assert (plan.branch[0].signed, plan.branch[2].inputs, plan.branch[2].outputs) == (True, 64, 6)
    assert plan.coarse[1].signed is False
    names = [step.name for part in (plan.trunk, plan.coarse, plan.branch) for step in part]
    assert len(set(names)) == len(names)


def test_the_cifar_recipes_have_the_layers_they_say() -> None:
    resnet = load_config(RECIPE.with_name("cifar10-resnet20.toml"))
    plan = make_plan(resnet, (3, 32, 32), 10)
    # 3x3 weights of 19 layers, 1x1 of the two projections, and the last layer's.
    widths = [(3, 16), *[(16, 16)] * 6, (16, 32), *[(32, 32)] * 5, (32, 64), *[(64, 64)] * 5]
    weights = sum(9 * a * b for a, b in widths) + 16 * 32 + 32 * 64 + 64 * 10
    assert weight_count(plan.steps) == weights
    sha = load_config(RECIPE.with_name("cifar10-sha.toml"))
    tree = make_hierarchy_plan(sha, (3, 32, 32), 3, 6)
    assert len(tree.branch) == 5 and tree.branch[-1].outputs == 6 and tree.coarse[-1].outputs == 3
    for recipe in (resnet, sha):
        assert parse_config(config_dict(recipe), recipe.source) == recipe
        assert recipe.training.float_precision == recipe.training.precision == recipe.training.threads == "auto"
