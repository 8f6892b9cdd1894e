"""Memory does not grow with the images: golden vectors, verify, report and answers go through them by bytes."""

import argparse
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossloom.host import Accelerator, testset
from crossloom.host.commands.verify import verify
from crossloom.host.report.figures import measure
from crossloom.sim import (
    LIF,
    Artifact,
    Conv2d,
    Dense,
    Flatten,
    Input,
    Last,
    MaxPool,
    Network,
    Node,
    QType,
    Requant,
    Rounding,
    Threshold,
    batches,
    images_at_once,
    make_golden,
    save,
)

SIDE, CHANNELS = 32, 8


def network():
    """Edges of 25,000 codes an image, 3 images at once in the budget that the tests set."""
    weight = np.arange(CHANNELS * 9).reshape(CHANNELS, 3, 3, 1) % 15 - 7
    conv = Conv2d(weight, np.zeros(CHANNELS, int), QType(-7, 7, 3), 8, pad=(1, 1, 1, 1))
    flat = CHANNELS * SIDE * SIDE // 16
    nodes = (
        Node("conv", conv, ("input",)),
        Node("conv_q", Requant(np.array([3]), Rounding.HALF_EVEN, QType(0, 15, 4)), ("conv",)),
        Node("pool", MaxPool((4, 4), (4, 4)), ("conv_q",)),
        Node("flat", Flatten(), ("pool",)),
        Node(
            "fc", Dense(np.arange(2 * flat).reshape(2, flat) % 15 - 7, np.zeros(2, int), QType(-7, 7, 3), 8), ("flat",)
        ),
    )
    source = Input((SIDE, SIDE, 1), QType(0, 15, 4), np.arange(16)[:, None])
    return Network("wide", source, nodes, "fc", ("a", "b"))


@pytest.fixture(scope="module")
def many():
    """The largest network's images and what the design needs of them, made before memory is watched."""
    return np.random.default_rng(0).integers(0, 16, (192, SIDE, SIDE, 1), dtype=np.uint8)


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    monkeypatch.setattr("crossloom.sim.batching.EDGE_BYTES", 600_000)
    monkeypatch.setattr("crossloom.sim.simulator.CHUNK_BYTES", 600_000)
    monkeypatch.setattr("crossloom.sim.golden.MAX_INPUT_BYTES", 0)
    monkeypatch.setattr("crossloom.sim.golden.MAX_FULL_BYTES", 100_000)


def written(images, folder):
    net = network()
    return save(Artifact(net, {}, make_golden(net, "many test", images)), folder / f"wide-{len(images)}.loom")


def peak(work):
    """The most bytes that were there at once, beyond what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def golden(images, artifact, path):
    make_golden(artifact.network, "many test", images)


def verified(images, artifact, path):
    tests = testset.TestImages(images, None, np.arange(len(images)), len(images))
    found = verify(artifact, tests, Path("nowhere"), False, ["integer"])
    assert found["differences"] == {"golden": 0, "integer": 0}


def verified_in_part(images, artifact, path):
    rows = np.where(np.arange(len(images)) % 2, np.arange(len(images)), -1)
    found = verify(artifact, testset.TestImages(images, None, rows, len(images)), Path("nowhere"), False, ["integer"])
    assert found["differences"] == {"golden": 0, "integer": 0}


def given(images, artifact, path):
    np.save(path.with_suffix(".npy"), images)
    found = testset.test_images(artifact, argparse.Namespace(design=str(path), data=str(path.with_suffix(".npy"))))
    assert (found.beyond, found.missing) == (0, 0)


def reported(images, artifact, path):
    measure(artifact, images, np.zeros(len(images), np.int64))


def reported_spikes(images, artifact, path):
    net = network()
    lif = LIF(np.array([300]), np.array([2]), 2, "subtract", "now", False, 1, 16, 2)
    nodes = [
        *(net.nodes[0], Node("lif", lif, ("conv",)), Node("spikes", Threshold(lif.levels, 0, 1, 0), ("lif",))),
        *(replace(net.nodes[2], inputs=("spikes",)), *net.nodes[3:], Node("last", Last(), ("fc",))),
    ]
    spiking = replace(net, nodes=tuple(nodes), output="last")
    assert measure(Artifact(spiking, {}, None), images, np.zeros(len(images), np.int64)).spikes is not None


def answered(images, artifact, path):
    with Accelerator(path) as accelerator:
        assert len(accelerator(images).labels) == len(images)


@pytest.mark.parametrize("work", [golden, verified, verified_in_part, given, reported, reported_spikes, answered])
def test_memory_does_not_grow_with_the_images(work, many, tmp_path):
    found = []
    for count in (24, 192):
        images = many[:count]
        artifact = written(images, tmp_path)
        path = tmp_path / f"wide-{count}.loom"
        work(images, artifact, path)  # imports and caches
        found.append(peak(lambda images=images, artifact=artifact, path=path: work(images, artifact, path)))
    few, most = found
    # Results and digests are a hundred bytes an image, images read from a file SIDE * SIDE; their edges are 33 KB.
    assert most - few < (192 - 24) * (3 * SIDE * SIDE), found


def test_a_batch_has_as_many_images_as_its_bytes_hold_and_one_at_least(monkeypatch):
    net = network()
    each = 8 * sum(edge.size for edge in net.edges.values())
    monkeypatch.setattr("crossloom.sim.batching.EDGE_BYTES", 3 * each + each // 2)
    assert images_at_once(net) == 3
    assert [(part.start, part.stop) for part in batches(net, 7)] == [(0, 3), (3, 6), (6, 7)]
    assert [(part.start, part.stop) for part in batches(net, 0)] == [(0, 0)]
    monkeypatch.setattr("crossloom.sim.batching.EDGE_BYTES", each - 1)
    assert images_at_once(net) == 1
    monkeypatch.setattr("crossloom.sim.batching.EDGE_BYTES", 1 << 40)
    assert images_at_once(net) == 256


def test_images_whose_codes_are_many_are_kept_whole_in_smaller_numbers_but_one_always(monkeypatch, many):
    net = network()
    each = sum(edge.size * edge.type.dtype.itemsize for edge in net.edges.values())
    for room, count in ((0, 1), (2 * each, 2), (4 * each, 4), (100 * each, 4)):
        monkeypatch.setattr("crossloom.sim.golden.MAX_FULL_BYTES", room)
        found = make_golden(net, "many test", many[:8])
        assert len(found.images) == count and {len(codes) for codes in found.codes.values()} == {count}
        assert found.vectors == 8
