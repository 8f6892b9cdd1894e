"""The native flow: a network as one dataflow of the hand-written kernels in C++, and its C simulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossloom.sim.frames import IDENTITY_BEATS, frame_layout
from crossloom.sim.network import Network

from .csim import Simulation, build_library
from .folding import Folding, choose_folding
from .names import core_namespace
from .native_graph import build_graph, declarations, frame_function
from .native_tables import load_function, node_tables, weights_header


def native_project(network: Network, folding: Folding | None = None) -> dict[str, str]:
    """The files of a network's core by name: `core.hpp`, and `weights.hpp`, which it includes.

    `folding` is the one that `choose_folding` gives, if None. Every network that `crossloom.sim` accepts has one.
    """
    folding = folding or choose_folding(network)
    tables = node_tables(network, folding)
    graph = build_graph(network, folding, tables)
    layout, name = frame_layout(network), core_namespace(network)
    sizes = {
        "kFrameBeats": layout.frame_beats,
        "kResultBeats": layout.result_beats,
        "kLoadBeats": layout.load_beats,
        "kIdentityBeats": IDENTITY_BEATS,
        "kBanks": len(network.route.branches) if network.route else 1,
    }
    guard = f"{name}_HPP"
    lines = [
        f"// {network.name}: about {folding.interval} cycles an image, set by {folding.slowest} (estimated).",
        f"#ifndef {guard}",
        f"#define {guard}",
        '#include "crossloom/kernels.hpp"',
        '#include "crossloom/trace.hpp"',
        "",
        f"namespace {name} {{",
        *(f"constexpr unsigned {key} = {value};" for key, value in sizes.items()),
        "#ifndef __SYNTHESIS__",
        "static uint64_t bank_calls[kBanks];  // images that each bank has answered",
        "#endif",
        "#ifdef CROSSLOOM_TRACE",
        "static crossloom::csim::Trace trace;",
        "#endif",
        '#include "weights.hpp"',
        "",
        *declarations(graph),
        *frame_function(graph),
        *load_function(network, tables),
        f"}}  // namespace {name}",
        "#endif",
        "",
    ]
    return {"core.hpp": "\n".join(lines), "weights.hpp": weights_header(network, tables)}


def simulation_source(networks: Sequence[Network], folders: Sequence[str], trace: bool) -> str:
    """C++ that makes one library for C simulation of some networks' cores, each in a folder of its own."""
    lines = [f'#include "{folder}/core.hpp"' for folder in folders] + ['#include "crossloom/csim.hpp"']
    for network in networks:
        parts = ["COMMON", "RUN", *(["LOAD"] if network.route else []), *(["TRACE"] if trace else [])]
        lines += [f"CROSSLOOM_CSIM_{part}({core_namespace(network)})" for part in parts]
    return "\n".join([*lines, ""])


def simulate(
    networks: Sequence[Network],
    folder: Path,
    *,
    trace: bool = False,
    optimize: int = 1,
    foldings: Sequence[Folding] | None = None,
    synthesis_types: bool = False,
) -> list[Simulation]:
    """Write the cores of networks with different names below `folder`, compile them into one library, start each.

    `trace` records every edge. `synthesis_types` takes `ap_int` where C simulation otherwise has native integers.
    """
    names = [core_namespace(network) for network in networks]
    foldings = foldings or [choose_folding(network) for network in networks]
    for network, name, folding in zip(networks, names, foldings, strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, text in native_project(network, folding).items():
            (folder / name / file).write_text(text, encoding="utf-8")
    source = folder / "csim.cpp"
    source.write_text(simulation_source(networks, names, trace), encoding="utf-8")
    where = f"C simulation of {networks[0].name}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    defines = [*(["CROSSLOOM_TRACE"] if trace else []), *(["CROSSLOOM_SYNTHESIS_TYPES"] if synthesis_types else [])]
    library = build_library([source], [folder], where=where, optimize=optimize, defines=defines)
    return [Simulation(library, network) for network in networks]
