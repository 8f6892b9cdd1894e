"""The memory of a virtual board: what the DMA sees, and the host's buffers, which differ until flushed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.board import Region
from crossloom.sim.errors import DeviceError

_PAGE = 4096
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Allocation:
    """A buffer: its physical address, and the host's own copy of the bytes (its cache, as it were)."""

    address: int
    host: _Bytes


class Memory:
    """DDR3 of a board. `cells` is what the DMA sees; `broken` are bytes where the memory answers with an error.

    Raises DeviceError when no room is left.
    """

    def __init__(self, region: Region, first: int) -> None:
        self.region = region
        self.cells: _Bytes = np.zeros(region.size, np.uint8)  # pages of it exist once they are touched
        self.broken: Region | None = None
        self._base = int(self.cells.ctypes.data)
        self._first = first  # below it is the operating system's
        self._live: dict[int, Allocation] = {}

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Free bytes (start, size) between the buffers, lowest first."""
        start = self._first
        for address in sorted(self._live):
            yield start, address - start
            start = address + -(-max(len(self._live[address].host), 1) // _PAGE) * _PAGE
        yield start, self.region.start + self.region.size - start

    def allocate(self, size: int) -> Allocation:
        """A buffer of `size` bytes on a page of its own, zeros for the host; whatever was there for the DMA."""
        for start, room in self._gaps():
            if room >= max(size, 1):
                made = Allocation(start, np.zeros(size, np.uint8))
                self._live[start] = made
                return made
        raise DeviceError(f"virtual board: no room for a buffer of {size:,} bytes; free others, or send fewer images")

    def free(self, allocation: Allocation) -> None:
        """Give a buffer back; a second time does nothing."""
        if self._live.get(allocation.address) is allocation:
            del self._live[allocation.address]

    def flush(self, allocation: Allocation, offset: int, size: int) -> None:
        """Make what the host wrote visible to the DMA."""
        start = allocation.address - self.region.start + offset
        self.cells[start : start + size] = allocation.host[offset : offset + size]

    def invalidate(self, allocation: Allocation, offset: int, size: int) -> None:
        """Make what the DMA wrote visible to the host."""
        start = allocation.address - self.region.start + offset
        allocation.host[offset : offset + size] = self.cells[start : start + size]

    def reachable(self, address: int) -> tuple[int, int]:
        """Where an address lies in this process, and how many bytes from it on answer; none outside the memory."""
        start = address - self.region.start
        if not 0 <= start < self.region.size:
            return self._base, 0
        stop = self.region.size
        if self.broken is not None and self.broken.end >= address:
            stop = max(self.broken.start - self.region.start, start)
        return self._base + start, stop - start
