"""The virtual PYNQ-Z2 as a device of `pynq`: memory, clocks, and a mapped window to DMA and core."""

from __future__ import annotations

import logging
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
from pynq.pl_server.device import Device
from pynqmetadata.frontends import Metadata

from crossloom.sim.board import CORE, DMA, MEMORY
from crossloom.sim.errors import DeviceError

from . import slcr
from .axi_dma import AxiDma
from .bitstream import configure
from .memory import Allocation, Memory
from .window import BLOCK_BITS, Slave, Window

if TYPE_CHECKING:
    from crossloom.rtl.verilator.model import Model

FIRST_BUFFER = 0x1000_0000  # below it are the operating system and its programs
_log = logging.getLogger(__name__)


class _CoreRegisters:
    """The AXI4-Lite port of the core."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def read(self, offset: int) -> int:
        return self._model.read_one(offset)

    def write(self, offset: int, value: int) -> None:
        self._model.write_one(offset, value)


class VirtualBoard(Device):  # type: ignore[misc]  # pynq has no types
    """A PYNQ-Z2 without the board. Bitstreams are those of `overlay_of`; `Overlay` downloads them as on the board.

    The package keeps the clocks of the first device that it meets for all, so virtual boards share one set. Time is
    that of the logic: `now`. Raises DeviceError where the board would hang or end the process.
    """

    capabilities = {"MEMORY_MAPPED": True}  # noqa: RUF012  # the package reads it so
    arch = "armv7l"
    name = "PYNQ-Z2"
    clocks = slcr.Slcr()
    _made = 0

    def __init__(self) -> None:
        VirtualBoard._made += 1
        super().__init__(f"crossloom_virtual_{VirtualBoard._made}")
        self.memory = Memory(MEMORY, FIRST_BUFFER)
        self.bitfile_name = self.timestamp = ""
        self.dma: AxiDma | None = None
        self.model: Model | None = None
        self._slaves: dict[int, Slave] = {slcr.REGION.start >> BLOCK_BITS: self.clocks}
        self._elapsed = 0.0  # seconds of logic that is gone

    # What the package calls.

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """The handoff beside a bitstream, parsed by the package; DeviceError where it is missing."""
        hwh = Path(bitfile_name).with_suffix(".hwh")
        if partial or not hwh.is_file():
            raise DeviceError(f"{hwh}: no hardware handoff; the one of {Path(bitfile_name).name}'s build is needed")
        return RuntimeMetadataParser(Metadata(input=str(hwh)))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Make the logic that the bitstream describes the board's; what was there is gone."""
        from crossloom.rtl.verilator.movers import Movers

        model = configure(Path(bitstream.bitfile_name))
        self.clear()
        self.model, self.dma = model, AxiDma(Movers(model), self.memory)
        self._slaves |= {CORE.start >> BLOCK_BITS: _CoreRegisters(model), DMA.start >> BLOCK_BITS: self.dma}
        super().post_download(bitstream, parser or self.get_bitfile_metadata(bitstream.bitfile_name))

    def mmap(self, base_addr: int, length: int) -> Window:
        """The words from an address on."""
        return Window(self._slaves, base_addr, length // 4)

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> Any:
        """A buffer of zeros in the board's memory, on a page of its own."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        made = self.memory.allocate(size)
        buffer = PynqBuffer(shape, dtype, buffer=made.host, device=self, device_address=made.address, bo=made)
        # The package's own way of freeing, `freebuffer`, unmaps on its second call what was never mapped here.
        weakref.finalize(buffer, self.memory.free, made)
        return buffer

    def flush(self, bo: Allocation, offset: int, _: int, size: int) -> None:
        """Write a buffer's bytes to the memory."""
        self.memory.flush(bo, offset, size)

    def invalidate(self, bo: Allocation, offset: int, _: int, size: int) -> None:
        """Read a buffer's bytes from the memory."""
        self.memory.invalidate(bo, offset, size)

    # What the driver asks.

    def now(self) -> float:
        """Seconds of the board's time, by the clock FCLK0."""
        if self.model is None or self.dma is None:
            return self._elapsed
        return self._elapsed + (self.model.cycle + self.dma.waited) / (self.clocks.fclk_mhz(0) * 1e6)

    def clear(self) -> None:
        """Take the logic away, as before the first download."""
        self._elapsed = self.now()
        for base in (CORE.start, DMA.start):
            self._slaves.pop(base >> BLOCK_BITS, None)
        if self.model is not None:
            self.model.close()
        self.model = self.dma = None
