"""Writes a whole project of a network: core, wrapper, test bench with golden frames, scripts for the tools."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossloom.sim import Artifact, InputError, Network, input_codes, random_codes, run
from crossloom.sim.board import CLOCK_MHZ, CORE, DEFAULT_BOARD, DMA, Board, clock_reached, load_board
from crossloom.sim.board.block_design import SCRIPT as VIVADO_SCRIPT
from crossloom.sim.folder import check_output, write_folder
from crossloom.sim.frames import Beats, frame_beats, frame_layout, load_beats, result_beats

from .errors import HlsError
from .registers import REGISTERS
from .scripts import HLS_SCRIPT, hls_script, vivado_script
from .sources import find_include
from .wrapper import protocol_header, simulation_source, top_header, top_source

COMMAND = "crossloom emit hls"
CORNER_FRAMES = 8  # beside the golden images, in the test bench
_INCLUDE = re.compile(r'^\s*#include "(crossloom/[a-z0-9_]+\.hpp)"', re.MULTILINE)


def _native(network: Network, folder: Path) -> None:
    from .native import native_project

    for name, text in native_project(network).items():
        (folder / name).write_text(text, encoding="ascii")


def _hls4ml(network: Network, folder: Path) -> None:
    from .hls4ml_project import write_core

    write_core(network, folder)


@dataclass(frozen=True)
class Flow:
    """A way to a core: `write(network, folder)` makes core.hpp and what it includes, or raises HlsError.

    `loads`: the cores of routed networks take new weights. `traces`: C simulation can record every edge.
    """

    write: Callable[[Network, Path], None]
    loads: bool
    traces: bool

    def loads_into(self, network: Network) -> bool:
        """Whether the network's core takes new weights."""
        return self.loads and network.route is not None


FLOWS = {"native": Flow(_native, True, True), "hls4ml": Flow(_hls4ml, False, False)}


def flow_of(name: str) -> Flow:
    """The flow of a name; InputError when there is none."""
    if name not in FLOWS:
        raise InputError(f"flow {name[:40]!r}: unknown; one of {', '.join(FLOWS)} is needed")
    return FLOWS[name]


def write_sources(network: Network, flow: Flow, folder: Path) -> None:
    """Write core, protocol.hpp, top.hpp and top.cpp into a folder; HlsError for a network that the flow refuses."""
    flow.write(network, folder)
    loads = flow.loads_into(network)
    (folder / "protocol.hpp").write_text(protocol_header(), encoding="ascii")
    (folder / "top.hpp").write_text(top_header(), encoding="ascii")
    (folder / "top.cpp").write_text(top_source(network, loads), encoding="ascii")


def write_simulation(network: Network, flow: Flow, folder: Path, trace: bool) -> Path:
    """`write_sources`, and the one file that is compiled for C simulation."""
    write_sources(network, flow, folder)
    path = folder / "csim.cpp"
    path.write_text(simulation_source(network, flow.loads_into(network), trace), encoding="ascii")
    return path


def _lines(beats: Beats) -> bytes:
    return "".join(f"{int(beat):016x}\n" for beat in beats.ravel()).encode()


def _vectors(artifact: Artifact) -> dict[str, bytes]:
    """The test bench's data: golden images and corners, their results, and for a routed network its load."""
    network = artifact.network
    codes = random_codes(network, 0, CORNER_FRAMES)
    if artifact.golden is not None:
        golden = input_codes(network.input, artifact.golden.images)
        codes = np.concatenate([golden.astype(codes.dtype), codes])
    return {
        "frames.txt": _lines(frame_beats(network, codes)),
        "results.txt": _lines(result_beats(network, run(network, codes=codes))),
    }


def _headers(texts: list[str]) -> dict[str, bytes]:
    """Our headers that some sources include, and those that these include."""
    root, found = find_include(), dict[str, bytes]()
    pending = [name for text in texts for name in _INCLUDE.findall(text)]
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = (root / name).read_bytes()
            pending.extend(_INCLUDE.findall(found[name].decode()))
    return found


def _readme(network: Network, flow: str, board: Board, clock_mhz: float) -> str:
    layout = frame_layout(network)
    rows = "".join(
        f"| 0x{r.offset:02x} | {r.name}{f' ({r.words} words)' if r.words > 1 else ''} | {'rw' if r.written else 'r'} "
        f"| {r.text} |\n"
        for r in REGISTERS
    )
    return f"""\
# {network.name}, {flow} flow

An HLS core for the {board.title} ({board.part}) at {clock_reached(clock_mhz):g} MHz, written by `crossloom emit hls`.
Keep it in a path without spaces.

    vitis-run --mode hls --tcl {HLS_SCRIPT}           # C simulation, synthesis, co-simulation, IP
    vivado -mode batch -source {VIVADO_SCRIPT}     # block design, {network.name}.bit and .hwh, reports

C simulation without these tools, with the `ap_types` of hls4ml (AP):

    cd tb && g++ -std=c++17 -w -I. -I../src -I../include -I$AP tb.cpp ../src/top.cpp -o tb && ./tb

A frame is {layout.frame_beats} beats of 64 bits, a result {layout.result_beats}; `crossloom.sim.frames` packs and \
reads them. Addresses: core 0x{CORE.start:08x}, dma 0x{DMA.start:08x}.

| offset | register | | |
| --- | --- | --- | --- |
| 0x00 | control | rw | of Vitis HLS: bit 0 starts a command, bit 1 is done |
{rows}"""


def project_files(artifact: Artifact, flow_name: str, board: Board, clock_mhz: float) -> dict[str, bytes]:
    """Every file of a project by its relative path; HlsError for a network that the flow refuses."""
    flow, network = flow_of(flow_name), artifact.network
    with tempfile.TemporaryDirectory(prefix="crossloom-") as work:
        source = Path(work)
        write_sources(network, flow, source)
        files = {
            f"src/{path.relative_to(source).as_posix()}": path.read_bytes()
            for path in sorted(source.rglob("*"))
            if path.is_file()
        }
    headers = _headers([data.decode(errors="replace") for data in files.values()])
    files |= {f"include/{name}": data for name, data in headers.items()}
    layout, vectors = frame_layout(network), _vectors(artifact)
    loads = flow.loads_into(network)
    vectors["load.txt"] = _lines(load_beats(network)) if loads else b""
    files |= {f"tb/{name}": data for name, data in vectors.items()}
    files["tb/tb.cpp"] = (find_include() / "crossloom" / "testbench.cpp").read_bytes()
    sizes = f"const unsigned kFrameBeats = {layout.frame_beats}, kResultBeats = {layout.result_beats};\n"
    files["tb/core_sizes.hpp"] = sizes.encode()
    files[HLS_SCRIPT] = hls_script(sorted(vectors), board, clock_mhz).encode()
    files[VIVADO_SCRIPT] = vivado_script(network.name, board, clock_mhz).encode()
    files["README.md"] = _readme(network, flow_name, board, clock_mhz).encode()
    return files


def emit(
    artifact: Artifact, flow: str, out: Path, board: Board | None = None, clock_mhz: float = CLOCK_MHZ
) -> list[Path]:
    """Write a project into a folder, for a PYNQ-Z2 where no board is given; returns its files.

    What an earlier emission wrote is replaced; anything else stays, and where it is in the way nothing is written:
    HlsError, as for a network that the flow refuses. InputError for a board or clock that the scripts cannot have.
    """
    check_output(out, COMMAND, HlsError)
    files = project_files(artifact, flow, board or load_board(DEFAULT_BOARD), clock_mhz)
    return write_folder(out, files, COMMAND, HlsError)
