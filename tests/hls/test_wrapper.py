"""The board's side of a core: faulty frames and loads end in a status, never in a hang, and the next frame is exact."""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from crossloom.hls import Simulation, build_library
from crossloom.hls.names import core_namespace
from crossloom.hls.registers import REGISTERS
from crossloom.hls.wrapper import protocol_header, simulation_source, top_header, top_source
from crossloom.sim import random_network, structure_sha256, weights_sha256
from crossloom.sim.frames import IDENTITY_BEATS, Command, Status, fixed_sha256, frame_layout, load_beats

# A result is a header and, for as many scores as there are: sum of the frame's beats times the score's number, plus
# the sum of the loaded beats. It says nothing of the network; sizes and identities are the network's.
CORE = """
#include "crossloom/beats.hpp"
namespace {name} {{
constexpr unsigned kFrameBeats = {layout.frame_beats}, kResultBeats = {layout.result_beats}, kLoadBeats = {loads};
constexpr unsigned kBanks = 1;
static uint64_t bank_calls[kBanks];
static beat_t bank = 0;
inline void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {{
    beat_t sum = 0;
    for (unsigned i = 0; i < kFrameBeats; i++) sum += in.read() * beat_t(i + 1);
    out.write(5);
    for (unsigned i = 1; i < kResultBeats; i++) out.write(sum * beat_t(i) + bank);
    bank_calls[0]++;
}}
inline void load(hls::stream<beat_t>& in) {{
    bank = 0;
    for (unsigned i = 0; i < kLoadBeats - {identity}; i++) bank += in.read();
}}
}}
"""


@dataclass
class Device:
    """A simulated core, spoken to in packets."""

    simulation: Simulation
    layout: object

    def __call__(self, command, frames, packets):
        """Send packets of beats with TLAST each (None: without); return results (N, beats) and registers by name."""
        data = np.concatenate([np.asarray(p, np.uint64) for p, _ in packets]) if packets else np.zeros(1, np.uint64)
        last = np.concatenate([[*[0] * (len(p) - 1), ends] for p, ends in packets]) if packets else np.zeros(0)
        return self.send(command, frames, data, np.full(len(last), 255), last)

    def send(self, command, frames, data, keep, last):
        out, ends = np.zeros(1000, np.uint64), np.zeros(1000, np.uint8)
        registers = np.zeros(64, np.uint32)
        function = self.simulation._function("serve")
        function.restype = ctypes.c_uint64
        keep, last = keep.astype(np.uint8), last.astype(np.uint8)
        arrays = [ctypes.c_void_p(a.ctypes.data) for a in (data, keep, last, out, ends, registers)]
        came = function(
            *(ctypes.c_uint32(command), ctypes.c_uint32(frames), *arrays[:3], ctypes.c_uint64(len(last))),
            *(*arrays[3:5], ctypes.c_uint64(len(out)), arrays[5]),
        )
        assert self.simulation._function("said")() == b""
        size = self.layout.result_beats
        assert came % size == 0
        assert np.array_equal(ends[:came].reshape(-1, size), np.tile([*[0] * (size - 1), 1], (came // size, 1)))
        names = [r.name for r in REGISTERS if not r.written and r.words == 1]
        values = dict(zip(names, registers.tolist(), strict=False))
        values["identities"] = registers[len(names) :][:24].astype("<u4").tobytes()
        return out[:came].reshape(-1, size), values


def network_with(routed):
    return next(
        n
        for n in (random_network(s, 3) for s in range(200))
        if (n.route is not None) == routed and frame_layout(n).frame_beats >= 3
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    made = {}

    def make(routed, loads=None):
        loads = routed if loads is None else loads
        network = network_with(routed)
        if (routed, loads) not in made:
            folder, layout = tmp_path_factory.mktemp("core"), frame_layout(network)
            core = CORE.format(
                name=core_namespace(network),
                layout=layout,
                loads=layout.load_beats if loads else 0,
                identity=IDENTITY_BEATS if loads else 0,
            )
            (folder / "core.hpp").write_text(core)
            (folder / "protocol.hpp").write_text(protocol_header())
            (folder / "top.hpp").write_text(top_header())
            (folder / "csim.cpp").write_text(simulation_source(network, loads, trace=False))
            made[routed, loads] = build_library([folder / "csim.cpp"], [folder], where="wrapper")
        layout = frame_layout(network)
        return Device(Simulation(made[routed, loads], network), layout), network, layout

    return make


def frames(layout, count, seed=0):
    return np.random.default_rng(seed).integers(0, 1 << 63, (count, layout.frame_beats), dtype=np.uint64)


def answers(layout, data, bank=0):
    sums = (data * np.arange(1, layout.frame_beats + 1, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    scores = sums[:, None] * np.arange(1, layout.result_beats, dtype=np.uint64) + np.uint64(bank)
    return np.concatenate([np.full((len(data), 1), 5, np.uint64), scores], axis=1)


def statuses(results):
    return (results[:, 0] >> np.uint64(32)).tolist()


def ended(data):
    return [(frame, True) for frame in data]


@pytest.mark.parametrize("routed", [False, True])
def test_frames_come_back_to_back_and_the_registers_say_so(library, routed):
    device, network, layout = library(routed)
    data = frames(layout, 5)
    results, registers = device(Command.RUN, 5, ended(data))
    assert np.array_equal(results, answers(layout, data))
    assert (registers["status"], registers["loaded"], registers["done"]) == (Status.OK, 1, 5)
    wanted = structure_sha256(network) + fixed_sha256(network) + weights_sha256(network)
    assert registers["identities"].hex() == wanted
    again, registers = device(Command.RUN, 1, ended(data[:1]))
    assert np.array_equal(again, results[:1]) and registers["done"] == 6


def test_no_frame_at_all_tells_what_the_core_is(library):
    device, network, _ = library(False)
    results, registers = device(Command.RUN, 0, [])
    assert not len(results)
    assert registers["identities"].hex().startswith(structure_sha256(network))
    assert (registers["status"], registers["loaded"]) == (Status.OK, 1)


def test_a_short_frame_is_filled_with_zeros_and_the_next_is_exact(library):
    device, _, layout = library(False)
    data = frames(layout, 3)
    for cut in range(1, layout.frame_beats):
        packets = [(data[0][:cut], True), *ended(data[1:])]
        results, registers = device(Command.RUN, 3, packets)
        assert statuses(results) == [Status.SHORT, Status.OK, Status.OK]
        filled = np.where(np.arange(layout.frame_beats) < cut, data[0], 0)[None]
        assert np.array_equal(results[0, 1:], answers(layout, filled)[0, 1:])
        assert np.array_equal(results[1:], answers(layout, data[1:]))
        assert (registers["status"], registers["short_frames"], registers["long_frames"]) == (Status.SHORT, cut, 0)


def test_missing_bytes_make_a_frame_short(library):
    device, _, layout = library(False)
    data = frames(layout, 2)
    for at in range(layout.frame_beats):
        keep = np.full(data.size, 255)
        keep[at] = 0x7F
        last = np.arange(data.size) % layout.frame_beats == layout.frame_beats - 1
        results, _ = device.send(Command.RUN, 2, data.ravel(), keep, last)
        assert statuses(results) == [Status.SHORT, Status.OK]
        assert np.array_equal(results[1:], answers(layout, data[1:]))


@pytest.mark.parametrize("extra", [1, 7, 100])
def test_a_long_frame_is_dropped_to_its_end_and_the_next_is_exact(library, extra):
    device, _, layout = library(False)
    data = frames(layout, 2)
    long = np.concatenate([data[0], np.arange(extra, dtype=np.uint64)])
    results, registers = device(Command.RUN, 2, [(long, True), (data[1], True)])
    assert statuses(results) == [Status.LONG, Status.OK]
    assert np.array_equal(results[1:], answers(layout, data[1:]))
    assert (registers["status"], registers["short_frames"], registers["long_frames"]) == (Status.LONG, 0, 1)


def test_a_frame_without_an_end_takes_the_next_with_it_and_hangs_nothing(library):
    device, _, layout = library(False)
    data = frames(layout, 3)
    results, _ = device(Command.RUN, 2, [(data[0], False), (data[1], True), (data[2], True)])
    assert statuses(results) == [Status.LONG, Status.OK]
    assert np.array_equal(results[1:], answers(layout, data[2:]))
    results, _ = device(Command.RUN, 1, [(data[0], False)])
    assert statuses(results) == [Status.LONG]
    results, registers = device(Command.RUN, 1, ended(data[:1]))
    assert np.array_equal(results, answers(layout, data[:1]))
    assert registers["status"] == Status.OK


def test_the_first_fault_of_a_run_is_its_status(library):
    device, _, layout = library(False)
    data = frames(layout, 4)
    packets = [(data[0], True), (data[1][:1], True), (np.append(data[2], data[2]), True), (data[3], True)]
    results, registers = device(Command.RUN, 4, packets)
    assert statuses(results) == [Status.OK, Status.SHORT, Status.LONG, Status.OK]
    assert registers["status"] == Status.SHORT


def test_a_load_changes_the_weights_and_their_identity(library):
    device, network, layout = library(True)
    beats = load_beats(network)
    beats[:IDENTITY_BEATS] += np.uint64(1)
    results, registers = device(Command.LOAD, 0, [(beats, True)])
    assert not len(results)
    assert (registers["status"], registers["loaded"]) == (Status.OK, 1)
    assert registers["identities"][64:] == beats[:IDENTITY_BEATS].astype("<u8").tobytes()
    assert registers["identities"][:64].hex() == structure_sha256(network) + fixed_sha256(network)
    data = frames(layout, 2)
    results, _ = device(Command.RUN, 2, ended(data))
    bank = beats[IDENTITY_BEATS:].sum(dtype=np.uint64)
    assert np.array_equal(results, answers(layout, data, bank))


@pytest.mark.parametrize("change", [-1, -IDENTITY_BEATS - 1, 1, 50, None])
def test_after_a_load_of_another_size_no_answer_counts_until_a_whole_one_comes(library, change):
    device, network, layout = library(True)
    beats, data = load_beats(network), frames(layout, 2)
    size = 1 if change is None else len(beats) + change
    results, registers = device(Command.LOAD, 0, [(np.resize(beats, size), True)])
    assert not len(results)
    assert (registers["status"], registers["loaded"]) == (Status.FOREIGN, 0)
    assert registers["identities"][64:] == bytes(32)
    results, registers = device(Command.RUN, 2, ended(data))
    assert statuses(results) == [Status.FOREIGN] * 2
    assert (registers["status"], registers["loaded"]) == (Status.FOREIGN, 0)
    device(Command.LOAD, 0, [(beats, True)])
    results, registers = device(Command.RUN, 2, ended(data))
    assert np.array_equal(results, answers(layout, data, beats[IDENTITY_BEATS:].sum(dtype=np.uint64)))
    assert registers["identities"][64:].hex() == weights_sha256(network)


@pytest.mark.parametrize("routed", [False, True])
def test_a_core_without_banks_refuses_a_load_and_stays_good(library, routed):
    device, network, layout = library(routed, loads=False)
    data = frames(layout, 1)
    _, registers = device(Command.LOAD, 0, [(np.arange(9), True)])
    assert (registers["status"], registers["loaded"]) == (Status.FOREIGN, 1)
    results, registers = device(Command.RUN, 1, ended(data))
    assert np.array_equal(results, answers(layout, data))
    assert registers["identities"][64:].hex() == weights_sha256(network)


def test_a_command_that_is_not_there_takes_no_beat(library):
    device, _, layout = library(False)
    _, registers = device(7, 3, [])
    assert registers["status"] == Status.FOREIGN
    data = frames(layout, 1)
    results, registers = device(Command.RUN, 1, ended(data))
    assert np.array_equal(results, answers(layout, data)) and registers["status"] == Status.OK


def test_registers_lie_apart_with_room_for_the_word_that_says_written():
    ends = 0x10
    for register in REGISTERS:
        size = 4 * (register.words + 1)
        assert register.offset >= ends and register.offset % 8 == 0
        # Vitis HLS gives a memory a place of a power of two, aligned to it.
        if register.words > 1:
            assert register.offset % (1 << (4 * register.words - 1).bit_length()) == 0
            size = 1 << (4 * register.words - 1).bit_length()
        ends = register.offset + size


def test_every_argument_of_the_top_function_has_its_interface():
    text = top_source(network_with(True), True)
    for register in REGISTERS:
        assert f"s_axilite bundle=control port={register.name} offset=0x{register.offset:02x}\n" in text
    assert text.count("mode=axis") == 2 and "port=return" in text


def test_the_docs_list_every_register_where_it_is():
    text = (Path(__file__).parents[2] / "docs" / "hls.md").read_text()
    listed = {}
    for offsets, names in re.findall(r"^\| (0x[0-9a-f, x]+) \| (`.*?`) \|", text, re.MULTILINE):
        listed |= dict(zip(re.findall(r"`(\w+)`", names), (int(o, 16) for o in offsets.split(", ")), strict=True))
    assert listed == {r.name: r.offset for r in REGISTERS}
