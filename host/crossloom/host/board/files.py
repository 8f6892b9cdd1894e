"""The files of an overlay: bitstream, handoff and the core's description, of one name in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

from crossloom.sim.board.build_record import DESCRIPTION, RECORD, read_build
from crossloom.sim.errors import DeviceError

MAX_HANDOFF = 16 << 20  # bytes of a handoff, which is untrusted
MAX_DEPTH = 64  # of its elements


@dataclass(frozen=True)
class OverlayFiles:
    """`NAME.bit`, `NAME.hwh` and `core.json` in one folder."""

    bit: Path

    @property
    def hwh(self) -> Path:
        """The hardware handoff, which `pynq` looks for by the bitstream's name."""
        return self.bit.with_suffix(".hwh")

    @property
    def description(self) -> Path:
        """What the host must know of the core."""
        return self.bit.with_name(DESCRIPTION)

    def check(self) -> None:
        """Raise DeviceError unless all three are there and, where `build.json` tells, of one build of a core in RTL."""
        if not self.bit.name:
            raise DeviceError("overlay '': no name of a file; NAME.bit of an overlay is needed: name it with --overlay")
        for path, what in ((self.bit, "bitstream"), (self.hwh, "hardware handoff"), (self.description, "description")):
            if not path.is_file():
                raise DeviceError(
                    f"{path}: no {what}; NAME.bit, NAME.hwh and {DESCRIPTION} of one build are needed: copy all of the "
                    "folder that 'crossloom build bitstream' wrote"
                )
        _check_handoff(self.hwh)
        record = self.bit.with_name(RECORD)
        if record.is_file() and (flow := read_build(record.parent).flow) != "rtl":
            raise DeviceError(f"{record}: a core of flow {flow}; the driver needs one of RTL: build it with --flow rtl")


def _check_handoff(path: Path) -> None:
    """Raise DeviceError for a handoff that may do more than describe: of entities of its own, too deep or too large.

    The `pynq` package parses it with whatever the Python of the board has.
    """
    parser, depth = ParserCreate(), 0

    def refuse(what: str) -> NoReturn:
        raise DeviceError(f"{path}: {what}; no handoff of Vivado's has that: take the one of the bitstream's build")

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            refuse(f"nested deeper than {MAX_DEPTH} levels")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = lambda *_: refuse("a DOCTYPE")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    with path.open("rb") as file:
        data = file.read(MAX_HANDOFF + 1)
    if len(data) > MAX_HANDOFF:
        refuse(f"over {MAX_HANDOFF:,} bytes")
    try:
        parser.Parse(data, True)
    except ExpatError as error:
        refuse(f"no XML ({error})")
