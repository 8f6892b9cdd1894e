"""Neurons in residual blocks, behind pools and in trunk, coarse head and branches: trained, exported, proved."""

import itertools

import numpy as np
import pytest
import torch
from small_runs import grouped, small
from test_spiking_networks import CONV, LAYERS, exported, gradients, recipe, untrained

from crossloom.sim import LIF, Add, Count, run
from crossloom.training.config import config_dict, parse_config
from crossloom.training.data.regroup import exclude
from crossloom.training.growing import grow
from crossloom.training.hierarchical import Hierarchical
from crossloom.training.inputs import to_float
from crossloom.training.loop import train
from crossloom.training.prove import convert_model, prove
from crossloom.training.restore import restore
from crossloom.training.spiking.by_steps import backward_by_steps
from crossloom.training.spiking.layers import neurons_of
from crossloom.training.workflow import train_and_export

PLAIN = {**CONV, "activation": "none"}
END = [{"type": "maxpool", "kernel": 4}, *LAYERS[3:]]
NARROWS = {"type": "residual", "layers": [{**CONV, "channels": 6, "stride": 2}, {**PLAIN, "channels": 6}]}
BLOCKS = {
    "spikes added to spikes": [CONV, {"type": "residual", "layers": [CONV, CONV]}, *END],
    "neurons of the sum": [CONV, {"type": "residual", "layers": [CONV, PLAIN], "activation": "lif"}, *END],
    "behind a projection": [
        CONV,
        {**NARROWS, "activation": "lif"},
        {"type": "maxpool"},
        *LAYERS[3:],
    ],
    "first neurons of a sum": [PLAIN, {"type": "residual", "layers": [PLAIN], "activation": "lif"}, *END],
}  # fmt: skip


@pytest.mark.parametrize("layers", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("spiking", [{}, {"learn": ["theta", "leak"], "loss": "membrane"}, {"steps": 1}], ids=str)
def test_neurons_in_and_behind_a_residual_are_torchs_on_every_edge(layers, spiking):
    found, data = exported(recipe(layers, theta=0.4, **spiking))
    network = found.network
    assert any(isinstance(node.op, Add) for node in network.nodes)
    assert prove(found, data.images[:40]).edges == len(network.edges)
    if spiking.get("steps") != 1:
        spikes = [name for name in network.edges if name.endswith("lif_spikes")]
        assert all(codes.any() for codes in run(network, data.images[:40], edges=spikes[:2]).edges.values())


def test_a_residual_network_trains_and_comes_back_from_its_artifact(tmp_path):
    config = recipe(BLOCKS["neurons of the sum"], learn=["theta"], training={"epochs": 2, "float_epochs": 1})
    finished = train_and_export(config, small(), tmp_path)
    assert finished.trained.history[-1]["loss"] < finished.trained.history[0]["loss"]
    assert restore(finished.artifact).config.spiking == config.spiking  # the weights identity is checked there


def test_sltt_goes_through_a_residual_as_the_whole_graph_does():
    config = recipe(BLOCKS["neurons of the sum"], mode="sltt", theta=0.2)
    model, data, values = untrained(config)
    images, labels = to_float(data.images[:30], values), torch.tensor(data.labels[:30])
    model.train()
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    whole = gradients(model)
    model.zero_grad(set_to_none=True)

    def loss_of(scores):
        return torch.nn.functional.cross_entropy(scores, labels)

    backward_by_steps(model, images, loss_of, config.spiking, np.random.default_rng(0))
    by_steps = gradients(model)
    assert by_steps.keys() == whole.keys()
    for name in whole:
        torch.testing.assert_close(by_steps[name], whole[name], rtol=1e-3, atol=1e-5, msg=name)


def test_max_pooling_is_the_or_of_spikes_in_training_and_in_the_network():
    config = recipe(theta=0.3)
    model, data, values = untrained(config)
    seen = {}
    model.conv1_lif.register_forward_hook(lambda m, i, o: seen.update(before=o.value))
    model.maxpool2.register_forward_hook(lambda m, i, o: seen.update(after=o.value))
    for mode in (True, False):
        with torch.no_grad():
            model.train(mode)(to_float(data.images[:40], values))
        spikes, pooled = seen["before"] > 0, seen["after"] > 0
        windows = [spikes[:, :, y::2, x::2] for y, x in itertools.product((0, 1), repeat=2)]
        assert torch.equal(pooled, windows[0] | windows[1] | windows[2] | windows[3])
        assert set(seen["after"].unique().tolist()) == {0.0, 1.0} and 0.05 < pooled.float().mean() < 0.95
    found, data = exported(config)
    codes = run(found.network, data.images[:40], edges=["conv1_lif_spikes", "maxpool2"]).edges
    spikes = codes["conv1_lif_spikes"].reshape(40, 3, 4, 2, 4, 2, 4)
    assert np.array_equal(codes["maxpool2"], np.bitwise_or.reduce(np.bitwise_or.reduce(spikes, axis=5), axis=3))


@pytest.mark.parametrize("learn", ["theta", "leak"])
def test_what_neurons_learn_moves_per_channel_and_is_what_the_network_has(tmp_path, learn):
    training = {"epochs": 3, "float_epochs": 2, "learning_rate": 0.05, "float_learning_rate": 0.05}
    config = recipe(learn=[learn], leak=3, theta=0.5, training=training)
    finished = train_and_export(config, small(), tmp_path)
    lifs = [node.op for node in finished.artifact.network.nodes if isinstance(node.op, LIF)]
    for layer, op in zip(neurons_of(finished.trained.model), lifs, strict=True):
        held = getattr(layer, learn)
        assert len(getattr(op, learn)) == layer.channels and held.unique().numel() > 1
        if learn == "leak":
            assert op.leak.tolist() == held.detach().round().clamp(1, 15).int().tolist()
    assert any(len(np.unique(getattr(op, learn))) > 1 for op in lifs)


HEAD = [{"type": "maxpool", "kernel": 4}, {"type": "flatten"}, {"type": "dense"}]
WIDE = [{"type": "maxpool"}, {**CONV, "channels": 3}, {"type": "flatten"}, {"type": "dense"}]
RELU = {**CONV, "activation": "relu"}
TREES = {
    "all of it": ({"layers": [CONV], "coarse": HEAD, "branch": WIDE}, {"learn": ["theta"]}),
    "membranes": ({"layers": [CONV], "coarse": HEAD, "branch": WIDE}, {"loss": "membrane", "leak": 0}),
    "branches alone": ({"layers": [RELU], "coarse": HEAD, "branch": WIDE}, {"loss": "membrane"}),
    "a residual branch": (
        {"layers": [CONV], "coarse": HEAD, "branch": [{"type": "residual", "layers": [CONV, CONV]}, *HEAD]},
        {"theta": 0.3},
    ),
    "fewer steps": (
        {"layers": [CONV], "coarse": HEAD, "branch": WIDE},
        {"steps": 1, "from_steps": 2, "loss": "membrane"},
    ),
}  # fmt: skip


def tree(parts, spiking, **training):
    training = {"epochs": 1, "float_epochs": 2, "batch_size": 16, "float_learning_rate": 2e-2, **training}
    table = {"name": "tree", "quantization": {"input_bits": 4}, "spiking": {"steps": 3, **spiking}}
    # One weight throughout, so that losses of two epochs can be compared.
    hierarchy = {"source": "auto", "coarse_weight": 0.5, "final_coarse_weight": 0.5}
    return parse_config({**table, "hierarchy": hierarchy, "training": training, **parts}, "tree.toml")


@pytest.mark.parametrize(("parts", "spiking"), TREES.values(), ids=TREES)
def test_a_spiking_hierarchy_trains_and_is_proved_on_every_edge(tmp_path, parts, spiking):
    finished = train_and_export(tree(parts, spiking), grouped(), tmp_path)
    network, trained = finished.artifact.network, finished.trained
    assert isinstance(trained.model, Hierarchical) and finished.proof.edges == len(network.edges)
    assert trained.history[1]["loss"] < trained.history[0]["loss"] and network.steps == spiking.get("steps", 3)
    if network.steps > 1 and spiking.get("loss") != "membrane":
        # The branch runs all its steps on the trunk's spikes, once the coarse answer is there.
        assert network.edges[network.route.source].steps == 3
        assert all(isinstance(b.nodes[-1].op, Count) for b in network.route.branches)
    assert restore(finished.artifact).config.spiking == trained.config.spiking
    assert len(set(run(network, small().images).branch.tolist())) > 1


def test_a_spiking_hierarchy_discovers_its_super_classes(tmp_path):
    config = tree(*TREES["all of it"])
    found = parse_config(
        {**config_dict(config), "hierarchy": {"source": "discover", "superclasses": 3, "discovery_epochs": 2}},
        "tree.toml",
    )
    trained = train(found, small(), tmp_path, progress=False)
    assert [record["phase"] for record in trained.history] == ["discover", "discover", "float", "float", "qat"]
    exported = convert_model(trained.model, "tree", trained.classes, trained.shape, trained.values)
    assert prove(exported, small().images[:100]).edges == len(exported.network.edges)


def test_a_spiking_hierarchy_grows_by_a_class(tmp_path):
    data = grouped()
    config = tree({"layers": [CONV], "coarse": HEAD, "branch": WIDE}, {"theta": 0.5}, float_epochs=3)
    nine = parse_config({**config_dict(config), "data": {"name": "digits", "exclude": ["7"]}}, "tree.toml")
    finished = train_and_export(nine, exclude(data, ["7"]), tmp_path)
    grown = grow(finished.artifact, data, "7", epochs=2)
    assert "7" in grown.exported.network.classes and grown.unchanged_tensors
    assert prove(grown.exported, grown.data.images[:60]).edges == len(grown.exported.network.edges)
