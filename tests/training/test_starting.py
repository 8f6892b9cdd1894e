"""First weights from a finished run: what they compute, thresholds for its activations, and runs that do not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import Stop, same, small
from test_spiking_networks import CONV, LAYERS, recipe

from crossloom.sim import ConfigError
from crossloom.training.config import config_dict, parse_config
from crossloom.training.inputs import input_values, to_float
from crossloom.training.loop import load_run, train
from crossloom.training.models import build_float
from crossloom.training.starting import PERCENTILE, start_from
from crossloom.training.workflow import train_and_export

INSIDE = {"type": "residual", "layers": [{"type": "conv", "channels": 4, "activation": "none"}]}
PLAIN = [{**layer, "activation": "relu"} if "activation" in layer else layer for layer in LAYERS]


def plain(layers=PLAIN, **training):
    training = {"epochs": 3, "float_epochs": 3, "batch_size": 32, "float_learning_rate": 2e-2, **training}
    table = {"name": "plain", "quantization": {"input_bits": 8, "weight_bits": 8, "activation_bits": 8}}
    return parse_config({**table, "training": training, "layers": list(layers)}, "plain.toml")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of a network without spikes, at 8 bits, and its folder."""
    folder = tmp_path_factory.mktemp("plain")
    return train(plain(), small(), folder, progress=False), str(folder)


def images_of(data):
    values = input_values(data.images[data.train], data.levels, "unit")
    return to_float(data.images[:200], values), values


def test_a_float_network_computes_what_the_run_did(tmp_path):
    data = small()
    config = plain([PLAIN[0], INSIDE, *PLAIN[1:]], epochs=1, float_epochs=1)
    source = train(config, data, tmp_path, progress=False)
    images, values = images_of(data)
    model = build_float(config, (1, 8, 8), 10, seed=9)
    start_from(model, source, "run", images, values)
    with torch.no_grad():
        wanted, found = source.model(images), model.eval()(images)
    assert (wanted - found).abs().max() < 0.1 * wanted.abs().max()  # 8 bits of weights and activations apart
    assert (wanted.argmax(1) == found.argmax(1)).float().mean() > 0.97


@pytest.mark.parametrize("loss", ["count", "membrane"])
def test_rates_of_neurons_without_a_leak_follow_the_activations_over_many_steps(run, loss):
    source, folder = run
    data = small()
    images, values = images_of(data)
    spiking = recipe(steps=128, leak=0, loss=loss, theta=0.7)
    model = build_float(spiking, (1, 8, 8), 10)
    start_from(model, source, folder, images, values)
    seen = {}
    source.model.conv1_relu.register_forward_hook(lambda m, i, o: seen.update(there=o.value))
    model.conv1_lif.register_forward_hook(lambda m, i, o: seen.update(here=o))
    with torch.no_grad():
        wanted, found = source.model(images).argmax(1), model.eval()(images).argmax(1)
    peak = np.percentile(seen["there"].numpy(), PERCENTILE)
    rates = seen["here"].reshape(128, 200, -1).mean(0)
    activations = (seen["there"].reshape(200, -1) / float(peak)).clamp(0, 1)
    assert (rates - activations).abs().max() < 0.03  # a spike of 128, and 8 bits
    assert (wanted == found).float().mean() > 0.9  # max pooling of spikes is no maximum of rates


def test_training_goes_on_from_the_weights_and_says_whose_they_were(tmp_path, run):
    _, folder = run
    data, training = small(), {"init": folder, "float_epochs": 0, "epochs": 2, "learning_rate": 1e-7}
    finished = train_and_export(recipe(training=training, leak=0, steps=8), data, tmp_path / "begun")
    trained, info = finished.trained, finished.artifact.info
    afresh = recipe(training={**training, "init": "nowhere"}, leak=0, steps=8)
    with pytest.raises(ConfigError, match=r"nowhere/checkpoint.pt: no such file"):
        train(afresh, data, tmp_path / "afresh", progress=False)
    assert trained.validation_accuracy > 0.3  # hardly trained: what it knows it began with
    assert len(trained.init_sha256) == 64 and load_run(tmp_path / "begun").init_sha256 == trained.init_sha256
    assert info["init_sha256"] == trained.init_sha256 and info["config"]["training"]["init"] == Path(folder).name


def test_a_plain_network_may_begin_with_another_ones_weights(tmp_path, run):
    source, folder = run
    narrow = parse_config(
        {**config_dict(plain(init=folder, float_epochs=0, epochs=1, learning_rate=1e-7)), "quantization": {}}, "x.toml"
    )
    trained = train(narrow, small(), tmp_path, progress=False)
    assert [record["phase"] for record in trained.history] == ["qat"]
    assert trained.validation_accuracy > 0.8 * source.validation_accuracy > 0.4


def test_a_spiking_run_gives_its_thresholds_too(tmp_path):
    config = recipe(learn=["theta"], training={"epochs": 1, "float_epochs": 1})
    source = train(config, small(), tmp_path / "a", progress=False)
    images, values = images_of(small())
    model = build_float(config, (1, 8, 8), 10)
    start_from(model, source, "run", images, values)
    assert torch.equal(model.conv1_lif.theta, source.model.conv1_lif.theta)
    with pytest.raises(ConfigError, match=r"run: layer 'conv1_lif': 'theta' is learned there, and not here"):
        start_from(build_float(recipe(), (1, 8, 8), 10), source, "run", images, values)


def test_a_resumed_run_needs_the_first_weights_it_began_with_or_none_at_all(tmp_path, run):
    _, folder = run
    data, training = small(), {"epochs": 2, "float_epochs": 1}

    def stop(record):
        raise Stop

    def begin(init):
        return recipe(training={**training, **({"init": init} if init else {})})

    whole = train(begin(folder), data, tmp_path / "whole", progress=False)
    with pytest.raises(Stop):
        train(begin(folder), data, tmp_path / "part", progress=False, on_epoch=stop)
    for other in (None, str(tmp_path / "whole")):
        with pytest.raises(ConfigError, match="cannot resume, the first weights are others"):
            train(begin(other), data, tmp_path / "part", resume=True, progress=False)
    gone = str(tmp_path / "gone")  # its weights are in the run
    resumed = train(begin(gone), data, tmp_path / "part", resume=True, progress=False)
    assert same(resumed.model.state_dict(), whole.model.state_dict())


WIDER, EARLY = {**CONV, "channels": 6}, {"type": "maxpool", "kernel": 4}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([WIDER, *LAYERS[1:]], r"layer 'conv1': conv \[6, 1, 3, 3\] stride 1 padding 1 here, conv \[4, 1, 3, 3\]"),
        ([CONV, EARLY, *LAYERS[2:]], r"layer 'maxpool2': max pool \[4, 4\] stride \[4, 4\] padding 0 here, max pool"),
        ([*LAYERS[:4], {"type": "dense", "units": 9}, LAYERS[4]], r"layer 'dense5': dense \[9, 80\] here, dense \[10"),
        ([{**CONV, "activation": "none"}, *LAYERS[1:]], r"layer 'conv1': followed by none here, by relu there"),
    ],
)
def test_a_run_that_does_not_fit_is_refused_by_layer_and_shapes(run, layers, words):
    source, folder = run
    images, values = images_of(small())
    with pytest.raises(ConfigError, match=words) as error:
        start_from(build_float(recipe(layers), (1, 8, 8), 10), source, folder, images, values)
    assert str(error.value).startswith("spikes.toml: [training] key 'init': ") and "\n" not in str(error.value)


def test_first_weights_and_super_classes_do_not_go_together(run):
    tree = {"layers": PLAIN[:1], "coarse": PLAIN[3:], "branch": PLAIN[3:], "hierarchy": {}}
    with pytest.raises(ConfigError, match=r"\[training\] key 'init': given beside \[hierarchy\]"):
        parse_config({"name": "x", "training": {"init": run[1]}, **tree}, "x.toml")


def test_a_converted_readout_has_the_logits_of_the_run(tmp_path):
    flat = [{"type": "flatten"}, {"type": "dense", "units": 16}, {"type": "dense"}]
    source = train(plain(flat), small(), tmp_path, progress=False)
    images, values = images_of(small())
    spiking = [flat[0], {**flat[1], "activation": "lif"}, flat[2]]
    model = build_float(recipe(spiking, steps=256, leak=0, loss="membrane", theta=3.0), (1, 8, 8), 10)
    start_from(model, source, "run", images, values)
    with torch.no_grad():
        wanted, found = source.model(images), model.eval()(images)
    # What is above the percentile, and less than a spike of 256 a neuron.
    assert (wanted - found).abs().max() < 0.1 * wanted.abs().max()
