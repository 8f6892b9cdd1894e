"""What `pynq.MMIO` has of a mapped device: an array of 32-bit words, each access of which reaches the board's bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from crossloom.sim.errors import DeviceError

BLOCK_BITS = 16  # of an address within one slave's block
_INSIDE = (1 << BLOCK_BITS) - 1


class Slave(Protocol):
    """Whatever answers on the bus, by byte offset in its block."""

    def read(self, offset: int) -> int:
        """The word at an offset."""
        ...

    def write(self, offset: int, value: int) -> None:
        """Write the word at an offset."""
        ...


class Window:
    """`count` words from a byte address on, with what `pynq` uses of an array: indices, slices, `view`.

    `slaves` by block of addresses, looked up at every access: another overlay has others. Raises DeviceError where
    nothing answers, which on the board ends the process.
    """

    def __init__(self, slaves: Mapping[int, Slave], address: int, count: int) -> None:
        self._slaves, self._address, self._count = slaves, address, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is slice:
            places = range(self._count)[index]
            if places.step != 1:
                raise IndexError(f"step {places.step}; a mapped window has whole runs of words")
            return Window(self._slaves, self._address + 4 * places.start, len(places))
        if not 0 <= index < self._count:
            raise IndexError(f"word {index} of {self._count}")
        address = self._address + 4 * index
        slave = self._slaves.get(address >> BLOCK_BITS)
        if slave is None:
            raise _bus_error(address)
        return slave.read(address & _INSIDE)

    def __setitem__(self, index: Any, value: Any) -> None:
        if index.__class__ is slice:
            places = range(self._count)[index]
            for at, word in zip(places, np.broadcast_to(value, len(places)).tolist(), strict=True):
                self[at] = word
            return
        if not 0 <= index < self._count:
            raise IndexError(f"word {index} of {self._count}")
        address = self._address + 4 * index
        slave = self._slaves.get(address >> BLOCK_BITS)
        if slave is None:
            raise _bus_error(address)
        slave.write(address & _INSIDE, int(value) & 0xFFFFFFFF)

    def view(self, dtype: Any = None) -> Window:
        """The same words, of 32 bits; TypeError for any other width."""
        if dtype is not None and np.dtype(dtype).itemsize != 4:
            raise TypeError(f"{np.dtype(dtype)}: a mapped window has words of 32 bits; read two of them")
        return self


def _bus_error(address: int) -> DeviceError:
    return DeviceError(f"virtual board: bus error at {address:#010x}, nothing is there; download an overlay first")
