"""The bitstream of a virtual board: parameters and memories of a core, from which Verilator makes the logic."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim.board import CLOCK_MHZ
from crossloom.sim.board.build_record import DESCRIPTION
from crossloom.sim.errors import DeviceError

from ..files import OverlayFiles

if TYPE_CHECKING:
    from crossloom.rtl.compiler.program import Program
    from crossloom.rtl.verilator.model import Model

MAGIC = b"crossloom virtual bitstream 1\n"
MEMORIES = "config", "banks", "sweeps", "segments", "drains", "weights", "params", "identity"
MAX_BYTES = 256 << 20  # of a file, which is untrusted
_FILE = re.compile(r"[a-z0-9_]{1,64}\.(?:hex|mem)\Z")
_PARAMETER = re.compile(r"[A-Z][A-Za-z]{0,63}\Z")
_OF_THE_CORE = re.compile(r"%(?:Error|Warning)|\$readmem|does not match")
_NUMBER = range(-(1 << 31), 1 << 31)


def overlay_of(program: Program, clock_mhz: float = CLOCK_MHZ) -> dict[str, bytes]:
    """`NAME.bit`, `NAME.hwh` and `core.json` of a program's core, by their names."""
    from crossloom.rtl.core.contents import core_parameters, write_program
    from crossloom.rtl.core.description import describe
    from crossloom.rtl.core.handoff import handoff

    with tempfile.TemporaryDirectory(prefix="crossloom-") as work:
        memories = {path.name: path.read_text(encoding="ascii") for path in write_program(program, Path(work))}
    content = {"parameters": core_parameters(program), "memories": memories}
    name = program.network.name
    return {
        f"{name}.bit": MAGIC + json.dumps(content).encode("ascii"),
        f"{name}.hwh": handoff(clock_mhz),
        DESCRIPTION: describe(program).to_json(),
    }


def write_overlay(program: Program, folder: Path, clock_mhz: float = CLOCK_MHZ) -> OverlayFiles:
    """Write the overlay of a program's core into a folder that exists."""
    for name, data in overlay_of(program, clock_mhz).items():
        (folder / name).write_bytes(data)
    return OverlayFiles(folder / f"{program.network.name}.bit")


def configure(bit: Path, seed: int = 1) -> Model:
    """The logic that a virtual bitstream describes, built or found in the cache, and reset.

    Raises DeviceError for anything else, RtlError where Verilator or the compiler refuses.
    """
    from crossloom.rtl.core.contents import TOP
    from crossloom.rtl.errors import RtlError
    from crossloom.rtl.sources import sources_of
    from crossloom.rtl.verilator.build import BEHAVIOURAL
    from crossloom.rtl.verilator.model import build_model

    parameters, memories = _read(bit)
    with tempfile.TemporaryDirectory(prefix="crossloom-") as folder:
        for name, text in memories.items():
            Path(folder, name).write_text(text, encoding="ascii")
        given: dict[str, Any] = {"sources": sources_of(TOP), "defines": (BEHAVIOURAL,), "optimize": 2, "seed": seed}
        try:
            return build_model(TOP, parameters, argument=f"+program={folder}/", **given)
        except (RtlError, DeviceError) as error:
            if not _OF_THE_CORE.search(str(error)):
                raise  # a tool that is missing or does not work
            what = str(error).replace(f"{folder}/", "")[:160]
            raise DeviceError(f"{bit}: makes no core ({what}); write it again with 'crossloom emit virtual'") from None


def _read(bit: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Parameters and memories of a virtual bitstream, every value checked."""
    with bit.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if not data.startswith(MAGIC):
        raise DeviceError(f"{bit}: no virtual bitstream; a virtual board needs what 'crossloom emit virtual' writes")
    try:
        content: Any = json.loads(data[len(MAGIC) :]) if len(data) <= MAX_BYTES else None
        parameters, memories = content["parameters"], content["memories"]
        good = all(isinstance(n, str) and type(v) is int and v in _NUMBER for n, v in parameters.items())
        good &= all(_PARAMETER.match(name) is not None for name in parameters)
        good &= _memories(parameters) <= memories.keys()
        good &= all(_FILE.match(n) is not None and isinstance(v, str) and v.isascii() for n, v in memories.items())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        good = False
    if not good:
        raise DeviceError(f"{bit}: a damaged virtual bitstream; write it again with 'crossloom emit virtual'")
    return parameters, memories


def _memories(parameters: dict[str, int]) -> set[str]:
    """The files that a core of these parameters reads."""
    lanes = range(min(parameters.get("Lanes", 0), 1 << 16) if parameters.get("Tables") else 0)
    return {f"{name}.mem" for name in (*MEMORIES, *(f"tables{lane}" for lane in lanes))}
