"""Golden vectors: digests as documented, bound to what they were made of."""

import hashlib

import numpy as np
import pytest
from handmade import flat_network, routed_network

from crossloom.sim import InputError, digest, digests, make_golden, run, simulated_digests
from crossloom.sim.types import QType


def images(count=7):
    return np.random.default_rng(1).integers(0, 4, (count, 3, 3, 1), dtype=np.uint8)


@pytest.mark.parametrize("build", [flat_network, routed_network])
def test_digests_are_blake2b_of_the_smallest_signed_dtype(build):
    net = build()
    golden = make_golden(net, "hand test", images())
    full = run(net, images(), edges=net.edges).edges
    assert golden.edges == tuple(net.edges)
    for j, name in enumerate(golden.edges):
        dtype = next(
            d
            for d in ("<i1", "<i2", "<i4", "<i8")
            if np.iinfo(d).min <= net.edges[name].type.lo and net.edges[name].type.hi <= np.iinfo(d).max
        )
        for i in range(7):
            raw = full[name][i].astype(dtype).tobytes()
            wanted = int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
            assert int(golden.digests[i, j]) == wanted


def test_one_changed_code_changes_the_digest():
    codes = np.zeros((3, 3), np.int64)
    before = digest(codes, QType(0, 15))
    codes[2, 1] = 1
    assert digest(codes, QType(0, 15)) != before


def test_the_first_four_images_are_kept_whole_and_small_sets_travel_along():
    net = flat_network()
    labels = np.arange(7)
    golden = make_golden(net, "hand test", images(), labels)
    assert golden.vectors == 7
    assert np.array_equal(golden.images, images()[:4])
    assert np.array_equal(golden.inputs, images())
    assert np.array_equal(golden.labels, labels)
    full = run(net, images()[:4], edges=net.edges).edges
    assert all(np.array_equal(golden.codes[n], full[n]) for n in net.edges)


def test_large_sets_stay_at_home(monkeypatch):
    monkeypatch.setattr("crossloom.sim.golden.MAX_INPUT_BYTES", 10)
    golden = make_golden(flat_network(), "hand test", images(), np.arange(7))
    assert golden.inputs is None and golden.labels is None
    assert golden.vectors == 7


def test_chunks_do_not_change_digests(monkeypatch):
    whole = simulated_digests(routed_network(), images())
    monkeypatch.setattr("crossloom.sim.simulator.CHUNK_BYTES", 1300)  # of 604 an image
    seen = []
    assert np.array_equal(simulated_digests(routed_network(), images(), seen.append), whole)
    assert seen == [2, 4, 6, 7]


def test_no_images_are_refused():
    with pytest.raises(InputError, match="golden: no images"):
        make_golden(flat_network(), "none", images(0))


@pytest.mark.parametrize(
    ("bad", "labels", "words"),
    [
        (images()[..., 0], None, "images uint8 [7, 3, 3]; needed uint8 (N, 3, 3, 1)"),
        (images() / 4, None, "images float64"),
        (images().astype(np.int64), None, "images int64"),
        (images(), np.arange(6), "labels int64 [6]; needed one integer per image"),
        (images(), np.arange(7) / 1, "labels float64 [7]"),
    ],
)
def test_what_could_not_be_read_back_is_never_made(bad, labels, words):
    with pytest.raises(InputError) as caught:
        make_golden(flat_network(), "hand test", bad, labels)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("build", [flat_network, routed_network])
def test_one_changed_code_of_any_image_and_edge_changes_that_digest_alone(build):
    net = build()
    names = tuple(net.edges)
    codes = run(net, images(), edges=names).edges
    before = digests(net, codes, names)
    for column, name in enumerate(names):
        changed = {n: c.copy() for n, c in codes.items()}
        last = (5, *(n - 1 for n in net.edges[name].shape))
        changed[name][last] ^= 1
        assert np.argwhere(digests(net, changed, names) != before).tolist() == [[5, column]]


def test_a_digest_is_the_documented_number_and_reads_the_type_not_the_array():
    # blake2b-64 of 01 00 02 00 ff ff, read little-endian, sixteen bits each.
    raw = bytes([1, 0, 2, 0, 255, 255])
    wanted = int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
    for dtype in (np.int16, np.int32, np.int64, np.float64):
        assert int(digest(np.array([1, 2, -1], dtype), QType(-300, 300))) == wanted
    assert int(digest(np.array([1, 2, -1]), QType(-2, 2))) != wanted
