"""A core behind the DMA of a `pynq` overlay: buffers, transfers with a time-out, recovery from every error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.board.dma_registers import ERRORS, Channel, Control, Offset, Status
from crossloom.sim.errors import DeviceError
from crossloom.sim.frames import Beats, FrameLayout

if TYPE_CHECKING:
    from crossloom.rtl.core.transport import Arrived
    from crossloom.rtl.registers.register_map import RegisterMap

_BEAT_BYTES = 8
_SLOTS = 2  # of buffers: one is filled while the other moves
_TRIES = 1000  # looks at a bit that a reset or start changes at once
_CAUSES = {
    Status.INTERNAL: "the packet is longer than the buffer",
    Status.SLAVE: "the memory answered with an error",
    Status.DECODE: "there is no memory at the buffer's address",
}
# Plain integers: flags of Python's enum take microseconds.
_MM2S, _S2MM = int(Channel.MM2S + Offset.STATUS), int(Channel.S2MM + Offset.STATUS)
_RECEIVED, _SENT = int(Channel.S2MM + Offset.LENGTH), int(Channel.MM2S + Offset.LENGTH)
_DESTINATION, _SOURCE = int(Channel.S2MM + Offset.ADDRESS), int(Channel.MM2S + Offset.ADDRESS)
_BAD, _IDLE, _HALTED = int(ERRORS), int(Status.IDLE), int(Status.HALTED)


@dataclass(frozen=True)
class Parts:
    """What the driver uses of an overlay: the core's registers (`MMIO`), its DMA, a way to allocate, a clock.

    `now` gives seconds of the board's time; `clock_mhz` is the core's.
    """

    core: Any
    dma: Any
    allocate: Callable[..., Any]
    now: Callable[[], float]
    clock_mhz: float


class PynqTransport:
    """Registers by MMIO, beats by DMA in packets of up to `frames` frames; for the board and the virtual board alike.

    Buffers live as long as the transport and are the only ones that are sent, from their beginning. Receiving is armed
    before sending. After any error DMA and core are reset, so that the next frame is exact. Raises DeviceError.
    """

    def __init__(
        self, name: str, parts: Parts, layout: FrameLayout, registers: RegisterMap, frames: int, margin: float = 0.0
    ) -> None:
        self._name, self._parts, self._layout, self._frames = name, parts, layout, frames
        self._margin = margin  # seconds beyond what a limit of cycles takes
        self._control = registers.offset("CONTROL")
        self._reset = 1 << registers.field("CONTROL", "RESET").low
        self._error, self._status = registers.offset("ERROR"), registers.offset("STATUS")
        self._busy = 1 << registers.field("STATUS", "BUSY").low
        self._moving: tuple[int, int] | None = None  # slot and beats that are expected
        self.watch: int | None = None  # a register that `stream` reads after each packet,
        self.watched: list[int] = []  # and what it read
        most = max(layout.frame_beats, layout.result_beats) * frames * _BEAT_BYTES
        if most > parts.dma.buffer_max_size:
            raise DeviceError(
                f"{name}: {frames} frames are {most:,} bytes a transfer; the DMA's length register holds "
                f"{parts.dma.buffer_max_size:,}: send fewer frames at a time"
            )
        try:
            self._send, self._take = (
                [parts.allocate((frames * beats,), np.dtype(np.uint64)) for _ in range(_SLOTS)]
                for beats in (layout.frame_beats, layout.result_beats)
            )
        except (MemoryError, RuntimeError) as error:
            raise DeviceError(
                f"{name}: no room for buffers of {frames} frames ({error}); send fewer frames at a time, or restart "
                "the board"
            ) from None
        self._plain = [buffer.view(np.ndarray) for buffer in self._send]  # the same beats, filled faster
        self._views: dict[tuple[int, int, int], tuple[Any, Beats, int]] = {}
        self.recover()

    # A transport's.

    def read(self, addresses: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The registers at some addresses."""
        return np.array([self._parts.core.read(address) for address in addresses.tolist()], np.uint32)

    def write(self, addresses: NDArray[np.uint32], words: NDArray[np.uint32]) -> None:
        """Write words to some addresses."""
        write = self._parts.core.write
        for address, word in zip(addresses.tolist(), words.tolist(), strict=True):
            write(address, word)

    def stream(self, beats: Beats, last: NDArray[np.bool_], expect: int, limit: int) -> Arrived:
        """Send packets, each ended by its TLAST, the next one filled while one is computed; `limit` cycles in all."""
        from crossloom.rtl.core.transport import Arrived

        data = beats.reshape(-1)
        ends = (np.flatnonzero(last) + 1).tolist()
        size, results = self._layout.frame_beats, self._layout.result_beats
        came, arrived, self.watched = np.zeros(expect, np.uint64), np.zeros(expect, np.bool_), []
        start = place = slot = 0
        deadline = self.deadline(limit)
        for end in ends:
            slot = 1 - slot
            self.fill(slot, data[start:end])
            if self._moving is not None:
                place = self._collect(came, place, deadline)
                arrived[place - 1] = True
            self.begin(slot, end - start, (end - start) // size * results)
            start = end
        if self._moving is not None:
            place = self._collect(came, place, deadline)
            arrived[place - 1] = True
        return Arrived(came, arrived)

    def _collect(self, came: Beats, place: int, deadline: float) -> int:
        """Put the results of the packet that moves where they belong; the place of the next."""
        found = self.finish(deadline)
        came[place : place + len(found)] = found
        if self.watch is not None:
            self.watched.append(self._parts.core.read(self.watch))
        return place + len(found)

    def close(self) -> None:
        """Leave the DMA stopped and give the buffers back; a second call does nothing."""
        if self._send:
            self._stop()
            self._views.clear()
            # The package frees a buffer with its last reference.
            self._send, self._take, self._plain = [], [], []

    # One packet.

    def settle(self) -> None:
        """Reset DMA and core where somebody else left something inside: it would come out as our answer."""
        read = self._parts.dma.mmio.read
        # Before the first transfer a channel that waits looks like one that somebody armed.
        idle = (
            self._moved
            and self._moving is None
            and all(read(at) & (_HALTED | _BAD | _IDLE) == _IDLE for at in (_MM2S, _S2MM))
        )
        if not idle or self._parts.core.read(self._status) & self._busy:
            self.recover()

    def fill(self, slot: int, beats: Beats) -> None:
        """Put a packet's beats into a buffer that is not moving."""
        if len(beats) > len(self._send[slot]):
            raise DeviceError(
                f"{self._name}: a packet of {len(beats):,} beats; the buffers hold {len(self._send[slot]):,}: send at "
                f"most {self._frames} frames at a time"
            )
        self._plain[slot][: len(beats)] = beats

    def begin(self, slot: int, count: int, expect: int) -> None:
        """Arm the receiver for `expect` beats, then send the first `count` of a buffer."""
        (_, _, destination), (sent, _, source) = (
            self._view(self._take, slot, expect),
            self._view(self._send, slot, count),
        )
        sent.flush()
        # The package's own `transfer` looks at each status twice before it writes these; a status is looked at where
        # a transfer ends, and the buffers are known to be whole and aligned.
        write = self._parts.dma.mmio.write
        write(_DESTINATION, destination)
        write(_RECEIVED, expect * _BEAT_BYTES)
        write(_SOURCE, source)
        write(_SENT, count * _BEAT_BYTES)
        self._moving = slot, expect

    def finish(self, deadline: float) -> Beats:
        """The results of the packet that moves, good until its buffer's next turn.

        DeviceError past the deadline, in the board's seconds.
        """
        assert self._moving is not None
        slot, expect = self._moving
        read = self._parts.dma.mmio.read
        while True:
            receiving = read(_S2MM)
            if receiving & _IDLE:
                break
            sending = read(_MM2S)
            if (receiving | sending) & (_BAD | _HALTED):
                raise self._failed(self._cause(sending, receiving))
            if self._parts.now() > deadline:
                got = "the frame was not taken" if not sending & _IDLE else "no result came"
                raise self._failed(f"{got} in time (sending {sending:#x}, receiving {receiving:#x})")
        self._moving, self._moved = None, True
        received = read(_RECEIVED)
        if received != expect * _BEAT_BYTES:
            raise self._failed(f"a packet of {received:,} bytes came; {expect * _BEAT_BYTES:,} were expected")
        buffer, beats, _ = self._view(self._take, slot, expect)
        buffer.invalidate()
        return beats

    def deadline(self, limit: int) -> float:
        """The board's time after `limit` cycles of the core and the margin."""
        return self._parts.now() + limit / (self._parts.clock_mhz * 1e6) + self._margin

    def _view(self, buffers: list[Any], slot: int, count: int) -> tuple[Any, Beats, int]:
        """The first `count` beats of a buffer, as `pynq` flushes them, as an array, and where they are; made once."""
        key = id(buffers), slot, count
        if key not in self._views:
            view = buffers[slot][:count]
            self._views[key] = view, view.view(np.ndarray), int(view.physical_address)
        return self._views[key]

    # Errors.

    @staticmethod
    def _cause(sending: int, receiving: int) -> str:
        for name, status in (("receiving", receiving), ("sending", sending)):
            for bit, words in _CAUSES.items():
                if status & bit:
                    return f"{name}: {words} ({bit.name.lower() if bit.name else ''} error)"
        return f"the DMA halted (sending {sending:#x}, receiving {receiving:#x})"

    def _failed(self, what: str) -> DeviceError:
        """Reset DMA and core; the error that says so."""
        error = self._parts.core.read(self._error)
        told = f", error register of the core {error:#x}" if error else ""
        self.recover()
        return DeviceError(f"{self._name}: {what}{told}; DMA and core were reset: send the images again")

    def _stop(self) -> None:
        mmio = self._parts.dma.mmio
        mmio.write(int(Channel.MM2S + Offset.CONTROL), int(Control.RESET))
        for _ in range(_TRIES):
            if not mmio.read(int(Channel.MM2S + Offset.CONTROL)) & Control.RESET:
                return
        raise DeviceError(f"{self._name}: the DMA does not come out of its reset; download the overlay again")

    def recover(self) -> None:
        """Reset both channels and the core, start the channels: whatever was inside is gone, banks stay."""
        self._moving, self._moved = None, False
        self._stop()
        self._parts.core.write(self._control, self._reset)
        self._parts.core.write(self._error, 0xFFFFFFFF)
        mmio = self._parts.dma.mmio
        for channel, driver in (
            (Channel.MM2S, self._parts.dma.sendchannel),
            (Channel.S2MM, self._parts.dma.recvchannel),
        ):
            mmio.write(int(channel + Offset.CONTROL), int(Control.RUN))
            if not any(not mmio.read(int(channel + Offset.STATUS)) & _HALTED for _ in range(_TRIES)):
                raise DeviceError(f"{self._name}: the DMA's {channel.name} channel does not start; download again")
            driver.start()  # the package's own view of it: the next transfer is the first
