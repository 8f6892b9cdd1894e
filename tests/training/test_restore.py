"""From an artifact back to Brevitas: the very same network for what fits, one clear line for what does not."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from crossloom.sim import Artifact, Input, Network, QType, load  # noqa: E402 - after the skip
from crossloom.sim.errors import CrossloomError  # noqa: E402
from crossloom.sim.identity import weights_sha256  # noqa: E402
from crossloom.training.config import config_dict, flat_recipe  # noqa: E402
from crossloom.training.inputs import to_float  # noqa: E402
from crossloom.training.models import build_float, quantize  # noqa: E402
from crossloom.training.prove import convert_model  # noqa: E402
from crossloom.training.restore import restore  # noqa: E402
from crossloom.training.spiking.fitting import encoder_of  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

Make = Callable[..., Any]
DESIGNS = Path(__file__).parents[2] / "bitstreams"

CONV: dict[str, Any] = {"type": "conv", "channels": 4}
FLAT, DENSE, POOL = {"type": "flatten"}, {"type": "dense"}, {"type": "maxpool"}
SMALL = ([CONV, POOL], [FLAT, DENSE], [FLAT, {"type": "dense", "units": 6}, DENSE])
PARTS = ([CONV, POOL], [FLAT, DENSE], [CONV, FLAT, {"type": "dense", "units": 6}, DENSE])


def artifact_of(case: Any) -> Artifact:
    return Artifact(case.exported().network, {"config": config_dict(case.model.plan.config)})


@pytest.fixture(scope="module")
def plain(routed: Make) -> Any:
    return routed(PARTS)


@pytest.fixture(scope="module")
def artifact(plain: Any) -> Artifact:
    return artifact_of(plain)


def test_the_restored_network_exports_to_the_same_weights_and_answers_the_same(case: Any) -> None:
    artifact = artifact_of(case)
    restored = restore(artifact)
    again = convert_model(restored.model, "net", case.classes, case.images.shape[1:], restored.values).network
    assert weights_sha256(again) == weights_sha256(artifact.network)
    with torch.no_grad():
        wanted = case.model(to_float(case.images, case.values))
        assert torch.equal(restored.model(to_float(case.images, restored.values)), wanted)
    assert config_dict(restored.config) == artifact.info["config"] and restored.model.members == case.model.members


@pytest.mark.parametrize("path", sorted(DESIGNS.glob("*/*.loom")), ids=lambda p: p.stem)
def test_a_shipped_design_is_restored(path: Path) -> None:
    artifact = load(path)
    restored = restore(artifact)
    shape = artifact.network.input.shape
    given = shape, restored.values, encoder_of(restored.config)
    again = convert_model(restored.model, "other", artifact.network.classes, *given).network
    assert weights_sha256(again) == weights_sha256(artifact.network)


def test_a_flat_network_is_restored(plain: Any) -> None:
    config = flat_recipe(plain.model.plan.config)
    model = quantize(build_float(config, (1, 8, 8), 6).eval(), to_float(plain.images[:64], plain.values))
    network = convert_model(model, "net", plain.classes, (8, 8, 1), plain.values).network
    restored = restore(Artifact(network, {"config": config_dict(config)}))
    with torch.no_grad():
        x = to_float(plain.images, plain.values)
        assert torch.equal(restored.model(x), model(x))


def _fill(value: float) -> Callable[[Any], None]:
    return lambda weight: weight.fill_(value)


def _peak(weight: Any) -> None:
    """The greatest code of each channel becomes half the range: 4 of 7 in four bits."""
    top = weight.abs().flatten(1).max(1)[0].reshape([-1] + [1] * (weight.dim() - 1))
    weight.copy_((weight / top).clamp(-1, 1) * 4.2 / 8)


def _rows(change: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda weight: change(weight[:2])


ODD: dict[str, Callable[[Any], None]] = {
    "half the range": _peak,
    "half the range in some channels": _rows(_peak),
    "all dead": _fill(0.0),
    "some dead channels": _rows(_fill(0.0)),
    "channels nine bits smaller": _rows(lambda weight: weight.div_(512)),
    "channels that round to zero": _rows(lambda weight: weight.div_(1 << 20)),
    "channels almost dead": _rows(lambda weight: weight.div_(1 << 31)),
    "equal weights": _fill(0.3),
    "equal weights of half the range": _fill(-0.5 * 1.06),
    "huge weights": lambda weight: weight.mul_(1 << 14),
    "tiny weights": lambda weight: weight.div_(1 << 18),
}


@pytest.mark.parametrize(("bits", "scaling"), [(4, "channel"), (4, "tensor"), (2, "channel")])
def test_weights_at_the_edges_of_the_quantizer_are_restored(routed: Make, bits: int, scaling: str) -> None:
    case = routed(SMALL, {"weight_bits": bits, "weight_scaling": scaling}, ((0,), (1, 2)))
    before = copy.deepcopy(case.model.state_dict())
    x = to_float(case.images[:20], case.values)
    layers = [case.model.trunk.conv1, case.model.head.coarse_dense2]
    layers += [layer for bank in case.model.banks for layer in (bank.branch_dense2, bank.branch_dense3)]
    for turn in range(4):
        case.model.load_state_dict(before)
        names = [list(ODD)[(6 * turn + i) % len(ODD)] for i in range(len(layers))]
        with torch.no_grad():
            for layer, name in zip(layers, names, strict=True):
                ODD[name](layer.weight)
                layer.bias.zero_()  # its codes may not fit otherwise
            again = restore(artifact_of(case)).model
            assert torch.equal(again(x), case.model(x)), names


def test_nested_residuals_with_long_names_are_restored(routed: Make) -> None:
    def inner(channels: int) -> dict[str, Any]:
        layers = [{**CONV, "channels": channels}, {**CONV, "channels": channels, "activation": "none"}]
        return {"type": "residual", "projection": True, "layers": layers}

    branch = [{"type": "residual", "projection": True, "layers": [CONV, inner(5), inner(6)]}, FLAT, DENSE]
    case = routed(([CONV, POOL], [FLAT, DENSE], branch))
    artifact = artifact_of(case)
    names = [node.name for node in artifact.network.route.branches[0].nodes]
    assert len(set(names)) == len(names) and max(map(len, names)) <= 64
    restored = restore(artifact)
    with torch.no_grad():
        assert torch.equal(
            restored.model(to_float(case.images, restored.values)), case.model(to_float(case.images, case.values))
        )


# -- what does not fit ------------------------------------------------------------------------------------------


def refused(artifact: Artifact) -> str:
    with pytest.raises(CrossloomError) as caught:
        restore(artifact)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


def with_config(artifact: Artifact, change: Callable[[dict[str, Any]], Any]) -> Artifact:
    table = copy.deepcopy(artifact.info["config"])
    found = change(table)
    return replace(artifact, info={**artifact.info, "config": table if found is None else found})


def test_an_artifact_without_a_recipe_is_one_line(artifact: Artifact) -> None:
    for info in ({}, {"config": None}, {"config": []}, {"config": "digits-sha"}):
        assert "missing from its information; needed an artifact that 'crossloom train' made" in refused(
            replace(artifact, info=info)
        )


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    *where, value = path

    def change(table: dict[str, Any]) -> None:
        place: Any = table
        for key in where[:-1]:
            place = place[key]
        place[where[-1]] = value

    return change


OTHER: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "fewer channels": (_set("layers", 0, "channels", 3), "conv1"),
    "another kernel": (_set("layers", 0, "kernel", 1), "conv1"),
    "another padding": (_set("layers", 0, "padding", 0), ""),
    "another activation": (_set("layers", 0, "activation", "none"), "conv1"),
    "another pool": (_set("layers", 1, {"type": "avgpool"}), ""),
    "a layer more": (lambda t: t["branch"].insert(0, CONV), "branch_"),
    "a layer less": (lambda t: t["branch"].pop(2) and None, "branch_"),
    "other weights": (_set("quantization", "weight_bits", 5), "describes another network"),
    "wider activations": (_set("quantization", "activation_bits", 8), "describes another network"),
    "narrower activations": (_set("quantization", "activation_bits", 2), "describes another network"),
    "another input": (_set("quantization", "input_bits", 4), "describes another network"),
    "another sign of the input": (_set("quantization", "normalization", "standard"), "describes another network"),
    "scales of tensors": (_set("quantization", "weight_scaling", "tensor"), "describes another network"),
    "units": (_set("branch", 2, "units", 7), "branch_dense3"),
    "a huge layer": (_set("branch", 2, "units", 65536), "branch_dense3"),
    "huge windows": (_set("layers", 0, {"type": "conv", "channels": 65536, "kernel": 31, "padding": 15}), "conv1"),
    "more than any memory": (
        _set("layers", [{"type": "conv", "channels": 65536, "kernel": 31, "padding": 15}] * 2),
        "conv1",
    ),
    "no branch": (lambda t: t.pop("branch") and None, "[[branch]]: missing"),
    "flat": (
        lambda t: {k: t[k] for k in t if k not in ("hierarchy", "coarse", "branch")},
        "flat, which the network is",
    ),
    "an unknown key": (_set("quantization", "bits", 4), "key 'bits': unknown"),
    "a wrong type": (_set("quantization", "weight_bits", "4"), "found '4'"),
    "layers that are none": (_set("layers", {"type": "conv"}), "[[layers]]: found"),
    "a layer that is none": (_set("layers", 0, None), "[layers[0]]: found None"),
    "nothing": (lambda t: {}, "key 'name': missing"),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_recipe_of_another_network_is_one_line(artifact: Artifact, name: str) -> None:
    change, words = OTHER[name]
    assert words in refused(with_config(artifact, change))


def test_a_hierarchical_recipe_does_not_restore_a_flat_network(artifact: Artifact) -> None:
    flat = load(DESIGNS / "digits-cnn" / "digits-cnn.loom")
    text = refused(replace(flat, info=artifact.info))
    assert "hierarchical, which the network is not" in text


def test_where_the_images_lie_is_not_asked(artifact: Artifact) -> None:
    for data in ({"path": "pets", "validation": 0.2}, {"name": "mnist", "exclude": ["7"]}):
        assert restore(with_config(artifact, _set("data", data))).model.routed


def test_a_network_that_reads_a_vector_is_one_line(artifact: Artifact) -> None:
    type_ = QType(0, 255, 8)
    from crossloom.sim import Dense, Node

    op = Dense(np.ones((2, 3), int), np.zeros(2, int), QType(-7, 7, 1), 8)
    source = Input((3,), type_, np.arange(256)[:, None])
    network = Network("flat", source, (Node("conv1", op, ("input",)),), "conv1", ("a", "b"))
    config = config_dict(flat_recipe(restore(artifact).config))
    for layers in ([DENSE], [{"type": "conv", "depthwise": True}, FLAT, DENSE], [{"type": "global_avgpool"}, DENSE]):
        refused(Artifact(network, {"config": {**config, "layers": layers}}))


def test_a_node_of_another_kind_under_the_right_name_is_one_line(artifact: Artifact) -> None:
    other = {"conv1_relu": "maxpool2", "maxpool2": "conv1_relu"}

    def renamed(nodes: Any) -> Any:
        return tuple(
            replace(n, name=other.get(n.name, n.name), inputs=tuple(other.get(i, i) for i in n.inputs)) for n in nodes
        )

    network, route = artifact.network, artifact.network.route
    assert route is not None and route.source == "maxpool2"
    branches = tuple(replace(b, nodes=renamed(b.nodes)) for b in route.branches)
    changed = replace(route, source="conv1_relu", branches=branches)
    network = replace(network, nodes=renamed(network.nodes), route=changed)
    assert "node 'conv1_relu': a maxpool; its recipe makes a requant of it" in refused(
        replace(artifact, network=network)
    )


# Plain JSON values, and many that a recipe really has.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 9),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["conv", "dense", "flatten", "residual", "avgpool", "global_avgpool", "routed", "shared", "file"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "units", "x"]), inner),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))][0 if path else 1 :]


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_recipe_in_an_artifact_ends_in_anything_but_one_line(artifact: Artifact, data: st.DataObject) -> None:
    table = copy.deepcopy(artifact.info["config"])
    for _ in range(data.draw(st.integers(1, 2))):
        places = _places(table)
        if not places:
            break
        *where, last = data.draw(st.sampled_from(places))
        place: Any = table
        for key in where:
            place = place[key]
        action = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            place[last] = data.draw(VALUES)
        elif action == "remove":
            del place[last]
        elif isinstance(place, list):
            place.append(data.draw(VALUES))
        else:
            place[data.draw(st.sampled_from(["groups", "stride", "projection", "layers", "kernel", "x"]))] = data.draw(
                VALUES
            )
    try:
        restored = restore(replace(artifact, info={"config": table}))
    except CrossloomError as error:
        assert "\n" not in str(error)
    else:  # a change that the network does not show, as of the learning rate
        assert weights_sha256(_again(restored, artifact)) == weights_sha256(artifact.network)


def _again(restored: Any, artifact: Artifact) -> Network:
    return convert_model(
        restored.model, "net", artifact.network.classes, artifact.network.input.shape, restored.values
    ).network
