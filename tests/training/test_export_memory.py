"""Proofs and evaluation take images by their bytes, with the same result."""

import tracemalloc

import numpy as np
import pytest
import torch
from brevitas_models import VALUES, act, conv, dense, images, relu, seq
from torch import nn

from crossloom.sim import images_at_once
from crossloom.training.export import convert
from crossloom.training.inputs import to_float
from crossloom.training.prove import compare_torch, prove
from crossloom.training.steps import evaluation_batches
from crossloom.training.tracing import Recorder


@pytest.fixture(scope="module")
def exported():
    torch.manual_seed(0)
    model = seq(act(8), conv(3, 8, 3, padding=1), relu(), nn.MaxPool2d(8), nn.Flatten(), dense(128))
    with torch.no_grad():
        model.train()(to_float(images((32, 32, 3), 8), VALUES))
    return convert(model.eval(), name="m", classes=("a", "b", "c"), shape=(32, 32, 3), values=VALUES)


@pytest.fixture
def three_at_once(exported, monkeypatch):
    each = 8 * sum(edge.image_size for edge in exported.network.edges.values())
    monkeypatch.setattr("crossloom.sim.batching.EDGE_BYTES", 3 * each)
    monkeypatch.setattr("crossloom.sim.simulator.CHUNK_BYTES", 3 * each)
    assert images_at_once(exported.network) == 3


def test_a_proof_shows_torch_a_bounded_number_of_images_and_says_the_same(exported, monkeypatch, request):
    given = images((32, 32, 3), 10)
    whole, counts, done = prove(exported, given), [], []
    request.getfixturevalue("three_at_once")
    record = Recorder.record
    monkeypatch.setattr(Recorder, "record", lambda self, values: (counts.append(len(values)), record(self, values))[1])
    assert prove(exported, given, done.append) == whole
    assert counts == [3, 3, 3, 1] and done == [3, 6, 9, 10]


def test_memory_of_a_proof_does_not_grow_with_the_images(exported, three_at_once):
    found = []
    for count in (6, 48):
        given = images((32, 32, 3), count)
        tracemalloc.start()
        try:
            assert compare_torch(exported, given).total == 0
            found.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert found[1] - found[0] < 100_000, found  # an image's codes take 27 KB and more


@pytest.mark.parametrize(("side", "size"), [(8, 512), (32, 512), (64, 256), (224, 20), (4096, 1)])
def test_large_images_are_evaluated_in_smaller_batches_and_each_once(side, size):
    parts = evaluation_batches(np.arange(600), (side, side, 3))
    assert np.array_equal(np.concatenate(parts), np.arange(600))
    assert {len(part) for part in parts[:-1]} == {size}
