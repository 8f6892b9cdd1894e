"""A flow for tests: hand-written cores of one dense layer, so that projects can be tested without a generator."""

import subprocess

import numpy as np

from crossloom.hls.emit import Flow
from crossloom.hls.names import core_namespace
from crossloom.hls.sources import find_ap_types
from crossloom.sim import Artifact, Dense, Input, Network, Node, QType, make_golden

CORE = """
#include "crossloom/beats.hpp"
#include "weights.hpp"
namespace {name} {{
constexpr unsigned kFrameBeats = 2, kResultBeats = 4, kLoadBeats = 0, kBanks = 1;
static uint64_t bank_calls[kBanks];
inline void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {{
    ap_int<64> sums[3] = {{0, 0, 0}};
    for (unsigned i = 0; i < kFrameBeats; i++) {{
        const beat_t beat = in.read();
        for (unsigned k = 0; k < 8 && 8 * i + k < 10; k++)
            for (unsigned c = 0; c < 3; c++)
                sums[c] += ap_uint<8>(beat(8 * k + 7, 8 * k)) * ap_int<9>(weights[c][8 * i + k]);
    }}
    unsigned best = 0;
    for (unsigned c = 1; c < 3; c++)
        if (sums[c] > sums[best]) best = c;
    out.write(best);
    for (unsigned c = 0; c < 3; c++) out.write(beat_t(sums[c]));
    bank_calls[0]++;
}}
}}
"""


def tiny_network(seed=0, name="tiny-dense"):
    weights = np.random.default_rng(seed).integers(-8, 8, (3, 10))
    dense = Dense(weights, np.zeros(3, int), QType(-8, 7), 4)
    table = np.arange(256).reshape(256, 1)
    return Network(name, Input((10,), QType(0, 255), table), (Node("fc", dense, ("input",)),), "fc", ("a", "b", "c"))


def tiny_artifact(seed=0, name="tiny-dense"):
    network = tiny_network(seed, name)
    images = np.random.default_rng(1).integers(0, 256, (20, 10), dtype=np.uint8)
    return Artifact(network, {}, make_golden(network, "test", images, np.zeros(20, np.int64)))


def write_core(network, folder):
    rows = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in network.nodes[0].op.weight.tolist())
    (folder / "weights.hpp").write_text(f"static const int weights[3][10] = {{{rows}}};\n")
    (folder / "core.hpp").write_text(CORE.format(name=core_namespace(network)))


TINY = Flow(write_core, loads=False, traces=False)


def run_testbench(folder, compiled=False):
    """Compile and run the test bench of a project as its README says; `compiled`: run it again."""
    line = next(line for line in (folder / "README.md").read_text().splitlines() if "g++" in line)
    command = "cd tb && ./tb" if compiled else line.strip().replace("$AP", str(find_ap_types()))
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


def flip(path, line):
    """Flip the lowest bit of one word of a text file."""
    lines = path.read_text().splitlines()
    lines[line] = f"{int(lines[line], 16) ^ 1:016x}"
    path.write_text("\n".join(lines) + "\n")
