"""Banks of a core behind its AXI ports: loaded whole, refused, or without a name."""

from dataclasses import replace

import numpy as np
import pytest
from core_cases import BUSY, is_exact, lasts, send
from other_banks import other_banks

from crossloom.rtl import RtlError
from crossloom.sim import DeviceError, differing, random_codes, run, structure_sha256, weights_sha256
from crossloom.sim.frames import Status, frame_beats


@pytest.mark.parametrize("shifts", [2, 63])
def test_banks_are_rewritten_and_written_back(core, sha, cases, shifts):
    frames, codes = cases
    other = other_banks(sha.network, shifts=shifts)
    core.load(other)
    assert core.identity("WEIGHTS") == weights_sha256(other) != weights_sha256(sha.network)
    assert core.identity("STRUCTURE") == structure_sha256(sha.network)
    many = random_codes(other, 4, 40)
    is_exact(core, frame_beats(other, many), many)
    core.load(sha.network)
    is_exact(core, frames, codes)


def test_a_network_of_another_trunk_is_refused(core, sha):
    trunk = next(n for n in sha.network.nodes if n.name not in sha.network.head and hasattr(n.op, "bias"))
    moved = replace(trunk, op=replace(trunk.op, bias=trunk.op.bias - np.sign(trunk.op.bias)))
    nodes = tuple(moved if n is trunk else n for n in sha.network.nodes)
    with pytest.raises(DeviceError, match="another structure or trunk"):
        core.load(replace(sha.network, nodes=nodes))


def refused(core, frames, network):
    """A load while an image is inside, and the reset after it."""
    loaded = core.network
    send(core, frames[:1], lasts(frames[:1]), 0, stall=np.ones(1))
    with pytest.raises(DeviceError, match="refused its banks") as error:
        core.load(network)
    assert "\n" not in str(error.value) and core.network is loaded
    assert core.read("STATUS") & 1
    core.write("CONTROL", 1)


def test_a_refused_load_changes_nothing_and_the_next_one_is_whole(core, sha, cases):
    frames, codes = cases
    other = other_banks(sha.network)
    refused(core, frames, other)
    assert core.identity("WEIGHTS") == weights_sha256(sha.network)
    is_exact(core, frames, codes)
    refused(core, frames, other)
    core.load(other)
    assert core.network is other and core.identity("WEIGHTS") == weights_sha256(other)
    many = random_codes(other, 4, 40)
    is_exact(core, frame_beats(other, many), many)
    refused(core, frames, sha.network)
    is_exact(core, frame_beats(other, many), many)
    core.load(sha.network)
    is_exact(core, frames, codes)
    assert core.identity("WEIGHTS") == weights_sha256(sha.network)


@pytest.mark.parametrize("again", [False, True])
def test_after_half_a_load_nothing_runs_until_a_load_is_whole(core, sha, cases, monkeypatch, again):
    frames, codes = cases
    other, write = other_banks(sha.network), core.model.write

    def torn(address, data, **how):
        half = len(np.atleast_1d(address)) // 2
        if half:
            write(np.append(address[:half], 0x20), np.append(data[:half], 0), **how)
            raise RtlError("the bus died")
        write(address, data, **how)

    with monkeypatch.context() as patched:
        patched.setattr(core.model, "write", torn)
        with pytest.raises(RtlError, match="died"):
            core.load(other)
    assert core.network is sha.network
    with pytest.raises(DeviceError, match="half"):
        core.run(codes)
    wanted = other if again else sha.network
    core.load(wanted)
    many = random_codes(wanted, 4, 40)
    is_exact(core, frame_beats(wanted, many), many)
    core.load(sha.network)
    is_exact(core, frames, codes)


def test_banks_with_a_refused_word_bear_no_name(core, sha, cases, monkeypatch):
    other, write = other_banks(sha.network), core.model.write

    def wild(address, data, **how):
        if np.size(address) > 8:  # a place that is not there, before the rest
            write(np.append([0x18, 0x20], address), np.append([0xFFFFF, 0], data), **how)
        else:
            write(address, data, **how)

    with monkeypatch.context() as patched:
        patched.setattr(core.model, "write", wild)
        with pytest.raises(DeviceError, match="refused its banks"):
            core.load(other)
    assert core.identity("WEIGHTS") == "0" * 64
    core.load(sha.network)
    is_exact(core, *cases)


def equal_words(network):
    """A network whose coarse head has nothing but zeros, so that all its words are alike."""
    nodes = tuple(
        replace(n, op=replace(n.op, weight=n.op.weight * 0, bias=n.op.bias * 0))
        if n.name in network.head and hasattr(n.op, "bias")
        else n
        for n in network.nodes
    )
    return replace(network, nodes=nodes)


def test_a_head_whose_words_are_alike_is_loaded(core, sha, cases):
    """Equal words of the trunk are kept once; those of the head stand alone, as others may come in their place."""
    _, codes = cases
    alike = equal_words(sha.network)
    core.load(alike)
    answers, _ = core.run(codes)
    wanted = run(alike, codes=codes)
    assert not differing(wanted, answers).any()
    core.load(sha.network)
    is_exact(core, *cases)


def test_half_written_banks_bear_no_name(core, sha, cases):
    core.write("BANK_PLACE", 3 << 20)
    core.write("BANK_PART", 0)
    core.write("BANK_DATA", len(sha.network.route.branches[0].classes))
    assert core.identity("WEIGHTS") == "0" * 64
    for i in range(8):
        word = int.from_bytes(bytes.fromhex(weights_sha256(sha.network))[4 * i : 4 * i + 4], "little")
        assert core.identity("WEIGHTS") == "0" * 64
        core.write(f"WEIGHTS_{i}", word)
    assert core.identity("WEIGHTS") == weights_sha256(sha.network)
    is_exact(core, *cases)


def test_banks_written_by_hand_are_loaded_whole(core, sha, cases):
    for bank in core.program.banks:
        core.write("BANK_PLACE", bank.weights)
        core.write("BANK_PART", 0)
        core.write("BANK_DATA", 0x12345678)
    core.load(sha.network)
    is_exact(core, *cases)


def test_a_bank_written_while_an_image_runs_is_refused_and_told(core, cases):
    frames, codes = cases
    send(core, frames[:1], lasts(frames[:1]), 0, stall=np.ones(1))
    core.write("BANK_PLACE", 0)
    core.write("BANK_DATA", 0xFFFFFFFF)
    core.write("WEIGHTS_0", 0)
    assert core.read("ERROR") == BUSY
    assert core.counters()["ERRORS"] == 2
    statuses, _ = send(core, frames[:0], lasts(frames[:0]), 1)
    assert statuses == [Status.OK]
    assert core.identity("WEIGHTS") == weights_sha256(core.network)
    is_exact(core, frames, codes)
