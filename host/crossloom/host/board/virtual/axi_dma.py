"""The AXI DMA of Xilinx in direct register mode (PG021), between the board's memory and a Verilated core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossloom.sim.board import LENGTH_BITS
from crossloom.sim.board.dma_registers import (
    ERRORS,
    RESERVED_CONTROL,
    Channel,
    Control,
    Offset,
    Status,
)
from crossloom.sim.errors import DeviceError

from .memory import Memory

if TYPE_CHECKING:
    from crossloom.rtl.verilator.movers import Mover, Movers

BEAT_BYTES = 8
POLL_CYCLES = 1 << 20  # what passes at most while a host looks at a busy channel: 10 ms at 100 MHz
ACCESS_CYCLES = 16  # what any other access takes
_WRITABLE = int(Control.RUN | Control.IRQ_DONE | Control.IRQ_ERROR)
# Plain integers: flags of Python's enum take microseconds.
_RUN, _RESET = int(Control.RUN), int(Control.RESET)
_HALTED, _IDLE, _ERRORS = int(Status.HALTED), int(Status.IDLE), int(ERRORS)
_DONE, _ERROR = int(Status.DONE), int(Status.ERROR)
_S2MM, _STATUS, _LENGTH = int(Channel.S2MM), int(Offset.STATUS), int(Offset.LENGTH)
_ADDRESS, _ADDRESS_HIGH, _CONTROL = int(Offset.ADDRESS), int(Offset.ADDRESS_HIGH), int(Offset.CONTROL)


class _Channel:
    """Registers of one direction; the mover carries the beats."""

    def __init__(self, name: str, mover: Mover, overrun: Status) -> None:
        self.name, self.mover, self.overrun = name, mover, overrun
        self.reset()

    def reset(self) -> None:
        self.control, self.status = 0, _HALTED
        self.address = self.address_high = self.length = 0
        self.busy = False


class AxiDma:
    """Both channels of a DMA without scatter-gather or realignment; DeviceError for what has no defined result.

    Halted, idle and error bits, interrupts cleared by writing 1, a soft reset of both channels, decode and slave errors
    of the memory, an internal error where a packet is longer than LENGTH, a length register of LENGTH_BITS: as PG021
    has them. An error halts the channel until a reset. Time passes when the host looks: a read of a busy channel's
    status lets the core run until a transfer ends, at most POLL_CYCLES.
    """

    def __init__(self, movers: Movers, memory: Memory, length_bits: int = LENGTH_BITS) -> None:
        self._movers, self._memory = movers, memory
        self._length_mask = (1 << length_bits) - 1
        self.mm2s = _Channel("MM2S", movers.send, Status.DECODE)
        self.s2mm = _Channel("S2MM", movers.take, Status.INTERNAL)
        self.waited = 0  # cycles in which nothing moved and the core was not run

    def read(self, offset: int) -> int:
        """A register by byte offset; 0 where there is none."""
        channel, at = (self.mm2s, offset) if offset < _S2MM else (self.s2mm, offset - _S2MM)
        if at == _STATUS:
            if channel.busy:
                self._movers.run(channel.mover, POLL_CYCLES)
                self._settle(self.mm2s)
                self._settle(self.s2mm)
            else:
                self.waited += ACCESS_CYCLES
            return channel.status
        if at == _CONTROL:
            return channel.control | RESERVED_CONTROL
        if at == _LENGTH:
            return channel.length
        return {_ADDRESS: channel.address, _ADDRESS_HIGH: channel.address_high}.get(at, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register by byte offset; ignored where there is none."""
        channel, at = (self.mm2s, offset) if offset < _S2MM else (self.s2mm, offset - _S2MM)
        self.waited += ACCESS_CYCLES
        if at == _LENGTH:
            self._start(channel, value & self._length_mask)
        elif at == _ADDRESS:
            channel.address = value
        elif at == _ADDRESS_HIGH:
            channel.address_high = value
        elif at == _STATUS:
            channel.status &= ~(value & (_DONE | _ERROR))
        elif at == _CONTROL:
            self._control(channel, value)

    def _control(self, channel: _Channel, value: int) -> None:
        if value & _RESET:
            for each in (self.mm2s, self.s2mm):
                self._movers.stop(each.mover)
                each.reset()
            return
        channel.control = value & _WRITABLE
        if not value & _RUN:
            self._movers.stop(channel.mover)
            channel.busy, channel.status = False, channel.status & ~_IDLE | _HALTED
        elif not channel.status & _ERRORS:
            channel.status &= ~_HALTED

    def _start(self, channel: _Channel, length: int) -> None:
        """Begin a transfer, as a write to LENGTH does while the channel runs; a length of 0 begins nothing."""
        if channel.status & _HALTED or not length:
            return
        if channel.busy:
            raise DeviceError(f"virtual board: {channel.name}: LENGTH written while a transfer runs; wait for its end")
        address = channel.address_high << 32 | channel.address
        if address % BEAT_BYTES:
            raise DeviceError(
                f"virtual board: {channel.name}: address {address:#x}; without data realignment a multiple of "
                f"{BEAT_BYTES} is needed: send a buffer from its beginning"
            )
        channel.length, channel.busy = length, True
        channel.status &= ~_IDLE
        self._movers.start(channel.mover, *self._memory.reachable(address), length)

    def _settle(self, channel: _Channel) -> None:
        """Take over how a transfer ended."""
        mover = channel.mover
        if not channel.busy or mover.busy:
            return
        channel.busy = False
        if channel is self.s2mm:
            channel.length = mover.done
        if mover.fault:
            cause = channel.overrun
            if mover.fault == self._movers.UNREACHABLE:
                outside = channel.address + mover.done >= self._memory.region.end
                cause = Status.DECODE if outside or self._memory.broken is None else Status.SLAVE
            channel.status |= _HALTED | _ERROR | int(cause)
            channel.control &= ~_RUN
        else:
            channel.status |= _IDLE | _DONE
