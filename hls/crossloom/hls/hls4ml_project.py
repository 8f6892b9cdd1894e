"""Writes the core of a network around its hls4ml projects; a routed one runs only the branch that was chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from crossloom.sim.frames import ROW_BITS, field_bits, frame_layout
from crossloom.sim.network import Network

from .hls4ml_model import Parts, Project, take_apart
from .hls4ml_writer import hls4ml_version, write_project
from .names import core_namespace


def write_core(network: Network, folder: Path) -> Path:
    """Write `core.hpp` and the hls4ml projects under it into `folder`; returns the path of core.hpp.

    The same network gives the same bytes. Raises HlsError, before anything is written, for what hls4ml does not
    compute exactly; MissingExtraError without hls4ml or torch.
    """
    parts = take_apart(network)
    hls4ml_version()
    folder.mkdir(parents=True, exist_ok=True)
    space = core_namespace(network)
    ends = {project.name: write_project(project, space, folder, network.name) for project in parts.projects}
    core = folder / "core.hpp"
    core.write_text(_core(network, parts, space, ends, folder), encoding="ascii")
    return core


def _guards(folder: Path) -> list[str]:
    """Include guards of a project: the next one's files have the same."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.h"))]
    return sorted({guard for text in texts for guard in re.findall(r"^#ifndef (\w+_H_)$", text, re.MULTILINE)})


def _core(network: Network, parts: Parts, space: str, ends: Mapping[str, tuple[str, str]], folder: Path) -> str:
    """The text of core.hpp."""
    layout = frame_layout(network)
    lines = [
        f"// {network.name} as hls4ml {hls4ml_version()} computes it, between the beats of crossloom.sim.frames.",
        f"#ifndef {space}_HPP",
        f"#define {space}_HPP",
        "",
        '#include "crossloom/beats.hpp"',
        '#include "crossloom/hls4ml.hpp"',
        "",
    ]
    for project in parts.projects:
        lines.append(f'#include "{project.name}/{project.name}.hpp"')
        lines += [f"#undef {guard}" for guard in _guards(folder / project.name)]
    lines += [
        "",
        f"namespace {space} {{",
        "",
        "using namespace crossloom::hls4ml;",
        "",
        f"constexpr unsigned kFrameBeats = {layout.frame_beats};",
        f"constexpr unsigned kResultBeats = {layout.result_beats};",
        "constexpr unsigned kLoadBeats = 0;  // the weights are part of the projects",
        f"constexpr unsigned kCodes = {layout.codes};",
        f"constexpr unsigned kInputField = {field_bits(layout.input_bits)};",
        f"constexpr unsigned kScores = {layout.scores};",
        f"constexpr unsigned kBanks = {max(len(parts.branches), 1)};",
        "",
        "#ifndef __SYNTHESIS__",
        "static unsigned long long bank_calls[kBanks];  // how often each branch ran",
        "#endif",
        "",
    ]
    lines += _routed(network, parts, space, ends) if network.route else _flat(parts.projects[0], space, ends)
    lines += [f"}}  // namespace {space}", "", "#endif", ""]
    return "\n".join(lines)


def _flat(project: Project, space: str, ends: Mapping[str, tuple[str, str]]) -> list[str]:
    own = f"{space}_{project.name}"
    x, y = ends[project.name]
    return [
        "// kFrameBeats beats in, kResultBeats out.",
        "void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {",
        "#pragma HLS DATAFLOW  // codes come in while the layers run",
        f'    hls::stream<{own}::{x}> codes("codes");',
        f'    hls::stream<{own}::{y}> logits("logits");',
        "    read_packs<kCodes, kInputField>(in, codes);",
        f"    {own}::{project.name}(codes, logits);",
        "    write_result<kScores>(logits, out);",
        "#ifndef __SYNTHESIS__",
        "    bank_calls[0]++;",
        "#endif",
        "}",
        "",
    ]


def _routed(network: Network, parts: Parts, space: str, ends: Mapping[str, tuple[str, str]]) -> list[str]:
    route = network.route
    assert route is not None and parts.head is not None
    source = network.edges[route.source]
    lines = [
        f"constexpr unsigned kSource = {source.size};",
        f"constexpr unsigned kUsed[kBanks] = {{{', '.join(str(len(b.classes)) for b in route.branches)}}};",
        f"typedef ap_uint<{source.type.bits}> source_t;",
        "",
        "static void run_trunk(hls::stream<beat_t>& in, source_t source[kSource]) {",
    ]
    if parts.trunk is None:
        lines.append("    read_codes<kCodes, kInputField>(in, source);")
    else:
        x, y = ends["trunk"]
        lines += [
            "#pragma HLS DATAFLOW  // codes come in while the layers run",
            f'    hls::stream<{space}_trunk::{x}> codes("codes");',
            f'    hls::stream<{space}_trunk::{y}> shared("source");',
            "    read_packs<kCodes, kInputField>(in, codes);",
            f"    {space}_trunk::trunk(codes, shared);",
            "    store<kSource>(shared, source);",
        ]
    lines += ["}", ""]
    for project in (parts.head, *parts.branches):
        own, (x, y) = f"{space}_{project.name}", ends[project.name]
        rows = project.output.size
        lines += [
            f"static void run_{project.name}(const source_t source[kSource], ap_int<64> scores[{rows}]) {{",
            "#pragma HLS DATAFLOW  // codes come in while the layers run",
            f'    hls::stream<{own}::{x}> codes("codes");',
            f'    hls::stream<{own}::{y}> logits("logits");',
            "    replay<kSource>(source, codes);",
            f"    {own}::{project.name}(codes, logits);",
            f"    store<{rows}>(logits, scores);",
            "}",
            "",
        ]
    lines += [
        "// kFrameBeats beats in, kResultBeats out. The branches wait for the coarse decision, and one of them runs.",
        "void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {",
        "#pragma HLS INLINE off  // one process of the wrapper's dataflow, with a buffer of its own",
        "    static source_t source[kSource];",
        "    ap_int<64> coarse[kBanks], fine[kScores];",
        "    run_trunk(in, source);",
        "    run_head(source, coarse);",
        "    const unsigned branch = argmax<kBanks>(coarse, kBanks);",
        "    switch (branch) {",
    ]
    for index, project in enumerate(parts.branches):
        label = f"case {index}" if index + 1 < len(parts.branches) else "default"
        lines += [
            f"    {label}:",
            f"        run_{project.name}(source, fine);",
            "#ifndef __SYNTHESIS__",
            f"        bank_calls[{index}]++;",
            "#endif",
            "        break;",
        ]
    lines += [
        "    }",
        f"    out.write(beat_t(argmax<kScores>(fine, kUsed[branch])) | beat_t(branch) << {ROW_BITS});",
        "    write_scores<kBanks>(coarse, out);",
        "    write_scores<kScores>(fine, out);",
        "}",
        "",
    ]
    return lines
