"""Writes the top function around a core: numbers of the protocol, identities, and the interface pragmas."""

from __future__ import annotations

from crossloom.sim import Network, structure_sha256, weights_sha256
from crossloom.sim.frames import (
    BEAT_BITS,
    BRANCH_BITS,
    IDENTITY_BEATS,
    ROW_BITS,
    Command,
    Status,
    fixed_sha256,
    frame_layout,
)

from .names import core_namespace
from .registers import CONTROL, REGISTERS, STREAM_IN, STREAM_OUT, TOP


def protocol_header() -> str:
    """`protocol.hpp`: the numbers of `crossloom.sim.frames` that the wrapper needs."""
    numbers = {
        "kBeatBits": BEAT_BITS,
        "kIdentityBeats": IDENTITY_BEATS,
        "kStatusLow": ROW_BITS + BRANCH_BITS,
        **{f"k{command.name.title()}": int(command) for command in Command},
        **{f"k{status.name.title()}": int(status) for status in Status},
    }
    lines = [
        "// Written from crossloom.sim.frames.",
        "#ifndef CROSSLOOM_PROTOCOL_HPP",
        "#define CROSSLOOM_PROTOCOL_HPP",
    ]
    lines += ["namespace crossloom {", *(f"const unsigned {name} = {value};" for name, value in numbers.items())]
    return "\n".join([*lines, "}  // namespace crossloom", "#endif", ""])


def _arguments() -> str:
    """The parameter list of the top function."""
    found = [f"hls::stream<crossloom::axis_t>& {name}" for name in (STREAM_IN, STREAM_OUT)]
    for register in REGISTERS:
        if register.words > 1:
            found.append(f"crossloom::reg32_t {register.name}[{register.words}]")
        else:
            found.append(f"crossloom::reg32_t{'' if register.written else '&'} {register.name}")
    return ",\n    ".join(found)


def top_header() -> str:
    """`top.hpp`: the declaration of the top function."""
    return (
        "// The top function: data on AXI4-Stream, registers on AXI4-Lite.\n"
        "#ifndef CROSSLOOM_TOP_HPP\n#define CROSSLOOM_TOP_HPP\n"
        '#include "crossloom/wrapper.hpp"\n\n'
        f"void {TOP}(\n    {_arguments()});\n\n#endif\n"
    )


def _identity(name: str, sha256: str) -> str:
    beats = [f"0x{int.from_bytes(bytes.fromhex(sha256)[i : i + 8], 'little'):016x}ull" for i in range(0, 32, 8)]
    return (
        f"    static beat_t {name}(unsigned i) {{\n"
        f"        static const unsigned long long beats[] = {{\n            {', '.join(beats)}}};\n"
        "        return beats[i];\n    }\n"
    )


def top_source(network: Network, loads: bool) -> str:
    """`top.cpp`: the top function of a network's core, which `core.hpp` has; `loads`: the core has `load`."""
    core, layout = core_namespace(network), frame_layout(network)
    identities = {
        "structure": structure_sha256(network),
        "fixed": fixed_sha256(network),
        "weights": weights_sha256(network),
    }
    streams = "hls::stream<beat_t>& in, hls::stream<beat_t>& out"
    # Identities are beats of a load, as crossloom.sim.frames has them: bytes in order, from the least significant up.
    text = f"""\
// The top function of {network.name}.
#include "core.hpp"
#include "top.hpp"

namespace {core} {{
struct Core {{
    static_assert({core}::kFrameBeats == {layout.frame_beats} && {core}::kResultBeats == {layout.result_beats} &&
                  {core}::kLoadBeats == {layout.load_beats if loads else 0}, "sizes other than the network's");
    static const unsigned kFrameBeats = {core}::kFrameBeats;
    static const unsigned kResultBeats = {core}::kResultBeats;
    static const unsigned kLoadBeats = {core}::kLoadBeats;
    static void run_frame({streams}) {{
#pragma HLS INLINE
        {core}::run_frame(in, out);
    }}
"""
    if loads:
        text += f"""\
    static void load(hls::stream<beat_t>& in) {{
#pragma HLS INLINE
        {core}::load(in);
    }}
"""
    text += "".join(_identity(name, value) for name, value in identities.items())
    text += f"}};\n}}  // namespace {core}\n\nvoid {TOP}(\n    {_arguments()}) {{\n"
    text += "".join(f"#pragma HLS INTERFACE mode=axis port={name}\n" for name in (STREAM_IN, STREAM_OUT))
    lite = f"#pragma HLS INTERFACE mode=s_axilite bundle={CONTROL} port="
    text += "".join(f"{lite}{register.name} offset=0x{register.offset:02x}\n" for register in REGISTERS)
    text += f"{lite}return\n"
    names = ", ".join([STREAM_IN, STREAM_OUT, *(register.name for register in REGISTERS)])
    return text + f"    crossloom::serve<{core}::Core>({names});\n}}\n"


def simulation_source(network: Network, loads: bool, trace: bool) -> str:
    """`csim.cpp`: the top function with what `Simulation` calls; `trace`: the core records edges."""
    core = core_namespace(network)
    parts = ["COMMON", "TOP", *(["TOP_LOAD"] if loads else []), *(["TRACE"] if trace else [])]
    text = top_source(network, loads) + '#include "crossloom/csim.hpp"\n#include "crossloom/csim_top.hpp"\n'
    return text + "".join(f"CROSSLOOM_CSIM_{part}({core})\n" for part in parts)
