"""Export: a matrix of Brevitas models proved equal, and planted faults found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from brevitas_models import CLASSES, MODELS, VALUES, act, built, conv, dense, exported, images, relu, seq
from torch import nn

from crossloom.sim import ExportError, Requant, Rounding, load, run
from crossloom.sim.ops import Linear
from crossloom.training.prove import compare_torch, export_model, prove, torch_edges, write_artifact


@pytest.mark.parametrize("name", MODELS)
def test_a_model_equals_its_integer_network_on_every_edge(name):
    network, proof = export_model(
        built(name), name="matrix", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images()
    )
    assert proof.samples == 1000
    hidden = {
        "truncating average": 1,
        "flooring average": 1,
        "quantizers inside a layer": 1,
        "mean": 1,
        "elementwise add": 1,
    }
    assert proof.edges == len(network.edges) - hidden.get(name, 0)
    assert network.output in network.edges
    logits = run(network, images(count=200)).logits
    assert len(np.unique(logits, axis=0)) > 5, "a model that always answers the same proves little"


def test_images_need_not_be_square_and_channels_may_differ_in_the_table():
    values = np.stack([VALUES[:, 0], VALUES[:, 0] / 2], axis=1)
    torch.manual_seed(0)
    model = seq(act(), conv(2, 4), relu(), nn.Flatten(), dense(4 * 3 * 5))
    network, proof = export_model(
        model, name="m", classes=CLASSES, shape=(5, 7, 2), values=values, images=images((5, 7, 2))
    )
    assert proof.samples == 1000
    assert network.input.table.shape == (256, 2)


def test_floor_and_half_even_reach_the_network():
    roundings = {}
    for name in ("per channel", "floor rounding", "flooring average", "truncating average"):
        network = exported(built(name)).network
        roundings[name] = {n.op.rounding for n in network.nodes if isinstance(n.op, Requant)}
    assert roundings["per channel"] == roundings["truncating average"] == {Rounding.HALF_EVEN}
    assert Rounding.FLOOR in roundings["floor rounding"] & roundings["flooring average"]


def test_weights_keep_their_narrow_range():
    types = [n.op.weight_type for n in exported(built("per channel")).network.nodes if isinstance(n.op, Linear)]
    assert types and all(type_.lo == -type_.hi for type_ in types)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = built("per channel")
    sums = []
    for i in range(2):
        network, proof = export_model(
            model, name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images(count=50)
        )
        path = tmp_path / f"{i}.loom"
        saved = write_artifact(
            path,
            network,
            proof,
            dataset="noise test",
            images=images(count=20),
            labels=np.zeros(20, np.int64),
            info={"seed": 1},
        )
        assert load(path).sha256 == saved.sha256
        assert saved.info["accuracy"]["images"] == 20
        sums.append(saved.sha256)
    assert sums[0] == sums[1]


def test_torch_edges_are_the_simulators():
    found = exported(built("residual"))
    edges = torch_edges(found, images(count=9))
    wanted = run(found.network, images(count=9), edges=edges).edges
    assert edges.keys() == set(found.network.edges)
    assert all(np.array_equal(edges[n], wanted[n]) for n in edges)


# -- planted faults ---------------------------------------------------------------------------------------------


def _planted(found, name, change):
    nodes = [replace(n, op=change(n.op)) if n.name == name else n for n in found.network.nodes]
    return replace(found, network=replace(found.network, nodes=tuple(nodes)))


def _one_more(array, limit):
    changed = array.copy()
    at = (0,) * array.ndim
    changed[at] += 1 if changed[at] < limit else -1
    return changed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("n1", lambda op: replace(op, weight=_one_more(op.weight, 7))),
        ("n1", lambda op: replace(op, bias=_one_more(op.bias, 2), bias_bits=op.bias_bits + 1)),
        ("n1", lambda op: replace(op, pad=(0, 2, 1, 1))),
        ("n1", lambda op: replace(op, pad_code=1)),
        ("n2", lambda op: replace(op, rounding=Rounding.FLOOR)),
        ("n2", lambda op: replace(op, rounding=Rounding.HALF_UP)),
        ("n2", lambda op: replace(op, out=replace(op.out, hi=14))),
        ("n4", lambda op: replace(op, weight=_one_more(op.weight, 7))),
    ],
)
def test_a_planted_fault_is_found_and_its_edge_is_named(name, change):
    found = exported(built("per channel"))
    prove(found, images(count=300))
    with pytest.raises(ExportError) as caught:
        prove(_planted(found, name, change), images(count=300))
    assert f"first: edge {name} (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_difference_names_image_index_codes_and_inputs():
    found = _planted(
        exported(built("per channel")), "n1", lambda op: replace(op, bias=op.bias + 1, bias_bits=op.bias_bits + 1)
    )
    first = compare_torch(found, images(count=5)).first
    assert (first.edge, first.op, first.image, first.index) == ("n1", "conv2d", 0, (0, 0, 0))
    assert first.expected == first.found + 1
    assert str(first).startswith(
        f"edge n1 (conv2d), image 0, [0, 0, 0]: {first.found} instead of {first.expected}; made from input "
    )


def test_a_sum_that_float32_cannot_carry_is_proved_in_float64(tmp_path):
    torch.manual_seed(0)
    # 2000 products of up to 2^7 * 2^7, and a bias that takes the sum past 2^24
    model = seq(act(8), nn.Flatten(), dense(2000, bits=8))
    with torch.no_grad():
        model[2].bias.fill_(1e4)
    some = images((20, 25, 4), 4)
    network, proof = export_model(model, name="m", classes=CLASSES, shape=(20, 25, 4), values=VALUES, images=some)
    assert network.edges[network.output].magnitude >= 1 << 24 and proof.precision == "float64"
    written = {"dataset": "noise test", "images": some, "labels": [0, 1, 2, 0], "info": {}}
    saved = write_artifact(tmp_path / "x.loom", network, proof, **written)
    assert load(tmp_path / "x.loom").info["proof"]["precision"] == saved.info["proof"]["precision"] == "float64"
    found = replace(exported(model, (20, 25, 4)), network=network)
    with pytest.raises(ExportError, match="the integer network differs from the torch model"):
        prove(_planted(found, network.output, lambda op: replace(op, bias=op.bias + 1)), some)


# -- refusals ---------------------------------------------------------------------------------------------------


def test_nothing_is_written_without_a_proof_of_that_very_network(tmp_path):
    network, proof = export_model(
        built("no bias"), name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images(count=20)
    )
    last = network.nodes[-1]
    changed = replace(last, op=replace(last.op, weight=_one_more(last.op.weight, 7)))
    other = replace(network, nodes=(*network.nodes[:-1], changed))
    arguments = {"dataset": "noise test", "images": images(count=5), "labels": np.zeros(5, np.int64), "info": {}}
    with pytest.raises(ExportError, match="the proof is of other weights"):
        write_artifact(tmp_path / "x.loom", other, proof, **arguments)
    assert not list(tmp_path.iterdir())
    saved = write_artifact(tmp_path / "x.loom", network, proof, **arguments)
    assert saved.info["proof"] == {"samples": 20, "edges": proof.edges, "codes": proof.codes, "differences": 0}
