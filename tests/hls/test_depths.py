"""FIFO depths: the processes of a core as threads, with FIFOs as deep as their pragmas say and no deeper."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from native_checks import mixed

from crossloom.hls import build_library, choose_folding, native_project
from crossloom.hls.names import core_namespace
from crossloom.host import find_design
from crossloom.sim import Add, Concat, differing, load, random_codes, random_network, run
from crossloom.sim.frames import frame_beats, frame_layout, read_results

STREAM = re.compile(r"    hls::stream<(\w+)> (\w+)\(\"\w+\"\);\n#pragma HLS STREAM variable = \w+ depth = (\d+)(.*)\n")
CALL = re.compile(r"^    (f_\w+\(.*\));$", re.MULTILINE)
SHALLOW = "here paths part"
ENTRY = """
extern "C" __attribute__((visibility("default")))
int NAME_go(const uint64_t* frames, uint64_t count, uint64_t* results, int deep) {
    using namespace NAME;
    hls::stream<beat_t> in(count * kFrameBeats), out(count * kResultBeats);
    for (uint64_t i = 0; i < count * kFrameBeats; i++) in.write(frames[i]);
    if (!run_frames(in, out, count, deep)) return 1;
    for (uint64_t i = 0; i < count * kResultBeats; i++) results[i] = out.read().to_uint64();
    return 0;
}
"""


def threaded(network, folding):
    """The core with a thread for each process, and an entry; not `deep`: 2 elements where paths part."""
    text = native_project(network, folding)["core.hpp"]
    assert len(STREAM.findall(text)) == text.count("#pragma HLS STREAM")
    text = STREAM.sub(
        lambda m: f"    hls::stream<{m[1]}> {m[2]}({f'deep ? {m[3]} : 2' if SHALLOW in m[4] else m[3]});\n", text
    )
    head, body = text.split("void run_frame(")
    body, tail = body.split("\n}\n", 1)
    body = body.replace("out) {", "out, uint64_t frames, bool deep) {\n    std::vector<std::function<void()>> all;")
    body = CALL.sub(r"    all.push_back([&] { for (uint64_t n = 0; n < frames; n++) \1; });", body)
    text = f"{head}bool run_frames({body}\n    return bounded::run(all);\n}}\n{tail}"
    return text + ENTRY.replace("NAME", core_namespace(network))


def compiled(networks, folder, folding=mixed):
    """The threaded cores of networks in one library."""
    (folder / "hls_stream.h").write_text(Path(__file__).with_name("bounded_stream.h").read_text())
    source = folder / "all.cpp"
    source.write_text('#include "hls_stream.h"\n')
    for network in networks:
        part = folder / core_namespace(network)
        part.mkdir(exist_ok=True)
        (part / "weights.hpp").write_text(native_project(network, folding(network))["weights.hpp"])
        (part / "core.hpp").write_text(threaded(network, folding(network)))
        with source.open("a") as handle:
            handle.write(f'#include "{core_namespace(network)}/core.hpp"\n')
    return ctypes.CDLL(str(build_library([source], [folder], where="threads", optimize=0)))


def finishes(library, network, deep=True, images=3):
    """Whether some frames come through, with the simulator's answers."""
    codes = random_codes(network, 1, images)
    frames = np.ascontiguousarray(frame_beats(network, codes))
    results = np.zeros((images, frame_layout(network).result_beats), np.uint64)
    go = getattr(library, f"{core_namespace(network)}_go")
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (frames, results)]
    done = go(pointers[0], ctypes.c_uint64(images), pointers[1], ctypes.c_int(deep)) == 0
    if done:
        assert not differing(run(network, codes=codes), read_results(network, results)).any()
    return done


def parts(network):
    """Whether paths part in a network: into banks, or before a join."""
    joins = (isinstance(node.op, Add | Concat) for _, nodes, _ in network.sections() for node in nodes)
    return network.route is not None or any(joins)


def test_frames_come_through_with_the_depths_that_the_pragmas_ask_for(tmp_path):
    networks = [random_network(seed) for seed in (3, 9, 2005)]  # streams side by side; sums, and banks; time
    assert all(map(parts, networks))
    library = compiled(networks, tmp_path)
    assert [finishes(library, network) for network in networks] == [True] * 3


def test_the_shipped_designs_come_through_and_would_not_with_shallow_fifos(tmp_path):
    designs = [load(find_design(name)).network for name in ("digits-cnn", "digits-sha")]
    library = compiled(designs, tmp_path, choose_folding)
    for network in designs:
        assert [finishes(library, network, deep) for deep in (True, False)] == [True, False]


@pytest.mark.long
@pytest.mark.parametrize("first", [*range(0, 128, 20), 2000, 2020])
def test_frames_of_many_random_networks_come_through(tmp_path, first):
    networks = list(filter(parts, map(random_network, range(first, first + 20))))
    assert len(networks) >= 4
    library = compiled(networks, tmp_path)
    assert [finishes(library, network) for network in networks] == [True] * len(networks)
