"""The files of an overlay: bitstream, handoff and the core's description, of one name in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crossloom.sim.board.build_record import DESCRIPTION, RECORD, read_build
from crossloom.sim.errors import DeviceError


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
        for path, what in ((self.bit, "bitstream"), (self.hwh, "hardware handoff"), (self.description, "description")):
            if not path.is_file():
                raise DeviceError(
                    f"{path}: no {what}; NAME.bit, NAME.hwh and {DESCRIPTION} of one build are needed: copy all of the "
                    "folder that 'crossloom build bitstream' wrote"
                )
        record = self.bit.with_name(RECORD)
        if record.is_file() and (flow := read_build(record.parent).flow) != "rtl":
            raise DeviceError(f"{record}: a core of flow {flow}; the driver needs one of RTL: build it with --flow rtl")
