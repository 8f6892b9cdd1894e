"""`crossloom build bitstream`: a design's core on a board, by Vivado, with a record of what it was built from."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import Artifact, InputError, load
from crossloom.sim.board import RTL_VLNV, Board, BuildRecord, clock_reached, load_board
from crossloom.sim.board.build_record import Resources, Slack, built_files, write_build
from crossloom.sim.folder import check_output
from crossloom.sim.identity import identities

from ...designs import find_design
from ...tables import table
from .. import Report
from . import not_built, placed, progress

if TYPE_CHECKING:
    from crossloom.sim.board.tools import Step


@dataclass(frozen=True)
class _Project:
    """An emitted project: what builds it and how, and what its record says of the core."""

    steps: tuple[Step, ...]
    build: Callable[[float], dict[str, Any]]
    core: str
    core_version: str = ""
    folding: str = ""


def _rtl(artifact: Artifact, args: argparse.Namespace, out: Path, board: Board) -> _Project:
    from crossloom.rtl.core.bitstream import CORE_VERSION, bitstream_script
    from crossloom.rtl.core.generate import COMMAND, generate
    from crossloom.rtl.errors import RtlError
    from crossloom.sim.board.block_design import SCRIPT
    from crossloom.sim.board.vivado import implement, vivado_step

    from ...folding_choice import compiled

    network = artifact.network
    script = bitstream_script(network.name, board, args.clock)
    check_output(out, COMMAND, RtlError)
    program = compiled(network, args.folding or "latency", {})
    generate(program, out, {SCRIPT: script.encode("ascii")})
    return _Project(
        (vivado_step(network.name),),
        lambda seconds: implement(network.name, out, seconds, progress),
        RTL_VLNV,
        CORE_VERSION,
        str(program.folding),
    )


def _hls(artifact: Artifact, args: argparse.Namespace, out: Path, board: Board) -> _Project:
    from crossloom.hls.build import build, steps
    from crossloom.hls.emit import emit
    from crossloom.hls.registers import hwh_core

    if args.folding is not None:
        raise InputError(f"--folding {args.folding[:40]!r}: only cores in RTL have one; leave it away, or --flow")
    flow, network = args.flow.removeprefix("hls-"), artifact.network
    emit(artifact, flow, out, board, args.clock)
    return _Project(
        steps(network),
        lambda seconds: build(network, flow, out, seconds=seconds, progress=progress),
        hwh_core().vlnv,
    )


def _record(artifact: Artifact, flow: str, project: _Project, board: Board, found: dict[str, Any]) -> dict[str, Any]:
    """What a record has but for clock and files."""
    used, timing = dict(found["utilization"]), dict(found["timing"])
    tools = [part["tool"] for part in (found.get("csynth"), used) if part]
    del used["tool"], timing["tool"]
    known = identities(artifact.network)
    return {
        "name": artifact.network.name,
        "flow": flow,
        "artifact": artifact.sha256,
        "structure": known["structure_sha256"],
        "weights": known["weights_sha256"],
        "core": project.core,
        "core_version": project.core_version,
        "folding": project.folding,
        "board": board.name,
        "part": board.part,
        "tools": tuple(tools),
        "resources": Resources(**used),
        "timing": Slack(**timing),
    }


def run(args: argparse.Namespace) -> Report:
    """Emit the core and build it; exit code 1 for a missed clock, and without the tools, which would have been run."""
    from crossloom.sim.board.tools import check_folder, commands

    board, clock = load_board(args.board), clock_reached(args.clock)
    artifact = load(find_design(args.design))
    name = artifact.network.name
    out = Path(args.out) if args.out else Path("runs") / f"{name}-bitstream-{args.flow}"
    project = (_rtl if args.flow == "rtl" else _hls)(artifact, args, out, board)
    if report := not_built(name, args.flow, out, project.steps):
        return report
    check_folder(out)
    try:
        found = project.build(args.hours * 3600)
    finally:
        progress("")
    said = _record(artifact, args.flow, project, board, found)
    record = BuildRecord(**said, clock_mhz=clock, files=built_files(name, out))
    path = write_build(record, out)
    data = {
        "name": name,
        "flow": args.flow,
        "folder": str(out),
        "board": board.name,
        "clock_mhz": clock,
        "missing": [],
        "commands": commands(out, project.steps),
        "files": sorted([*record.files, path.name]),
        "utilization": found["utilization"],
        "timing": found["timing"],
    }
    text = f"{name}, {args.flow} flow: {name}.bit for the {board.title} at {clock:g} MHz, with {path.name}, in {out}\n"
    return Report(data, text + table(["figure", "value", "origin"], placed(found)), 0 if record.timing.met else 1)
