"""What the report shows of a network with time: its sections, the figures behind them, and pictures of events."""

import json
import re
import zlib
from base64 import b64decode

import numpy as np
import pytest
from handmade import spiking_network
from html_pages import check_page

from crossloom.host.cli import main
from crossloom.host.report.figures import measure
from crossloom.host.report.page import page
from crossloom.host.report.plots import MOST, Axis, Line, lines
from crossloom.host.report.spikes import ADDERS
from crossloom.host.report.strips import BRIGHTER, DARKER, colored, input_picture, raster, strip
from crossloom.sim import (
    LIF,
    Artifact,
    Conv2d,
    Count,
    Dense,
    Flatten,
    Input,
    Network,
    Node,
    QType,
    Threshold,
    load,
    make_golden,
    random_network,
    run,
    save,
    synaptic_operations,
)

TITLES = ["Spikes and membranes", "When the answer is settled", "Activity", "Work of an image", "Energy, estimated"]
EVIL = "<script>alert(1)</script>"


def artifact_of(network, count=40):
    rng = np.random.default_rng(5)
    images = rng.integers(0, network.input.levels, (count, *network.input.image_shape), dtype=np.uint8)
    labels = rng.integers(0, len(network.classes), count)
    return Artifact(network, {}, make_golden(network, "random test", images, labels))


def figures_of(artifact):
    return measure(artifact, artifact.golden.inputs, artifact.golden.labels)


def html(artifact):
    return page(figures_of(artifact), "crossloom report x")


def pixels(uri):
    """RGBA (H, W, 4) of a data: URI, as our writer makes them."""
    raw = b64decode(uri.partition(",")[2])
    width, height = (int.from_bytes(raw[16 + 4 * i : 20 + 4 * i], "big") for i in range(2))
    start = raw.index(b"IDAT")
    length = int.from_bytes(raw[start - 4 : start], "big")
    rows = np.frombuffer(zlib.decompress(raw[start + 4 : start + 4 + length]), np.uint8).reshape(height, -1)
    return rows[:, 1:].reshape(height, width, 4)


@pytest.mark.parametrize("seed", [2000, 2003, 2008, 2014, 2021, 2023])
def test_the_page_of_a_random_spiking_network_is_whole(seed):
    tags = check_page(html(artifact_of(random_network(seed))))
    assert [t for t in tags.texts if t in TITLES] == TITLES


def test_a_network_with_branches_or_one_step_says_what_cannot_be_shown():
    seen = set()
    for seed in range(2000, 2040):
        network = random_network(seed)
        if (network.route is None, network.steps == 1) in seen or network.timed is None:
            continue
        seen.add((network.route is None, network.steps == 1))
        text = html(artifact_of(network))
        assert ("Not shown: " in text) == (network.route is not None or network.steps == 1), seed
        check_page(text)
    assert len(seen) == 4


def test_a_network_without_time_has_none_of_it(flat):
    figures = figures_of(load(flat))
    assert figures.spikes is None and figures.to_json()["spikes"] is None
    assert not set(TITLES) & set(check_page(page(figures, "x")).texts)


def test_the_figures_are_those_counted_by_hand():
    network = spiking_network()
    artifact = artifact_of(network, 60)
    images, labels = artifact.golden.inputs, artifact.golden.labels
    found = figures_of(artifact).spikes
    edges = run(network, images, edges=network.edges).edges
    spikes = edges["spikes"]
    assert found.spikes.tolist() == spikes.reshape(60, -1).sum(1).tolist()
    (layer,) = found.layers
    rates = spikes.reshape(60 * 3, -1).mean(0)
    assert (layer.neurons, layer.per_image) == (18, spikes.sum() / 60)
    assert layer.rate == pytest.approx(rates.mean())
    assert layer.silent == (rates == 0).mean() and layer.saturated == (rates >= 0.99).mean()
    assert sum(layer.histogram) == 18 and layer.histogram[0] == (rates < 0.05).sum()
    counts = synaptic_operations(network, images)
    assert found.operations.tolist() == sum(counts.values()).tolist()
    answers = edges["membranes"].argmax(2)
    assert found.right == pytest.approx((answers == labels[:, None]).mean(0))
    settled = [(answers[:, step:] == answers[:, -1:]).all(1).mean() for step in range(3)]
    assert found.settled == pytest.approx(settled) and settled[0] < 1
    # conv multiplies in full, once; fc adds for each spike.
    assert [(w.name, w.adds, w.once, w.macs) for w in found.work] == [("conv", False, 162, 162), ("fc", True, 54, 162)]
    assert found.cycles.tolist() == (-(-162 // ADDERS) + -(-counts["fc"] // ADDERS)).tolist()


def test_samples_are_of_different_classes_and_right_where_one_is():
    artifact = artifact_of(spiking_network(), 60)
    labels, predicted = artifact.golden.labels, run(artifact.network, artifact.golden.inputs).labels
    samples = figures_of(artifact).spikes.samples
    assert [one.label for one in samples] == [0, 1, 2]
    for one in samples:
        right = np.flatnonzero((labels == one.label) & (predicted == one.label))
        assert one.image == (right if len(right) else np.flatnonzero(labels == one.label))[0]
        assert one.predicted == predicted[one.image]
        whole = run(artifact.network, artifact.golden.inputs[one.image : one.image + 1], edges=["neurons"])
        assert (one.edges["neurons"] == whole.edges["neurons"][0]).all()
        frac = artifact.network.edges["scores"].type.frac
        assert one.scores[-1].tolist() == (whole.logits[0] * 2.0**-frac).tolist()


def test_a_sample_of_encoder_rate_draws_as_its_number_in_the_set():
    network = spiking_network(input=Input((3, 3, 1), QType(0, 1), np.array([[0], [65536 // 2]] * 2), "rate", 3, 9))
    artifact = artifact_of(network, 30)
    codes = run(network, artifact.golden.inputs, edges=["input"]).edges["input"]
    samples = figures_of(artifact).spikes.samples
    assert any(one.image for one in samples)
    for one in samples:
        assert (one.edges["input"] == codes[one.image]).all()
    assert "what the encoder makes of it" in html(artifact)


def test_hostile_class_names_stay_text_in_every_chart():
    text = html(artifact_of(spiking_network(classes=(EVIL, "b'\"&", "c" * 80))))
    assert EVIL not in text and "<script" not in text
    check_page(text)


def test_a_network_of_many_neurons_and_classes_keeps_a_small_page():
    given = Input((16, 16, 1), QType(0, 15), np.arange(16)[:, None])
    rng = np.random.default_rng(0)
    lif = LIF(np.array([40 << 8]), np.array([2]), 8, "subtract", "now", False, 1, 24, 16)
    out = LIF(np.array([60 << 8]), np.array([0]), 8, "subtract", "now", False, 1, 24, 16)
    conv = Conv2d(rng.integers(-7, 8, (32, 3, 3, 1)), np.zeros(32, int), QType(-7, 7), 8, pad=(1, 1, 1, 1))
    nodes = (
        Node("conv", conv, ("input",)),
        Node("neurons", lif, ("conv",)),
        Node("spikes", Threshold(lif.levels, 0, 1, 0), ("neurons",)),
        Node("flat", Flatten(), ("spikes",)),
        Node("fc", Dense(rng.integers(-7, 8, (100, 8192)), np.zeros(100, int), QType(-7, 7), 8), ("flat",)),
        Node("out", out, ("fc",)),
        Node("fired", Threshold(out.levels, 0, 1, 0), ("out",)),
        Node("count", Count(), ("fired",)),
    )
    network = Network("many", given, nodes, "count", tuple(f"class {i}" for i in range(100)))
    text = html(artifact_of(network, 60))
    check_page(text)
    assert len(text) < 400_000


def test_events_are_pictures_of_two_colours_step_by_step():
    network = spiking_network(input=Input((3, 3, 1), QType(0, 3), np.arange(4)[:, None], "events", 3))
    assert check_page(html(artifact_of(network)))
    given = Input((2, 2, 2), QType(0, 3), np.arange(4)[:, None], "events", 2)
    image = np.zeros((2, 2, 2, 2), np.uint8)
    image[0, 0, 0, 0], image[1, 1, 1, 1] = 3, 3
    drawn = pixels(input_picture(given, image))
    assert drawn[0, 0].tolist() == [*DARKER, 255] and drawn[1, 1].tolist() == [*BRIGHTER, 255]
    assert drawn[0, 1, 3] == drawn[1, 0, 3] == 0
    steps = re.findall(r'src="([^"]+)"', strip(image, polarities=True, words="events"))
    assert [(pixels(uri)[..., 3] > 0).tolist() for uri in steps] == [
        [[True, False], [False, False]], [[False, False], [False, True]],
    ]  # fmt: skip


def test_a_strip_of_many_steps_joins_them_and_loses_none():
    counts = np.zeros((70, 2, 2, 1), np.int64)
    counts[69, 1, 1] = 1
    drawn = strip(counts, polarities=False, words="spikes")
    labels = re.findall(r"<span>([\d-]+)</span>", drawn)
    assert labels[0] == "1-3" and labels[-1] == "70" and len(labels) == 24
    assert pixels(re.findall(r'src="([^"]+)"', drawn)[-1])[1, 1, 3] == 255


def test_a_raster_has_steps_to_the_right_and_neurons_downwards_channel_by_channel():
    spikes = np.zeros((4, 2, 2, 3), np.int64)
    spikes[2, 0, 1, 2] = 1  # neuron 1 of channel 2: row 2 * 4 + 1
    image, together = raster(spikes, "spikes")
    drawn = pixels(re.search(r'src="([^"]+)"', image)[1])[..., 3]
    assert together == 1
    rows, columns = np.nonzero(drawn)
    down, across = drawn.shape[0] // 12, drawn.shape[1] // 4
    assert set(rows // down) == {9} and set(columns // across) == {2}


def test_neurons_that_share_a_row_are_as_deep_as_many_of_them_spike():
    spikes = np.zeros((1, 1000), np.int64)
    spikes[0, :5], spikes[0, 5] = 1, 1
    image, together = raster(spikes, "spikes")
    drawn = pixels(re.search(r'src="([^"]+)"', image)[1])[..., 3]
    assert together == 5
    assert drawn[0, 0] == 255 and drawn[1, 0] == round(255 * (1 / 5) ** 0.5) and not drawn[2:].any()


def places_of(*points):
    """Where a line's points are drawn."""
    drawn = lines("", [Line(points, "c0")], Axis("step", 0.0, 4095.0), Axis("y", 0.0, 7.0))
    return [
        tuple(map(float, place.split())) for place in re.search(r'd="M([^"]*)" class="line c0"', drawn)[1].split("L")
    ]


def test_lines_of_many_points_are_thinned_out_and_keep_their_ends():
    points = [(float(i), float(i % 7)) for i in range(4096)]
    places = places_of(*points)
    assert 200 < len(places) <= MOST + 1
    assert [places[0], places[-1]] == places_of(points[0], points[-1])
    assert len(places_of(*points[:200])) == 200


def test_ticks_are_round_and_within_the_axis():
    assert Axis("", 0.75, 4.25, whole=True).ticks(6) == [1, 2, 3, 4]
    assert Axis("", -0.1, 1.05).ticks(5) == pytest.approx([0, 0.5, 1])
    assert Axis("", 138000.0, 242000.0).ticks(6) == [140000, 160000, 180000, 200000, 220000, 240000]
    assert Axis("", 3.0, 3.0).ticks(5)


def test_colours_that_meet_are_mixed_and_never_more_than_opaque():
    found = colored(np.array([[[1.0, 1.0], [0.0, 0.0]]]), (100, 0, 0), (0, 100, 200))
    assert found.tolist() == [[[50, 50, 100, 255], [0, 0, 0, 0]]]


def test_the_command_tells_the_figures_as_json(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifact = artifact_of(spiking_network(), 12)
    save(artifact, tmp_path / "x.loom")
    assert main(["report", "x.loom", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    spikes = data["spikes"]
    assert spikes["steps"] == 3 and spikes["accuracy_by_step"][-1] == data["accuracy"]
    assert spikes["settled_by_step"][-1] == 1 and list(spikes["layers"]) == ["neurons"]
    assert spikes["cycles"]["origin"].startswith("estimated") and spikes["energy_estimate"]["origin"] == "estimated"
