"""Spiking recipes: what they refuse, how they train, and that every spike and membrane of their export is torch's."""

import itertools

import numpy as np
import pytest
import torch
from small_runs import small

from crossloom.sim import LIF, ConfigError, Count, ExportError, Last, Threshold
from crossloom.training.config import config_dict, parse_config
from crossloom.training.hierarchical import build_float_network, build_quantized_network, quantize
from crossloom.training.inputs import to_float
from crossloom.training.loop import load_run, train
from crossloom.training.models import Network
from crossloom.training.physics import fine_tune
from crossloom.training.prove import convert_model, prove, write_artifact
from crossloom.training.restore import restore
from crossloom.training.spiking.by_steps import backward_by_steps
from crossloom.training.spiking.layers import neurons_of
from crossloom.training.spiking.neurons import activity_penalty

CONV = {"type": "conv", "channels": 4, "activation": "lif"}
LAYERS = [CONV, {"type": "maxpool"}, {**CONV, "channels": 5}, {"type": "flatten"}, {"type": "dense"}]


def recipe(layers=LAYERS, training=None, **spiking):
    table = {"name": "spikes", "quantization": {"input_bits": 4}, "spiking": {"steps": 3, **spiking}}
    training = {"epochs": 2, "float_epochs": 2, "batch_size": 32, "float_learning_rate": 2e-2, **(training or {})}
    return parse_config({**table, "training": training, "layers": list(layers)}, "spikes.toml")


def untrained(config, seed=0):
    """A quantized network of random weights, so strong that neurons spike, and the input table."""
    data = small()
    values = np.linspace(0, 1, 17, dtype=np.float32)[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_float_network(config, (1, 8, 8), 10).train()
        with torch.no_grad():
            network(to_float(data.images[:64], values))  # batch norms see some images
        model = quantize(network.eval(), to_float(data.images[:64], values))
        with torch.no_grad():
            for p in model.learned_parameters():
                p.add_(0.3 * torch.randn(p.shape) * p.abs().mean())
    return model, data, values


def exported(config, seed=0):
    model, data, values = untrained(config, seed)
    return convert_model(model.eval(), "spikes", data.classes, (8, 8, 1), values), data


OPTIONS = [
    {},
    {"leak": 0, "loss": "membrane"},
    {"reset": "zero", "strict": True},
    {"when": "next", "guard": 0, "learn": ["theta", "leak"]},
    {"reset": "zero", "when": "next", "learn": ["theta"], "loss": "membrane"},
    {"most": 3, "theta": 0.3, "leak": 1},
    {"membrane_bits": 14, "leak": 5},
    {"membrane_bits": 16, "most": 2, "theta": 0.5, "when": "next"},
    {"guard": 20, "steps": 5},
]


@pytest.mark.parametrize("spiking", OPTIONS, ids=str)
def test_every_spike_and_membrane_of_an_exported_network_is_torchs(spiking):
    found, data = exported(recipe(**spiking))
    network = found.network
    shown = {name for section in found.sections for name in section.seen}
    assert shown == set(network.edges)  # torch shows every edge, membranes and spikes among them
    proof = prove(found, data.images[:60])
    assert proof.edges == len(network.edges)
    lifs = [node for node in network.nodes if isinstance(node.op, LIF)]
    steps = spiking.get("steps", 3)
    assert len(lifs) == 3 and all(network.edges[node.name].steps == steps for node in lifs)
    assert network.edges["conv1"].steps == 1 and network.edges[network.output].steps == 1  # computed once
    assert isinstance(network.producers[network.output].op, Last if spiking.get("loss") == "membrane" else Count)


MEAN, PLAIN = {"type": "avgpool"}, {**CONV, "activation": "none"}
HYBRID = [{"type": "conv", "channels": 4}, MEAN, CONV, MEAN, {"type": "flatten"}, LAYERS[-1]]
DENSE = [{"type": "flatten"}, {"type": "dense", "units": 12, "activation": "lif"}, LAYERS[-1]]
MIXED = [PLAIN, CONV, {"type": "residual", "layers": [PLAIN]}, *LAYERS[3:]]


@pytest.mark.parametrize("layers", [HYBRID, DENSE, MIXED], ids=["hybrid", "dense", "mixed"])
def test_what_is_not_spiking_before_between_and_after_neurons_is_exact_too(layers):
    found, data = exported(recipe(layers, learn=["theta"]))
    assert prove(found, data.images[:40]).codes > 0


@pytest.mark.parametrize("spiking", [{}, {"loss": "membrane"}, {"most": 2, "guard": 3}, {"strict": True, "guard": 0}])
def test_at_one_step_neurons_are_thresholds_of_the_sum(spiking):
    found, data = exported(recipe(steps=1, theta=0.4777, **spiking))
    kinds = {type(node.op) for node in found.network.nodes}
    assert Threshold in kinds and not kinds & {LIF, Count, Last}
    assert all(edge.steps == 1 for edge in found.network.edges.values())
    prove(found, data.images[:60])


def test_a_model_whose_membranes_differ_by_one_is_not_proved(monkeypatch):
    found, data = exported(recipe())
    layer = next(m for m in found.sections[0].traced.modules() if getattr(m, "guard", None) == 8)
    monkeypatch.setattr(layer, "leak", layer.leak + 1)
    with pytest.raises(ExportError, match=r"differs from the torch model.*edge conv1_lif \(lif\), image 0, step 1"):
        prove(found, data.images[:20])


def test_wrong_steps_in_a_model_of_ones_own_are_refused():
    model, data, values = untrained(recipe())
    neurons_of(model)[1].first = True
    with pytest.raises(ExportError, match="first=True on what has 3 time steps"):
        convert_model(model.eval(), "spikes", data.classes, (8, 8, 1), values)


def test_a_spiking_recipe_trains_exports_and_resumes_to_the_same_bits(tmp_path):
    config, data = recipe(learn=["theta", "leak"], rate_weight=0.5, rate_target=0.1), small()
    stopped = []

    def stop(record):
        stopped.append(record)
        if len(stopped) == 3:
            raise KeyboardInterrupt

    whole = train(config, data, tmp_path / "whole", progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "parts", progress=False, on_epoch=stop)
    resumed = train(config, data, tmp_path / "parts", resume=True, progress=False)
    weights, again = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert [h["loss"] for h in whole.history] == [h["loss"] for h in resumed.history]
    assert whole.history[1]["loss"] < whole.history[0]["loss"] and whole.history[3]["loss"] < whole.history[2]["loss"]
    trained = load_run(tmp_path / "whole")
    found = convert_model(trained.model, "spikes", trained.classes, trained.shape, trained.values)
    proof = prove(found, data.images)
    given = {"images": data.images[:9], "labels": data.labels[:9], "info": {"config": config_dict(config)}}
    written = write_artifact(tmp_path / "spikes.loom", found.network, proof, dataset="some", **given)
    assert isinstance(restore(written).model, Network)  # whose export has the artifact's weights identity
    with pytest.raises(ConfigError, match="spikes: has spiking neurons; needed a network without time"):
        fine_tune(written, data, None, None)


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("loss", ["count", "membrane"])
def test_sltt_step_by_step_gives_the_gradients_of_the_whole_graph_without_time(loss):
    options = {"rate_weight": 2.0, "rate_target": 0.05, "theta": 0.02, "learn": ["theta", "leak"]}
    config = recipe(HYBRID, steps=4, mode="sltt", loss=loss, **options)
    model, data, values = untrained(config)
    images, labels = to_float(data.images[:30], values), torch.tensor(data.labels[:30])
    spiking = config.spiking
    model.train()
    total = torch.nn.functional.cross_entropy(model(images), labels) + activity_penalty(model, spiking)
    total.backward()
    whole = gradients(model)
    assert all(layer.activity > 0.06 for layer in neurons_of(model) if not layer.readout)
    model.zero_grad(set_to_none=True)

    def loss_of(scores):
        return torch.nn.functional.cross_entropy(scores, labels)

    found, scores = backward_by_steps(model, images, loss_of, spiking, np.random.default_rng(0))
    torch.testing.assert_close(found, total.detach())
    assert torch.equal(scores, model(images).detach())
    by_steps = gradients(model)
    assert by_steps.keys() == whole.keys() and any(name.endswith("theta") for name in whole)
    for name in whole:
        torch.testing.assert_close(by_steps[name], whole[name], rtol=1e-3, atol=1e-5, msg=name)


def test_sltt_k_draws_its_steps_and_differs_from_all_of_them():
    found = []
    for k, seed in ((None, 0), (1, 0), (1, 1), (1, 0)):
        config = recipe(steps=6, mode="sltt", **({"sltt_steps": k} if k else {}))
        model, data, values = untrained(config)
        images, labels = to_float(data.images[:30], values), torch.tensor(data.labels[:30])
        loss_of = lambda scores, labels=labels: torch.nn.functional.cross_entropy(scores, labels)  # noqa: E731
        backward_by_steps(model, images, loss_of, config.spiking, np.random.default_rng(seed))
        found.append(gradients(model)["conv1.weight"])
    assert torch.equal(found[1], found[3])
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(found[:3], 2))


def test_an_sltt_recipe_trains(tmp_path):
    result = train(recipe(mode="sltt", sltt_steps=2, training={"epochs": 3}), small(), tmp_path / "run", progress=False)
    assert result.history[-1]["phase"] == "qat" and result.history[-1]["loss"] < result.history[2]["loss"]


def test_a_recipe_says_the_same_when_read_back():
    config = recipe(learn=["leak", "theta"], mode="sltt", sltt_steps=2, rate_weight=1, membrane_bits=20)
    assert parse_config(config_dict(config), "spikes.toml") == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder": "poisson"}, r"key 'encoder': found 'poisson'; needed one of \"direct\", \"rate\", \"latency\""),
        (
            {"encoder": "rate"},
            r"\[quantization\] key 'input_bits': given beside encoder 'rate', whose codes are 0 and 1",
        ),
        ({"encoder": "latency", "seed": 3}, r"key 'seed': found 3 beside encoder 'latency'; needed encoder \"rate\""),
        ({"encoder": "events", "from_steps": 5}, r"key 'encoder': found 'events' beside from_steps; needed \"direct\""),
        ({"encoder": "rate", "training": {"init": "runs/x"}}, r"key 'encoder': found 'rate' beside init"),
        ({"steps": 0}, r"key 'steps': found 0; needed an integer in 1..4096"),
        ({"reset": "none"}, r"key 'reset': found 'none'; needed one of \"subtract\", \"zero\""),
        ({"surrogate": "relu"}, r"key 'surrogate': found 'relu'; needed one of \"atan\", \"triangle\""),
        ({"learn": ["beta"]}, r"key 'learn': found \['beta'\]; needed a list of distinct \"theta\" and \"leak\""),
        ({"learn": ["leak"], "leak": 0}, r"key 'learn': found \"leak\" beside leak = 0"),
        ({"most": 2, "strict": True}, r"key 'most': found 2 beside strict"),
        ({"most": 2, "reset": "zero"}, r"key 'most': found 2 beside reset 'zero'"),
        ({"sltt_steps": 2}, r"key 'sltt_steps': given, but mode is 'bptt'"),
        ({"sltt_steps": 9, "mode": "sltt"}, r"key 'sltt_steps': found 9 of 3 steps"),
        ({"rate_target": 0.2}, r"key 'rate_target': given, but rate_weight is 0"),
        ({"reset": "zero", "when": "next", "detach_reset": False}, r"key 'detach_reset': false beside reset"),
        ({"mode": "sltt", "detach_reset": False}, r"key 'detach_reset': false beside mode \"sltt\", where no"),
        ({"membrane_bits": 3, "most": 4}, r"key 'membrane_bits': found 3, too few for thresholds of 4 spikes a step"),
        ({"steps": 1, "mode": "sltt"}, r"key 'mode': found 'sltt' beside steps = 1"),
        ({"steps": 1, "learn": ["theta", "leak"]}, r"key 'learn': found 'leak' beside steps = 1"),
        ({"steps": 1, "reset": "zero"}, r"key 'reset': found 'zero' beside steps = 1"),
        ({"steps": 1, "when": "next"}, r"key 'when': found 'next' beside steps = 1"),
        ({"steps": 1, "detach_reset": False}, r"key 'detach_reset': found false beside steps = 1"),
        ({"training": {"float_precision": "auto"}}, r"key 'float_precision': found 'auto' beside \[spiking\]"),
    ],
)
def test_an_option_that_is_unknown_or_does_not_fit_is_refused_by_name(changes, words):
    with pytest.raises(ConfigError, match=words) as error:
        recipe(**changes)
    assert str(error.value).startswith("spikes.toml: [") and "\n" not in str(error.value)


def test_spiking_layers_and_the_section_need_each_other():
    table = config_dict(recipe())
    plain = [{**layer, "activation": "relu"} if "activation" in layer else layer for layer in table["layers"]]
    with pytest.raises(ConfigError, match=r"\[spiking\]: there, but no layer has activation = \"lif\""):
        parse_config({**table, "layers": plain}, "x.toml")
    with pytest.raises(ConfigError, match=r"\[spiking\]: missing, but a layer has activation = \"lif\""):
        parse_config({k: v for k, v in table.items() if k != "spiking"}, "x.toml")
    parts = {"layers": [CONV], "coarse": LAYERS[3:], "branch": LAYERS[3:], "hierarchy": {}}
    for key, value in (("mode", "sltt"), ("rate_weight", 0.5)):
        given = {**table, **parts, "spiking": {"steps": 3, key: value}}
        with pytest.raises(ConfigError, match=rf"\[spiking\] key '{key}': found '?{value}'? beside \[hierarchy\]"):
            parse_config(given, "x.toml")
    inside = [PLAIN, {"type": "residual", "layers": [CONV]}, *LAYERS[3:]]
    with pytest.raises(ConfigError, match=r"key 'layers': the first neurons stand inside, so that its input has no"):
        build_quantized_network(recipe(inside), (1, 8, 8), 10)
