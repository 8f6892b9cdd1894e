"""Frames, results and loads: the bytes between host and core."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossloom.sim import DeviceError, InputError, differing, random_codes, random_network, run, weights_sha256
from crossloom.sim.frames import (
    IDENTITY_BEATS,
    Status,
    beats_of,
    field_bits,
    fixed_sha256,
    frame_beats,
    frame_layout,
    load_beats,
    load_fields,
    pack,
    read_results,
    result_beats,
    unpack,
)

ROUTED = [seed for seed in range(40) if random_network(seed).route][:6]
FLAT = [seed for seed in range(40) if not random_network(seed).route][:4]
SPIKING = [2005, 2003]  # routed and flat


def test_a_field_lies_from_the_least_significant_bit_up_and_never_across_beats():
    assert pack(np.array([[1, 2, 3, -1]]), 4).tolist() == [[0xF321]]
    assert pack(np.array([[1, -2]]), 5).tolist() == [[0xFE01]]
    assert pack(np.arange(9)[None], 8).tolist() == [[0x0706050403020100, 8]]
    assert pack(np.array([[-1, 5]]), 48).tolist() == [[2**64 - 1, 5]]
    assert pack(np.ones((1, 65), int), 1).tolist() == [[2**64 - 1, 1]]


@given(st.integers(1, 64), st.booleans(), st.integers(1, 70), st.data())
def test_unpack_undoes_pack_for_every_width(bits, signed, count, data):
    signed = signed or bits == 64
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    row = st.lists(st.sampled_from([lo, hi, 0, hi // 2]) | st.integers(lo, hi), min_size=count, max_size=count)
    codes = np.array(data.draw(st.lists(row, min_size=1, max_size=3)), np.int64)
    beats = pack(codes, bits)
    assert beats.shape == (len(codes), beats_of(count, bits))
    assert np.array_equal(unpack(beats, bits, signed, count), codes)
    assert field_bits(bits) >= bits > field_bits(bits) // 2 or bits == 1


@pytest.mark.parametrize("signed", [False, True])
def test_the_ends_of_every_width_come_back(signed):
    for bits in range(1, 65 if signed else 64):
        lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        codes = np.array([[hi, lo, lo, hi, lo, 0, hi]])
        assert np.array_equal(unpack(pack(codes, bits), bits, signed, codes.size), codes), bits


@pytest.mark.parametrize("seed", [*ROUTED, *FLAT, *SPIKING])
def test_frames_and_results_carry_a_whole_network_there_and_back(seed):
    network = random_network(seed)
    layout, codes = frame_layout(network), random_codes(network, seed, 12)
    frames = frame_beats(network, codes)
    assert frames.shape == (12, layout.frame_beats)
    back = unpack(frames, layout.input_bits, layout.input_signed, layout.codes)
    assert np.array_equal(back.reshape(codes.shape), codes)
    wanted = run(network, codes=codes)
    beats = result_beats(network, wanted)
    assert beats.shape == (12, layout.result_beats)
    found = read_results(network, beats)
    assert not differing(wanted, found).any()
    assert np.array_equal(found.macs, wanted.macs)
    assert np.array_equal(np.ma.getmaskarray(found.scores), np.ma.getmaskarray(wanted.scores))
    assert np.array_equal(np.ma.filled(found.scores, 0), np.ma.filled(wanted.scores, 0))


@pytest.mark.parametrize("seed", [3, 7])
def test_the_label_is_the_row_that_the_core_names(seed):
    network = random_network(seed, 3)
    assert (network.route is not None) == (seed == 7)
    wanted = run(network, codes=random_codes(network, seed, 20))
    banks = (
        [tuple(range(len(network.classes)))] if network.route is None else [b.classes for b in network.route.branches]
    )
    used = [banks[branch] for branch in (np.zeros(20, int) if wanted.branch is None else wanted.branch)]
    others = [bank[(bank.index(label) + 1) % len(bank)] for bank, label in zip(used, wanted.labels, strict=True)]
    assert (others != wanted.labels).any()
    found = read_results(network, result_beats(network, replace(wanted, labels=np.array(others))))
    assert found.labels.tolist() == others


@pytest.mark.parametrize("seed", [ROUTED[0], FLAT[0]])
def test_an_image_that_differs_in_anything_is_found(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 9)
    wanted = run(network, codes=codes)
    assert not differing(wanted, run(network, codes=codes)).any()
    for name in ("labels", "logits", *(("branch", "fine") if network.route else ())):
        changed = getattr(wanted, name).copy()
        changed.reshape(9, -1)[4, -1] ^= 1
        assert np.flatnonzero(differing(wanted, replace(wanted, **{name: changed}))).tolist() == [4], name
    other = None if network.route else wanted.labels
    assert differing(wanted, replace(wanted, branch=other)).all()


def test_no_images_are_no_frames():
    network = random_network(0)
    frames = frame_beats(network, np.zeros((0, *network.input.shape), np.int32))
    assert frames.shape == (0, frame_layout(network).frame_beats)
    assert unpack(frames, 4, False, 3).shape == (0, 3)


@pytest.mark.parametrize("seed", [*ROUTED, SPIKING[0]])
def test_a_load_holds_identity_class_counts_and_every_tensor_of_head_and_branches_once(seed):
    network = random_network(seed)
    beats, fields = load_beats(network), list(load_fields(network))
    assert len(beats) == frame_layout(network).load_beats
    assert beats[:IDENTITY_BEATS].astype("<u8").tobytes().hex() == weights_sha256(network)
    taken = IDENTITY_BEATS
    nodes = {(0, n.name): n.op for n in network.nodes}
    nodes |= {(i, n.name): n.op for i, b in enumerate(network.route.branches, 1) for n in b.nodes}
    for field in fields:
        assert field.beat == taken
        taken += beats_of(field.count, field.bits)
        found = unpack(beats[None, field.beat : taken], field.bits, field.signed, field.count)[0]
        if field.tensor == "classes":
            assert found.tolist() == [len(network.route.branches[field.section - 1].classes)]
        else:
            assert np.array_equal(found.reshape(field.shape), getattr(nodes[field.section, field.node], field.tensor))
    assert taken == len(beats)
    named = {(f.section, f.node, f.tensor) for f in fields}
    assert len(named) == len(fields)
    assert {n for s, n, _ in named if s == 0} <= set(network.head)
    arrays = {
        (s, n, key)
        for (s, n), op in nodes.items()
        if s or n in network.head
        for key, value in vars(op).items()
        if isinstance(value, np.ndarray)
    }
    assert named - {(s, "", "classes") for s in range(1, len(network.route.branches) + 1)} == arrays


def test_banks_of_one_structure_load_into_one_layout():
    network = random_network(ROUTED[0])
    by_section = {}
    for field in load_fields(network):
        by_section.setdefault(field.section, []).append((field.node, field.tensor, field.shape, field.bits))
    banks = [fields for section, fields in by_section.items() if section]
    assert len(banks) == len(network.route.branches)
    assert all(bank == banks[0] for bank in banks)


def test_a_flat_network_has_nothing_to_load():
    network = random_network(FLAT[0])
    assert frame_layout(network).load_beats == 0
    with pytest.raises(InputError, match="a flat network"):
        load_beats(network)


def test_the_fixed_identity_changes_with_the_trunk_alone():
    network = random_network(ROUTED[0])

    def altered(nodes, wanted):
        """The nodes with one more in the first bias of a node that `wanted` takes; the width stays."""
        changed = []
        for node in nodes:
            if wanted(node) and hasattr(node.op, "bias"):
                bias = node.op.bias.copy()
                bias[0] += 1 if bias[0] < 0 else -1
                node, wanted = replace(node, op=replace(node.op, bias=bias)), lambda _: False
            changed.append(node)
        return tuple(changed)

    head = replace(network, nodes=altered(network.nodes, lambda n: n.name in network.head))
    first = network.route.branches[0]
    bank = replace(first, nodes=altered(first.nodes, lambda n: True))
    branch = replace(network, route=replace(network.route, branches=(bank, *network.route.branches[1:])))
    trunk = replace(network, nodes=altered(network.nodes, lambda n: n.name not in network.head))
    assert len({weights_sha256(n) for n in (network, head, branch, trunk)}) == 4
    assert fixed_sha256(head) == fixed_sha256(branch) == fixed_sha256(network)
    assert fixed_sha256(trunk) != fixed_sha256(network)
    assert len(fixed_sha256(network)) == hashlib.sha256().digest_size * 2


def test_a_result_with_a_bad_status_row_branch_or_size_is_refused():
    network = random_network(ROUTED[0])
    good = result_beats(network, run(network, codes=random_codes(network, 0, 2)))
    layout = frame_layout(network)
    for status in (Status.SHORT, Status.LONG, Status.FOREIGN):
        bad = good.copy()
        bad[1, 0] |= np.uint64(int(status) << 32)
        with pytest.raises(DeviceError, match=f"image 1: status {status.name.lower()}"):
            read_results(network, bad)
    bad = good.copy()
    bad[0, 0] = len(network.route.branches) << 16
    with pytest.raises(DeviceError, match="image 0: row 0 of branch"):
        read_results(network, bad)
    bad = good.copy()
    bad[0, 0] = len(network.route.branches[0].classes)
    with pytest.raises(DeviceError, match=f"row {len(network.route.branches[0].classes)} of branch 0"):
        read_results(network, bad)
    with pytest.raises(DeviceError, match=rf"have \({layout.result_beats},\)"):
        read_results(network, good[:, :-1])
