"""A core on a board, or on the virtual one, as a back end."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from crossloom.sim import CrossloomError, DeviceError, Network, Result
from crossloom.sim.frames import Beats, fixed_sha256, frame_beats, frame_layout, read_results
from crossloom.sim.identity import structure_sha256, weights_sha256
from crossloom.sim.types import IntArray

from .attach import attach, import_pynq, open_board
from .files import OverlayFiles
from .lock import BoardLock
from .transport import PynqTransport

FRAMES = 256  # a transfer, unless something else is asked
MARGIN_S = 0.01  # beyond what the core may take: for the host itself
_log = logging.getLogger(__name__)


@dataclass
class _Flight:
    """A batch of a stream on its way through the core, and what came of it."""

    network: Network  # that runs it
    found: Beats | None = None
    error: CrossloomError | None = None

    def result(self) -> Result:
        """What came; the error where one came instead."""
        if self.error is not None:
            raise self.error
        assert self.found is not None, "landed before"
        return read_results(self.network, self.found)


class BoardBackend:
    """A core behind `pynq`: overlay, MMIO, DMA. `frames` go in one transfer; with 1, `cycles` are each image's own.

    `files` name the overlay; the virtual board makes its own where there are none. What the core was built for is
    checked before anything runs; other weights of the same structure and trunk are written into its banks, and
    `rewrite_s` says how long that took on the host. Threads take turns. Raises DeviceError.
    """

    def __init__(self, network: Network, name: str, files: OverlayFiles | None = None, frames: int = FRAMES) -> None:
        if not 1 <= frames < 1 << 16:
            raise DeviceError(f"{network.name}: {frames} frames a transfer; needed 1 to 65535")
        self.name, self.frames = name, frames
        self.origin = "simulated" if name == "virtual" else "measured"
        self.rewrite_s: float | None = None
        self._network, self._turn = network, Lock()
        self._slot = 0  # the buffer that a stream used last
        self._flight: _Flight | None = None
        self._closing: list[Any] = []
        try:
            self._open(files)
        except BaseException:
            self.close()
            raise

    def _open(self, files: OverlayFiles | None) -> None:
        from crossloom.rtl.core.description import MAX_BYTES, read_description
        from crossloom.rtl.core.driver import Core
        from crossloom.rtl.errors import RegisterError

        if self.name == "virtual":
            import_pynq()
            from .virtual.device import VirtualBoard

            device = VirtualBoard()
            self._closing.append(device.clear)
            files = files or self._virtual_files()
        else:
            if files is None:
                raise DeviceError(
                    f"{self._network.name}: no bitstream; 'crossloom build bitstream' makes one where Vivado is: name "
                    "its .bit"
                )
            device = open_board()
            self._closing.append(BoardLock().release)
        overlay, parts = attach(files, device)
        with files.description.open("rb") as file:
            description = read_description(file.read(MAX_BYTES + 1), str(files.description))
        layout = frame_layout(self._network)
        try:
            self._cycles_at = description.registers.offset("CYCLES")
            clear = 1 << description.registers.field("CONTROL", "CLEAR").low
        except RegisterError as error:
            raise DeviceError(f"{files.description}: {error}; take the file of the bitstream's build") from None
        transport = PynqTransport(self._network.name, parts, layout, description.registers, self.frames, MARGIN_S)
        self._closing.append(transport.close)
        self.overlay, self.clock_mhz = overlay, parts.clock_mhz
        self._transport, self._core = transport, Core(transport, description, self._network)
        self._check(files)
        self._core.write("CONTROL", clear)
        self._core.set_packet(self.frames)

    def _virtual_files(self) -> OverlayFiles:
        """An overlay of the network itself, in a folder that goes with this back end."""
        from ..folding_choice import compiled
        from .virtual.bitstream import write_overlay

        folder = tempfile.TemporaryDirectory(prefix="crossloom-virtual-")
        self._closing.append(folder.cleanup)
        return write_overlay(compiled(self._network), Path(folder.name))

    def _check(self, files: OverlayFiles) -> None:
        """Raise DeviceError unless the core is one that runs this network; write its banks where they are others."""
        from crossloom.rtl.registers.core_map import IDENTITY, VERSION

        network, core = self._network, self._core
        found, version = core.read("ID"), core.read("VERSION")
        if found != IDENTITY:
            raise DeviceError(
                f"{files.bit}: ID reads {found:#010x}; {IDENTITY:#010x} is needed: bitstream and handoff are of "
                "different builds, or the clock is off"
            )
        if version >> 16 != VERSION >> 16 or version < VERSION:
            raise DeviceError(
                f"{files.bit}: core version {version >> 16}.{version & 0xFFFF}; {VERSION >> 16}."
                f"{VERSION & 0xFFFF} or a later {VERSION >> 16}.x is needed: build the bitstream again"
            )
        for name, wanted, why in (
            ("STRUCTURE", structure_sha256(network), "another network's structure"),
            ("FIXED", fixed_sha256(network), "other weights in its trunk, which cannot be rewritten"),
        ):
            there = core.identity(name)
            if there != wanted:
                raise DeviceError(
                    f"{network.name}: the core in {files.bit.name} was built for {why} ({name} {there[:12]}, needed "
                    f"{wanted[:12]}): build a bitstream for this design"
                )
        told = core.description
        if (told.structure, told.fixed, told.frame) != (
            core.identity("STRUCTURE"),
            core.identity("FIXED"),
            frame_layout(network),
        ):
            raise DeviceError(
                f"{files.description}: describes another core than the bitstream's; copy both of one build"
            )
        if core.identity("WEIGHTS") != weights_sha256(network):
            self._rewrite(network)

    def load(self, network: Network, every: bool = False) -> None:
        """Write another network's coarse head and branches into the banks; raises as `Core.load`.

        `every`: also the words that it has in common with what is there.
        """
        with self._using():
            self._rewrite(network, every)

    def _rewrite(self, network: Network, every: bool = False) -> None:
        before = time.perf_counter()
        self._core.load(network, every=every)
        self.rewrite_s = time.perf_counter() - before
        self._network = network
        _log.info("%s: banks rewritten through MMIO in %.1f ms", network.name, 1e3 * self.rewrite_s)

    def counters(self) -> dict[str, int]:
        """The core's counters since it was opened: frames, errors, cycles, stalls, saturations; 32 bits each."""
        with self._using(fresh=False):
            return self._core.counters()

    def identities(self) -> dict[str, str]:
        """The identities in the core's registers by name, hexadecimal."""
        with self._using(fresh=False):
            return {name: self._core.identity(name) for name in ("STRUCTURE", "FIXED", "WEIGHTS")}

    def run(self, codes: IntArray, edges: Collection[str] = ()) -> Result:
        """Run input codes (N, *shape); no edge can be shown."""
        with self._using():
            frames = frame_beats(self._network, codes)
            single = self.frames == 1
            self._transport.watch = self._cycles_at if single else None
            before = self._core.read("CYCLES") if single else 0
            found = read_results(self._network, self._core.run_beats(frames).beats)
            if not single:
                return found
            # An image is inside from the cycle after its first beat.
            cycles = np.diff(np.array([before, *self._transport.watched], np.int64)) % (1 << 32) + 1
            return replace(found, cycles=cycles)

    def stream(self, batches: Iterator[IntArray]) -> Iterator[Result]:
        """Results of batches of input codes (N, *shape), N up to `frames`: one is computed while the next is packed.

        Whatever else is asked of the device meanwhile waits for the batch that is on its way, which is not lost.
        """
        layout, transport = frame_layout(self._network), self._transport
        waiting: _Flight | None = None
        for codes in batches:
            with self._using(fresh=False):
                self._slot = 1 - self._slot
                transport.fill(self._slot, frame_beats(self._network, codes).reshape(-1))
                self._land()
                transport.settle()
                transport.begin(self._slot, len(codes) * layout.frame_beats, len(codes) * layout.result_beats)
                landed, waiting = waiting, _Flight(self._network)
                self._flight = waiting
            if landed is not None:
                yield landed.result()
        if waiting is not None:
            with self._using(fresh=False):
                if self._flight is waiting:
                    self._land()
            yield waiting.result()

    def _land(self) -> None:
        """Wait for a stream's batch that is on its way; an error is that stream's, not of whoever waits."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        try:
            flight.found = self._finish()
        except CrossloomError as error:
            flight.error = error
            self._ready()

    def _finish(self) -> Beats:
        """A copy of the results (N, result beats) of what moves."""
        found = self._transport.finish(self._transport.deadline(self._core.limit(self.frames)))
        return np.array(found.reshape(-1, frame_layout(self._network).result_beats))

    @contextmanager
    def _using(self, fresh: bool = True) -> Iterator[None]:
        """A turn on the device: ours still, nothing of anybody else inside; after an error as it was at the start."""
        with self._turn:
            if not self._closing:
                raise DeviceError(f"{self._network.name}: the device is closed; open another Accelerator")
            if not self.overlay.is_loaded():
                raise DeviceError(
                    f"{self._network.name}: another overlay was downloaded since; open the Accelerator again"
                )
            if fresh:
                self._land()
                self._transport.settle()
            try:
                yield
            except CrossloomError:
                self._ready()
                raise

    def _ready(self) -> None:
        """The core as it was at the start, after an error."""
        self._core.write("ERROR", 0xFFFFFFFF)
        self._core.set_packet(self.frames)

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        while self._closing:
            self._closing.pop()()
