"""Recipes whose input has time: counts of events, and images that come as spikes; training sees the integer codes."""

import event_files as files
import numpy as np
import pytest
import torch
from small_runs import small

from crossloom.sim import ConfigError, ExportError, InputError, QType, input_codes, load, run
from crossloom.sim.crossbar import wilson
from crossloom.training.beforehand import refuse_beforehand
from crossloom.training.config import parse_config
from crossloom.training.data.labelled import Dataset, split
from crossloom.training.data.loading import load_dataset
from crossloom.training.evaluation import evaluate
from crossloom.training.hierarchical import build_float_network, quantize
from crossloom.training.inputs import input_values, to_float
from crossloom.training.loop import load_run, train
from crossloom.training.prove import compare_run, convert_model, export_model, prove
from crossloom.training.restore import restore
from crossloom.training.spiking.by_steps import backward_by_steps
from crossloom.training.spiking.encoding import Encoder
from crossloom.training.spiking.fitting import event_steps
from crossloom.training.spiking.layers import LIFLayer, SpikeInput
from crossloom.training.workflow import train_and_export

CONV = {"type": "conv", "channels": 4, "activation": "lif"}
LAYERS = [{**CONV, "stride": 2}, {"type": "maxpool"}, {**CONV, "channels": 5}, {"type": "flatten"}, {"type": "dense"}]
FRONT = [{"type": "conv", "channels": 3}, *LAYERS]  # a layer without neurons, now at every step


def recipe(layers=LAYERS, data=None, training=None, quantization=None, **spiking):
    table = {"name": "time", "spiking": {"steps": 3, **spiking}, "quantization": quantization or {}}
    training = {"epochs": 1, "float_epochs": 1, "batch_size": 32, "threads": 1, **(training or {})}
    return parse_config({**table, "data": data or {"name": "digits"}, "training": training, "layers": layers}, "t.toml")


def moving(steps=3, count=150, seed=0):
    """Digits that appear row by row: counts (N, steps, 8, 8, 2) below 16."""
    still = small()
    images = np.zeros((count, steps, 8, 8, 2), np.uint8)
    for step in range(steps):
        images[:, step, step::steps, :, step % 2] = np.minimum(still.images[:count, step::steps, :, 0], 15)
    labels = still.labels[:count]
    return Dataset("moving", still.classes, 16, images, labels, *split(images, labels, 0.2))


def untrained(config, data, seed=0):
    """A quantized network of random weights, so strong that neurons spike, and the input table."""
    encoder = Encoder(config.spiking.encoder, config.spiking.steps, config.spiking.seed)
    values = input_values(data.images, data.levels)
    reads = to_float(data.images[:64], values, encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_float_network(config, (data.shape[2], *data.shape[:2]), 10).train()
        with torch.no_grad():
            network(reads)
        model = quantize(network.eval(), reads)
        with torch.no_grad():
            for p in model.learned_parameters():
                p.add_(0.3 * torch.randn(p.shape) * p.abs().mean())
    return model, values, encoder


def exported(config, data, seed=0):
    model, values, encoder = untrained(config, data, seed)
    return convert_model(model.eval(), "time", data.classes, data.shape, values, encoder)


CASES = [
    ({"encoder": "events"}, {"input_bits": 4}),
    ({"encoder": "events", "loss": "membrane", "learn": ["theta"]}, {"normalization": "standard"}),
    ({"encoder": "rate", "seed": 7}, {}),
    ({"encoder": "rate", "steps": 1}, {}),
    ({"encoder": "latency", "steps": 4, "reset": "zero"}, {}),
    ({"encoder": "latency", "loss": "membrane", "when": "next"}, {}),
]


@pytest.mark.parametrize(("spiking", "quantization"), CASES, ids=str)
def test_every_edge_of_a_network_with_time_at_its_input_is_torchs(spiking, quantization):
    # By turns with neurons on the first layer, and with a layer before it.
    config = recipe(FRONT if spiking.get("loss") else LAYERS, quantization=quantization, **spiking)
    data = moving() if spiking["encoder"] == "events" else small()
    found = exported(config, data)
    source = found.network.input
    assert (source.encoder, source.steps, source.seed) == (
        config.spiking.encoder,
        config.spiking.steps,
        config.spiking.seed,
    )
    shown = {name for section in found.sections for name in section.seen}
    assert shown == set(found.network.edges)
    proof = prove(found, data.images[:70])
    assert proof.samples == 70 and proof.edges == len(found.network.edges)
    if spiking["encoder"] == "events":
        assert source.image_shape == (3, 8, 8, 2)
    else:
        assert source.type == QType(0, 1) and 0 < input_codes(source, data.images[:9]).mean() < 1


def test_what_training_reads_is_to_the_bit_what_the_simulator_reads():
    images = np.random.default_rng(0).integers(0, 17, (9, 8, 8, 1), np.uint8)
    values = input_values(images, 17)
    for encoder in (Encoder("rate", 5, 3), Encoder("latency", 5), Encoder("rate")):
        source = encoder.source((8, 8, 1), 17)
        numbers = np.array([4, 2, 9, 0, 1, 3, 5, 6, 100_000])
        codes = input_codes(source, images, numbers).reshape(9, encoder.steps, 8, 8, 1)
        found = to_float(images, values, encoder, numbers).numpy().reshape(encoder.steps, 9, 1, 8, 8)
        assert np.array_equal(found.transpose(1, 0, 3, 4, 2), codes)
    share = input_codes(Encoder("rate", 400).source((8, 8, 1), 17), images).mean(1)
    assert np.abs(share - images / 16).max() < 0.12
    first = input_codes(Encoder("latency", 5).source((8, 8, 1), 17), images)
    assert np.array_equal(first.any(1), images > 0) and first.sum(1).max() == 1
    assert np.array_equal(first.argmax(1)[images > 0], np.rint(4 * (1 - images[images > 0] / 16)))


def test_steps_of_counts_lie_one_after_the_other_in_a_batch():
    images = np.random.default_rng(0).integers(0, 16, (4, 3, 5, 6, 2), np.uint8)
    values = input_values(images, 16)
    found = to_float(images, values, Encoder("events", 3))
    assert found.shape == (12, 2, 5, 6)
    assert torch.equal(found[4:8], torch.from_numpy(images[:, 1].transpose(0, 3, 1, 2) / np.float32(16)))
    with pytest.raises(InputError, match=r"shape \[4, 3, 5, 6, 2\]; needed uint8 of \(N, 2 steps, H, W, C\)"):
        to_float(images, values, Encoder("events", 2))


@pytest.mark.parametrize("encoder", ["events", "rate"])
def test_sltt_with_time_at_the_input_gives_the_gradients_of_the_whole_graph_without_time(encoder):
    options = {"rate_weight": 2.0, "rate_target": 0.05, "theta": 0.05, "learn": ["theta"]}
    data = moving() if encoder == "events" else small()
    config = recipe(FRONT, encoder=encoder, mode="sltt", **options)
    model, values, coding = untrained(config, data)
    images, labels = to_float(data.images[:30], values, coding), torch.tensor(data.labels[:30])
    model.train()

    def loss_of(scores):
        return torch.nn.functional.cross_entropy(scores, labels)

    from crossloom.training.spiking.neurons import activity_penalty

    (loss_of(model(images)) + activity_penalty(model, config.spiking)).backward()
    whole = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    _, scores = backward_by_steps(model, images, loss_of, config.spiking, np.random.default_rng(0))
    assert torch.equal(scores, model(images).detach())
    by_steps = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert by_steps.keys() == whole.keys()
    for name in whole:
        torch.testing.assert_close(by_steps[name], whole[name], rtol=1e-3, atol=1e-5, msg=name)


def test_a_recipe_of_recordings_trains_and_its_artifact_is_proved_and_restored(tmp_path):
    events, labels, tests = files.nmnist()
    np.savez(tmp_path / "nmnist_1100.npz", **files.packed(events, label=labels, split=tests))
    config = recipe(
        data={"name": "nmnist", "path": str(tmp_path)}, encoder="events", training={"augmentation": {"shift": 2}}
    )
    data = load_dataset(config.data, steps=event_steps(config))
    assert data.steps == 3
    finished = train_and_export(config, data, tmp_path / "run")
    network = finished.artifact.network
    assert (network.input.image_shape, network.input.encoder) == ((3, 34, 34, 2), "events")
    assert finished.artifact.golden.inputs.shape == (10, 3, 34, 34, 2)
    right = finished.artifact.info["accuracy"]["right"]
    assert finished.artifact.info["accuracy"]["interval"] == list(wilson(right, 10))
    assert finished.trained.test_accuracy == right / 10
    assert compare_run(network, tmp_path / "run", data.images) == (0, None)
    assert restore(load(finished.path)).config.spiking == config.spiking


def test_counts_of_ones_own_train(tmp_path):
    data = moving()
    np.savez(tmp_path / "own.npz", images=data.images, labels=data.labels, levels=16)
    config = recipe(data={"path": str(tmp_path / "own.npz")}, encoder="events")
    own = load_dataset(config.data, steps=event_steps(config))
    assert own.steps == 3 and np.array_equal(own.images, data.images)
    assert train_and_export(config, own, tmp_path / "run").artifact.network.input.image_shape == (3, 8, 8, 2)


@pytest.mark.parametrize(("mode", "encoder"), [("bptt", "rate"), ("bptt", "latency"), ("sltt", "events")])
def test_a_recipe_with_time_at_its_input_trains_to_what_its_artifact_answers(tmp_path, mode, encoder):
    config = recipe(encoder=encoder, mode=mode, training={"epochs": 2})
    data = moving() if encoder == "events" else small()
    result = train(config, data, tmp_path / "run", progress=False)
    assert all(np.isfinite(record["loss"]) for record in result.history)
    trained = load_run(tmp_path / "run")
    coding = Encoder(encoder, 3)
    network = convert_model(trained.model, "x", data.classes, data.shape, trained.values, coding).network
    answers = run(network, data.images[data.test])
    assert (answers.labels == data.labels[data.test]).mean() == trained.test_accuracy
    found = evaluate(trained.model, data, data.test, trained.values, encoder=coding)
    assert found.accuracy == trained.test_accuracy


def test_pieces_of_a_test_set_have_their_own_accuracy_and_interval(tmp_path):
    from dataclasses import replace

    data = moving()
    data = replace(data, test_set="others all", tests=(("others test", 7), ("others training", len(data.test) - 7)))
    info = train_and_export(recipe(encoder="events"), data, tmp_path / "run").artifact.info
    parts, whole = info["accuracy"]["parts"], info["accuracy"]
    assert info["dataset"] == "others all" and list(parts) == ["others test", "others training"]
    assert [part["images"] for part in parts.values()] == [7, whole["images"] - 7]
    assert sum(part["right"] for part in parts.values()) == whole["right"]
    for part in (*parts.values(), whole):
        assert part["interval"] == list(wilson(part["right"], part["images"]))


def test_shifts_move_all_steps_of_an_image_alike_and_lose_no_count_inside():
    from crossloom.training.augment import augment
    from crossloom.training.config import AugmentationConfig

    images = np.zeros((20, 3, 9, 9, 2), np.uint8)
    images[:, :, 3:6, 3:6] = np.random.default_rng(0).integers(1, 16, (20, 3, 3, 3, 2))
    moved = augment(images, AugmentationConfig(shift=3), np.random.default_rng(1))
    assert moved.shape == images.shape and not np.array_equal(moved, images)
    for one, other in zip(images, moved, strict=True):
        row, column = (int(np.flatnonzero(other.any((0, axis, 3)))[0]) for axis in (2, 1))
        assert np.array_equal(np.roll(one, (row - 3, column - 3), (1, 2)), other)
    mirrored = augment(images[:, :, :, :5], AugmentationConfig(flip=True), np.random.default_rng(1))
    assert {(m == i[..., ::-1, :]).all() for m, i in zip(mirrored, images[:, :, :, :5], strict=True)} == {True, False}


@pytest.mark.parametrize(
    ("spiking", "training", "timed", "message"),
    [
        ({"encoder": "direct"}, {}, True, r"moving: images of 3 steps of time; needed images that stand still; write "),
        ({"encoder": "events"}, {}, False, r"small: images that stand still; needed 3 steps of counts"),
        (
            {"encoder": "events", "steps": 4},
            {},
            True,
            r"moving: images of 3 steps of time; needed the 4 of \[spiking\]",
        ),
        ({"encoder": "events"}, {"augmentation": {"rotate": 5}}, True, r"key 'rotate': found 5.0 beside encoder"),
        ({"encoder": "events"}, {"augmentation": {"scale": 0.1}}, True, r"key 'scale': found 0.1 beside encoder"),
    ],
)
def test_a_recipe_and_a_data_set_of_other_time_are_refused_in_one_line(tmp_path, spiking, training, timed, message):
    config, data = recipe(training=training, **spiking), moving() if timed else small()
    for refuses in (refuse_beforehand, lambda *given: train(*given, tmp_path / "run", progress=False)):
        with pytest.raises(ConfigError, match=message) as caught:
            refuses(config, data)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_network_without_neurons_does_not_train_on_counts():
    plain = parse_config({"name": "x", "layers": [{"type": "flatten"}, {"type": "dense"}]})
    with pytest.raises(
        ConfigError, match=r'moving: images of 3 steps of time.*write \[spiking\] with encoder = "events"'
    ):
        refuse_beforehand(plain, moving())


def test_a_model_of_ones_own_reads_counts_and_spikes_as_a_recipes_does():
    import brevitas.nn as qnn

    from crossloom.training.quantizers import BiasQuant, activation_quantizer, weight_quantizer
    from crossloom.training.spiking.layers import Count

    def model(source, channels, steps=3):
        options = {"weight_quant": weight_quantizer(4, True), "bias_quant": BiasQuant, "return_quant_tensor": True}
        layer = qnn.QuantLinear(channels * 64, 10, bias=True, **options)
        return torch.nn.Sequential(source, torch.nn.Flatten(), layer, LIFLayer(10, steps=steps), Count(steps))

    counts, images = moving(), small()
    identity = qnn.QuantIdentity(activation_quantizer(4, False), return_quant_tensor=True)
    given = {"name": "own", "classes": counts.classes}
    values = input_values(counts.images, 16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        nets = model(identity, 2).eval(), model(SpikeInput(), 1).eval()
    network, _ = export_model(
        nets[0], shape=(8, 8, 2), values=values, images=counts.images, encoder=Encoder("events", 3), **given
    )
    assert network.input.image_shape == (3, 8, 8, 2)
    still = {"shape": (8, 8, 1), "values": input_values(images.images, 17), "images": images.images[:50], **given}
    network, proof = export_model(nets[1], encoder=Encoder("rate", 3, 5), **still)
    assert network.input.seed == 5 and proof.samples == 50
    with pytest.raises(ExportError, match="a SpikeInput on images; needed encoder=Encoder"):
        export_model(model(SpikeInput(), 1, 1).eval(), **still)
    with pytest.raises(ExportError, match=r"a quantizer on spikes.*needed a SpikeInput"):
        export_model(model(identity, 1).eval(), encoder=Encoder("latency", 3), **still)
    with pytest.raises(ExportError, match=r"images: shape \[150, 3, 8, 8, 2\]; needed \(N, 4, 8, 8, 2\)"):
        export_model(
            nets[0], shape=(8, 8, 2), values=values, images=counts.images, encoder=Encoder("events", 4), **given
        )
