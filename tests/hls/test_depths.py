"""FIFO depths: the processes of a core as threads, with FIFOs as deep as their pragmas say and no deeper."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from native_checks import mixed

from crossloom.hls import build_library, choose_folding, native_project
from crossloom.hls.csim import core_namespace
from crossloom.host import find_design
from crossloom.sim import Add, Concat, differing, load, random_codes, random_network, run
from crossloom.sim.frames import frame_beats, frame_layout, read_results

STREAM = re.compile(r"    hls::stream<(\w+)> (\w+)\(\"\w+\"\);\n#pragma HLS STREAM variable = \w+ depth = (\d+)(.*)\n")
CALL = re.compile(r"^    (f_\w+\(.*\));$", re.MULTILINE)
SHALLOW = "here paths part"
ENTRY = """
extern "C" __attribute__((visibility("default")))
int NAME_go(const uint64_t* frames, uint64_t count, uint64_t* results) {
    using namespace NAME;
    hls::stream<beat_t> in(count * kFrameBeats), out(count * kResultBeats);
    for (uint64_t i = 0; i < count * kFrameBeats; i++) in.write(frames[i]);
    if (!run_frames(in, out, count)) return 1;
    for (uint64_t i = 0; i < count * kResultBeats; i++) results[i] = out.read().to_uint64();
    return 0;
}
"""


def threaded(network, folding, deep):
    """The core with a thread for each process, and an entry; not `deep`: 2 elements where paths part."""
    text = native_project(network, folding)["core.hpp"]
    assert len(STREAM.findall(text)) == text.count("#pragma HLS STREAM")
    text = STREAM.sub(
        lambda m: f"    hls::stream<{m[1]}> {m[2]}({m[3] if deep or SHALLOW not in m[4] else 2});\n", text
    )
    head, body = text.split("void run_frame(")
    body, tail = body.split("\n}\n", 1)
    body = body.replace("out) {", "out, uint64_t frames) {\n    std::vector<std::function<void()>> all;")
    body = CALL.sub(r"    all.push_back([&] { for (uint64_t n = 0; n < frames; n++) \1; });", body)
    text = f"{head}bool run_frames({body}\n    return bounded::run(all);\n}}\n{tail}"
    return text + ENTRY.replace("NAME", core_namespace(network))


def finishes(networks, folder, deep=True, folding=mixed, images=3):
    """For each network whether some frames come through, with the simulator's answers."""
    (folder / "hls_stream.h").write_text(Path(__file__).with_name("bounded_stream.h").read_text())
    source = folder / "all.cpp"
    source.write_text('#include "hls_stream.h"\n')
    for network in networks:
        part = folder / core_namespace(network)
        part.mkdir(exist_ok=True)
        (part / "weights.hpp").write_text(native_project(network, folding(network))["weights.hpp"])
        (part / "core.hpp").write_text(threaded(network, folding(network), deep))
        with source.open("a") as handle:
            handle.write(f'#include "{core_namespace(network)}/core.hpp"\n')
    library = ctypes.CDLL(str(build_library([source], [folder], where="threads", optimize=0)))
    found = []
    for network in networks:
        codes = random_codes(network, 1, images)
        frames = np.ascontiguousarray(frame_beats(network, codes))
        results = np.zeros((images, frame_layout(network).result_beats), np.uint64)
        go = getattr(library, f"{core_namespace(network)}_go")
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (frames, results)]
        found.append(go(pointers[0], ctypes.c_uint64(images), pointers[1]) == 0)
        if found[-1]:
            assert not differing(run(network, codes=codes), read_results(network, results)).any()
    return found


def parting_networks(seeds):
    """Random networks in which paths part."""
    found = [random_network(seed) for seed in seeds]
    joins = [
        n for n in found if any(isinstance(node.op, Add | Concat) for _, nodes, _ in n.sections() for node in nodes)
    ]
    return [n for n in found if n in joins or n.route]


@pytest.fixture(scope="module")
def designs():
    return [load(find_design(name)).network for name in ("digits-cnn", "digits-sha")]


def test_frames_come_through_with_the_depths_that_the_pragmas_ask_for(tmp_path, designs):
    networks = parting_networks(range(8))
    assert len(networks) >= 4
    assert finishes(networks, tmp_path) == [True] * len(networks)


def test_the_shipped_designs_come_through_and_would_not_with_shallow_fifos(tmp_path, designs):
    assert finishes(designs, tmp_path, folding=choose_folding) == [True, True]
    assert finishes(designs, tmp_path, deep=False, folding=choose_folding) == [False, False]


@pytest.mark.long
@pytest.mark.parametrize("first", range(8, 128, 20))
def test_frames_of_many_random_networks_come_through(tmp_path, first):
    networks = parting_networks(range(first, first + 20))
    assert finishes(networks, tmp_path) == [True] * len(networks)
