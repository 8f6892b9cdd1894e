"""A network behind its AXI ports: exact for every shipped image, and alive after whatever a host does wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from core_cases import ADDRESS, BUSY, FOLDING, LONG, SHORT, STALL, VALUE, expected, is_exact, lasts, send

from crossloom.rtl import RtlError
from crossloom.rtl.compiler.program import compile_network
from crossloom.rtl.core.simulation import CoreModel
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.rtl.registers.core_map import CORE, IDENTITY, VERSION
from crossloom.sim import (
    DeviceError,
    compare,
    differing,
    input_codes,
    load,
    random_codes,
    run,
    structure_sha256,
    weights_sha256,
)
from crossloom.sim.frames import Status, fixed_sha256, frame_layout, read_results
from crossloom.sim.network import Network, Node
from crossloom.sim.ops import Dense, Flatten
from crossloom.sim.types import QType

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.mark.parametrize("design", ["digits-cnn", "digits-sha"])
def test_a_shipped_design_is_exact_on_every_edge_and_counts_its_frames(design):
    artifact = load(BITSTREAMS / design / f"{design}.loom")
    network = artifact.network
    model = CoreModel(compile_network(network, FOLDING), seed=2, trace=True)
    codes = input_codes(network.input, artifact.golden.inputs[:24])  # all of them: tests/agreement
    answers, timing = model.run(codes)
    wanted = run(network, codes=codes, edges=list(network.edges))
    edges = model.edges()
    assert set(edges) == set(network.edges) - {"input"}
    found = compare(network, wanted.edges, edges)
    assert (found.total, found.first) == (0, None)
    assert found.codes == sum(len(codes) * network.edges[name].size for name in edges)
    assert not differing(wanted, answers).any()
    assert (timing.latency >= image_cycles(model.program).latency // 2).all()
    assert model.counters()["FRAMES_IN"] == model.counters()["FRAMES_OUT"] == len(codes)
    model.close()


def test_a_core_says_what_it_was_built_for(core, sha):
    assert (core.read("ID"), core.read("VERSION")) == (IDENTITY, VERSION)
    assert core.identity("STRUCTURE") == structure_sha256(sha.network)
    assert core.identity("FIXED") == fixed_sha256(sha.network)
    assert core.identity("WEIGHTS") == weights_sha256(sha.network)


def test_no_images_give_empty_answers(core, sha, cases):
    frames, codes = cases
    answers, timing = core.run(codes[:0])
    some, long = core.run(codes)
    for name in ("labels", "branch", "logits", "fine"):
        empty, full = getattr(answers, name), getattr(some, name)
        assert (empty.shape, empty.dtype) == ((0, *full.shape[1:]), full.dtype), name
    for name in ("beats", "first", "last", "latency"):
        empty, full = getattr(timing, name), getattr(long, name)
        assert (empty.shape, empty.dtype) == ((0, *full.shape[1:]), full.dtype), name
    assert core.run_beats(frames[:0]).beats.shape == (0, frame_layout(sha.network).result_beats)
    edges = core.edges()
    assert {name: edge.shape for name, edge in edges.items()} == {
        name: (0, *edge.shape) for name, edge in sha.network.edges.items() if name != "input"
    }
    assert not core.taps().any()


def test_after_missing_results_nothing_old_is_left_inside(core, cases):
    frames, codes = cases
    latency = int(core.run_beats(frames[:1]).latency[0])
    for limit in (1, latency // 2, latency - 1):
        with pytest.raises(RtlError, match=rf"beats in {limit:,} cycles, error register 0x0; .*the core was reset"):
            core.run_beats(frames[:1], limit=limit)
        assert core.read("STATUS") == 0
        is_exact(core, frames[1:], codes[1:])
    with pytest.raises(RtlError, match="the core was reset"):
        core.run_beats(frames, limit=3 * latency)
    again = core.run_beats(frames[:1])
    assert int(again.latency[0]) == latency


def test_long_images_are_waited_for(core, cases, monkeypatch):
    frames, codes = cases
    limits, stream = [], core.model.stream

    def noted(*given, limit, **how):
        limits.append(limit)
        return stream(*given, limit=limit, **how)

    monkeypatch.setattr(core.model, "stream", noted)
    monkeypatch.setattr(core, "description", replace(core.description, latency=3_000_000))
    is_exact(core, frames, codes)
    assert limits == [5 * 12_000_000]


def test_frames_of_another_size_are_refused(core, cases):
    frames, codes = cases
    for wrong in (frames[:, :-1], frames[0], frames[:0, :0]):
        with pytest.raises(RtlError, match=r"frames .*needed"):
            core.run_beats(wrong)
    is_exact(core, frames, codes)


def test_a_program_of_one_sweep_shows_its_flattened_input_and_its_last_image(sha):
    rng = np.random.default_rng(1)
    dense = Dense(rng.integers(-7, 8, (6, 64)), rng.integers(-50, 50, 6), QType(-7, 7), 12)
    nodes = Node("flat", Flatten(), ("input",)), Node("scores", dense, ("flat",))
    network = Network("one-sweep", sha.network.input, nodes, "scores", tuple("abcdef"))
    compiled = compile_network(network, FOLDING, compile_network(sha.network, FOLDING).sizes)  # one library for both
    assert len(compiled.sweeps) == 1
    model = CoreModel(compiled, trace=True)
    with pytest.raises(RtlError, match="run"):
        model.edges()
    codes = random_codes(network, 1, 5)
    _, one = model.run(codes[:1])
    single, offset = model.taps(), one.last[-1]
    answers, many = model.run(codes)
    wanted = run(network, codes=codes, edges=list(network.edges))
    edges = model.edges()
    assert set(edges) == {"flat", "scores"}
    assert compare(network, wanted.edges, edges).total == 0
    assert not differing(wanted, answers).any()
    np.testing.assert_array_equal(model.taps() - [0, many.last[-1], many.last[-1]], single - [0, offset, offset])
    model.close()
    model.close()
    with pytest.raises(RtlError, match="core: the model is closed; make a new one"):
        model.run(codes)


def test_what_a_model_did_not_record_is_told(sha):
    model = CoreModel(compile_network(sha.network, FOLDING))
    for ask in (model.edges, model.taps):
        with pytest.raises(RtlError, match="trace=True"):
            ask()
    model.close()


@pytest.mark.parametrize("beats", [1, 3])
def test_a_short_frame_is_answered_with_its_status(core, cases, beats):
    frames, codes = cases
    assert beats < frames.shape[1]
    last = np.arange(beats) == beats - 1
    statuses, _ = send(core, np.concatenate([frames[0, :beats], frames[1]]), [*last, *lasts(frames[1:2])], 2)
    assert statuses == [Status.SHORT, Status.OK]
    assert core.read("ERROR") == SHORT and core.counters()["FRAMES_SHORT"] == 1
    is_exact(core, frames, codes)


@pytest.mark.parametrize("extra", [1, 4, 9])
def test_a_long_frame_is_dropped_to_its_end_and_answered_with_its_status(core, cases, extra):
    frames, codes = cases
    beats = np.concatenate([frames.ravel()] * 4)[: frames.shape[1] + extra]
    last = np.arange(len(beats)) == len(beats) - 1
    statuses, _ = send(core, beats, last, 1)
    assert statuses == [Status.LONG]
    assert core.read("ERROR") == LONG and core.counters()["FRAMES_LONG"] == 1
    is_exact(core, frames, codes)


def test_a_frame_without_tlast_is_told_and_clearing_the_error_accepts_the_next(core, cases):
    frames, codes = cases
    statuses, _ = send(core, frames[:1], lasts(frames[:1]) & False, 1)
    assert statuses == [Status.LONG]
    assert core.read("STATUS") & 2
    core.write("ERROR", LONG)
    assert core.read("STATUS") == 0
    is_exact(core, frames, codes)


@pytest.mark.parametrize("size", [2, 3, 65535])
def test_frames_of_one_packet_are_answered_in_one_packet(core, cases, size):
    frames, codes = cases
    core.set_packet(size)
    is_exact(core, frames, codes)
    stall = np.random.default_rng(size).random(997) < 0.5
    is_exact(core, frames, codes, stall=stall)
    assert core.counters()["FRAMES_OUT"] == 2 * len(frames)
    core.set_packet(1)
    is_exact(core, frames, codes)


def test_a_packet_that_ends_within_a_frame_or_late_is_told_and_the_next_is_exact(core, cases):
    frames, codes = cases
    core.set_packet(2)
    size, whole = frames.shape[1], np.concatenate([frames, frames])
    statuses, results = send(core, whole.ravel()[: size + 2], np.arange(size + 2) == size + 1, 2)
    assert statuses == [Status.OK, Status.SHORT]
    np.testing.assert_array_equal(read_results(core.network, results[:1]).fine, expected(core.network, codes[:1])[2])
    late = whole.ravel()[: 2 * size + 3]
    statuses, _ = send(core, late, np.arange(len(late)) == len(late) - 1, 2)
    assert statuses == [Status.OK, Status.LONG]
    assert core.read("ERROR") == SHORT | LONG
    is_exact(core, frames, codes)
    core.set_packet(1)


@pytest.mark.parametrize("size", [0, 65536, 1 << 31])
def test_a_packet_of_no_frames_or_too_many_is_refused(core, cases, size):
    with pytest.raises(DeviceError, match=f"refused packets of {size} frames, error register {VALUE:#x}"):
        core.set_packet(size)
    core.write("ERROR", VALUE)
    is_exact(core, *cases)


def test_packets_keep_their_size_while_an_image_is_inside(core, cases):
    frames, codes = cases
    send(core, frames[:1], lasts(frames[:1]), 0, stall=np.ones(1))
    with pytest.raises(DeviceError, match=f"error register {BUSY:#x}; an idle core"):
        core.set_packet(2)
    core.write("CONTROL", 1)
    core.write("ERROR", BUSY)
    is_exact(core, frames, codes)


@pytest.mark.parametrize("beats", [0, 1, 3])
def test_a_reset_drops_what_is_inside_and_keeps_banks(core, cases, beats):
    frames, codes = cases
    whole = np.concatenate([frames[0], frames[1, :beats]])
    send(core, whole, [*lasts(frames[:1]), *[False] * beats], 0, stall=np.ones(1))
    assert core.read("STATUS") & 1
    core.write("CONTROL", 1)
    assert core.read("STATUS") == 0
    is_exact(core, frames, codes)


def test_endless_backpressure_is_told_and_loses_nothing(core, cases):
    frames, codes = cases
    core.write("TIMEOUT", 500)
    send(core, frames, lasts(frames), 0, stall=np.ones(1))
    core.model.run(20_000)
    assert core.read("ERROR") == STALL
    assert core.counters()["STALLS"] > 500
    # Two images wait inside and one result; the rest is taken once the reader reads.
    _, first = send(core, frames[:0], lasts(frames[:0]), 1)
    core.write("CONTROL", 1)
    core.write("TIMEOUT", CORE.registers[5].reset)
    _logits, _branch, fine = expected(core.network, codes[:1])
    answers = read_results(core.network, first)
    np.testing.assert_array_equal(answers.fine, fine)
    is_exact(core, frames, codes)


def test_addresses_without_a_register_and_partial_words_are_told(core, cases):
    core.model.write(0x3C, 1)
    assert core.read("ERROR") == ADDRESS
    core.write("ERROR", ADDRESS)
    assert int(core.model.read(0xFFC)[0]) == 0
    assert core.read("ERROR") == ADDRESS
    core.write("ERROR", ADDRESS)
    for name in ("ID", "STRUCTURE_0", "FRAMES_IN"):
        before = core.read(name)
        core.write(name, before + 1)
        assert core.read(name) == before
        assert core.read("ERROR") == ADDRESS
        core.write("ERROR", ADDRESS)
    is_exact(core, *cases)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_random_pauses_on_both_sides_change_nothing(core, cases, share):
    frames, codes = cases
    idle, stall = np.random.default_rng(int(share * 10)).random((2, 997)) < share
    is_exact(core, frames, codes, idle=idle, stall=stall)


def test_clipped_codes_are_counted(core, sha, cases):
    frames, codes = cases
    is_exact(core, frames, codes)
    network = sha.network
    wanted = run(network, codes=codes, edges=list(network.edges))
    clipped = 0
    for _, nodes, _ in network.sections():
        for node in nodes:
            if node.op.kind == "requant" and node.name in network.edges:
                clipped += outside(network, node, wanted, codes)
        if nodes is not network.nodes:
            break
    assert core.counters()["SATURATIONS"] == clipped > 0


def outside(network, node, wanted, codes):
    """Codes that a Requant had to clip, over all images; of a branch, those that its images ran."""
    wide = replace(node.op, out=replace(node.op.out, lo=-(1 << 31), hi=(1 << 31) - 1))
    total = 0
    branches = range(len(network.route.branches)) if node.name in network.branch_edges[0] else [None]
    for branch in branches:
        rows = slice(None) if branch is None else np.flatnonzero(wanted.branch == branch)
        section = next(s for s in network.sections() if s[0] == branch)
        mine = next(n for n in section[1] if n.name == node.name)
        op = replace(mine.op, out=replace(mine.op.out, lo=wide.out.lo, hi=wide.out.hi))
        edge = section[2][mine.inputs[0]]
        acc = wanted.edges[mine.inputs[0]][rows].astype(edge.carrier)
        y = op.kernel([edge], op.infer("wide", [edge], branch is not None))(acc)
        total += int(((y < mine.op.out.lo) | (y > mine.op.out.hi)).sum())
    return total
