"""What a core tells of itself, to the cycle: when an image is inside, when its output waits, when that is a stall."""

import numpy as np
import pytest
from core_cases import BUSY, FOLDING, LONG, STALL, is_exact, lasts, send

from crossloom.host import find_design
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.simulation import CoreModel
from crossloom.sim import Input, Network, Node, QType, load, random_codes
from crossloom.sim.frames import frame_beats, frame_layout
from crossloom.sim.ops import Dense, Flatten

CLEAR = 2  # of CONTROL
DROP = 2  # of STATUS
PAUSES = [0, 1, 1, 1, 1, 1, 1, 1, 1]  # longer than what a beat brings keeps the core busy


def wide_network():
    """Pixels of 12 codes of 8 bits, more than a beat holds: between two beats nothing but the frame is begun."""
    rng = np.random.default_rng(1)
    dense = Dense(rng.integers(-7, 8, (3, 48)), rng.integers(-50, 50, 3), QType(-7, 7), 18)
    nodes = Node("flat", Flatten(), ("input",)), Node("scores", dense, ("flat",))
    shape = Input((2, 2, 12), QType(0, 255), np.arange(256)[:, None].repeat(12, 1))
    return Network("wide", shape, nodes, "scores", tuple("abc"))


def narrow_network():
    """A frame of one beat and one pixel: it is whole as soon as it has begun."""
    weight = np.random.default_rng(2).integers(-7, 8, (2, 3))
    nodes = (
        Node("flat", Flatten(), ("input",)),
        Node("scores", Dense(weight, np.zeros(2, np.int64), QType(-7, 7), 12), ("flat",)),
    )
    table = np.arange(16)[:, None].repeat(3, 1)
    return Network("narrow", Input((1, 1, 3), QType(0, 15), table), nodes, "scores", tuple("ab"))


SMALL = {"wide": (wide_network, Folding(12, 12, 1, 12)), "narrow": (narrow_network, Folding(4, 4, 1, 4))}


@pytest.fixture(scope="module", params=["digits-sha", "wide", "narrow"])
def flagged(request):
    """A core, with frames and codes of 3 images."""
    if request.param in SMALL:
        make, folding = SMALL[request.param]
        network = make()
        model = CoreModel(compile_network(network, folding), seed=5, optimize=0)
    else:
        network = load(find_design(request.param)).network
        model = CoreModel(compile_network(network, FOLDING), seed=5)
    codes = random_codes(network, 1, 3)
    yield model, frame_beats(network, codes), codes
    model.close()


def streamed(core, frames, **how):
    """The cycles of every beat in and out of frames sent with cleared counters, and the counters."""
    core.write("CONTROL", 1)
    core.write("CONTROL", CLEAR)
    got = core.model.stream(
        np.ascontiguousarray(frames.reshape(-1, 1)).view(np.uint32),
        lasts(frames),
        len(frames) * frame_layout(core.network).result_beats,
        **how,
    )
    return got.in_cycles.astype(np.int64), got.out_cycles.astype(np.int64), core.counters()


@pytest.mark.parametrize("idle", [None, PAUSES])
@pytest.mark.parametrize("stall", [None, [0, 1, 1]])
def test_an_image_is_inside_from_its_first_beat_to_its_results_last(flagged, idle, stall):
    core, frames, _ = flagged
    gates = {k: np.array(v, bool) for k, v in (("idle", idle), ("stall", stall)) if v}
    for some in (frames[:1], frames):
        came, left, counts = streamed(core, some, **gates)
        # Pauses between images count as long as one is inside.
        assert counts["CYCLES"] == left[-1] - came[0]


def test_beats_that_are_dropped_are_no_image(flagged):
    core, frames, codes = flagged
    core.write("CONTROL", 1)
    core.write("CONTROL", CLEAR)
    core.write("ERROR", 0x3F)
    data = np.ascontiguousarray(frames.reshape(-1, 1)).view(np.uint32)
    beats, ends = frames.shape[1], np.zeros(frames.size, bool)
    got = core.model.stream(data[:beats], ends[:beats], frame_layout(core.network).result_beats)
    inside = int(got.out_cycles[-1] - got.in_cycles[0])
    assert (core.counters()["CYCLES"], core.read("STATUS")) == (inside, DROP)
    core.model.stream(data[beats:], ends[beats:], 0)
    core.model.run(40)
    assert (core.counters()["CYCLES"], core.read("STATUS")) == (inside, DROP)
    core.write("ERROR", LONG)
    is_exact(core, frames, codes)


def test_a_begun_frame_locks_the_banks_between_its_beats(flagged):
    core, frames, codes = flagged
    core.write("CONTROL", 1)
    core.write("ERROR", 0x3F)
    for beat in range(frames.shape[1] - 1):
        send(core, frames[0, beat : beat + 1], [False], 0)
        core.model.run(40)
        assert core.read("STATUS") & 1
        core.write("WEIGHTS_0", 0)
        assert core.read("ERROR") == BUSY
        core.write("ERROR", BUSY)
    send(core, frames[0, -1:], [True], 1)
    assert core.read("STATUS") == 0
    is_exact(core, frames, codes)


def test_the_output_waits_only_while_nobody_takes_it(flagged):
    core, frames, _ = flagged
    came, left, counts = streamed(core, frames[:1])
    assert counts["STALLS"] == 0
    offered, beats = left[0] - came[0], len(left)
    came, left, counts = streamed(core, frames[:1], stall=np.array([0, 1, 1], bool))
    assert counts["STALLS"] == left[-1] - (came[0] + offered) + 1 - beats > 0


def test_a_stall_is_told_when_the_output_has_waited_timeout_cycles(flagged):
    core, frames, _ = flagged
    core.write("CONTROL", 1)
    core.write("TIMEOUT", 30)
    beats = frame_layout(core.network).result_beats
    came, left, _ = streamed(core, frames[:1])
    until, seen = left[0] - came[0], set()
    for held in range(until, until + 45):
        core.write("ERROR", 0x3F)
        core.write("CONTROL", CLEAR)
        send(core, frames[:1], lasts(frames[:1]), 1, stall=np.arange(held + beats + 200) < held)
        waited = core.counters()["STALLS"]
        assert core.read("ERROR") == (STALL if waited >= 30 else 0), waited
        seen.add(waited)
    assert {28, 29, 30, 31} <= seen
    core.write("TIMEOUT", 1 << 20)


def test_the_bus_answers_okay_and_every_byte_of_a_result_counts(flagged):
    core = flagged[0]
    core.model.write(0xFFC, 1)  # also where there is no register
    core.model.read(0xFFC)
    assert (core.model.get("s_axi_bresp"), core.model.get("s_axi_rresp")) == (0, 0)
    assert core.model.get("m_axis_tkeep") == 0xFF
