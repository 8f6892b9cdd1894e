"""Drives a core through its doors: frames, results, registers, and banks rewritten; what is behind it does not know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.errors import DeviceError
from crossloom.sim.frames import Beats, fixed_sha256, frame_beats, frame_layout, read_results
from crossloom.sim.identity import weights_sha256
from crossloom.sim.network import Network
from crossloom.sim.result import Result
from crossloom.sim.types import IntArray

from ..compiler.bank_layout import BankWord, bank_words
from ..errors import RtlError
from ..registers.core_map import COUNTERS, IDENTITY_WORDS
from .contents import hash_words
from .description import CoreDescription
from .transport import Transport

_SLOWEST = 4  # times what the cycle model says, after which a core counts as hanging
_LEAST_LIMIT = 1_000_000  # cycles an image, for streams that pause


@dataclass(frozen=True, eq=False)
class CoreRun:
    """N images: results uint64 (N, beats), and the cycle of each image's first beat in and last beat out (N,).

    The cycles are None where nobody can see the clock.
    """

    beats: Beats
    first: NDArray[np.int64] | None
    last: NDArray[np.int64] | None

    def clocked(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`first` and `last`; RtlError where nobody saw the clock."""
        if self.first is None or self.last is None:
            raise RtlError("cycles: nobody saw the core's clock; run it in simulation, or read its counter CYCLES")
        return self.first, self.last

    @property
    def latency(self) -> NDArray[np.int64]:
        """Cycles from the first input beat to the last output beat, both counted, (N,); raises as `clocked`."""
        first, last = self.clocked()
        return last - first + 1


class Core:
    """One core behind a transport, holding a network's banks.

    `network` is what the core was built with, or what it holds now. Raises RtlError when the core does not answer.
    """

    def __init__(self, transport: Transport, description: CoreDescription, network: Network) -> None:
        self.transport, self.description = transport, description
        self._network = network
        self._known = True  # the banks hold what the network has
        self._packet = 1  # frames of one

    @property
    def network(self) -> Network:
        """The network whose banks were loaded last; a load that failed changes nothing here."""
        return self._network

    def close(self) -> None:
        """Give the transport back."""
        self.transport.close()

    def read(self, name: str) -> int:
        """A register by name."""
        return int(self._read(name, 1)[0])

    def write(self, name: str, value: int) -> None:
        """Write a register by name."""
        address = self.description.registers.offset(name)
        self.transport.write(np.array([address], np.uint32), np.array([value], np.uint32))

    def _read(self, name: str, count: int) -> NDArray[np.uint32]:
        first = self.description.registers.offset(name)
        return self.transport.read((first + 4 * np.arange(count)).astype(np.uint32))

    def identity(self, name: str) -> str:
        """STRUCTURE, FIXED or WEIGHTS as hexadecimal."""
        return self._read(f"{name}_0", IDENTITY_WORDS).astype("<u4").tobytes().hex()

    def counters(self) -> dict[str, int]:
        """Every counter by name."""
        return {name: self.read(name) for name, _ in COUNTERS}

    def bank_writes(self, words: Iterable[BankWord]) -> NDArray[np.uint32]:
        """Register writes (n, 2), addresses and words, that put words into the banks."""
        names = "BANK_PLACE", "BANK_PART", "BANK_HIGH", "BANK_DATA"
        place, part, high, data = (self.description.registers.offset(name) for name in names)
        memory_at = self.description.registers.field("BANK_PLACE", "MEMORY").low
        writes: list[tuple[int, int]] = []
        for word in words:
            writes.extend([(place, word.memory << memory_at | word.word), (part, word.first)])
            for value in word.parts:
                writes.extend([(high, value >> 32), (data, value & 0xFFFFFFFF)])
        return np.array(writes, np.uint32).reshape(-1, 2)

    def _name_writes(self, network: Network) -> NDArray[np.uint32]:
        """Register writes (8, 2) that name what the banks hold: the network's WEIGHTS."""
        first = self.description.registers.offset("WEIGHTS_0")
        return np.array(
            [(first + 4 * i, word) for i, word in enumerate(hash_words(weights_sha256(network)))], np.uint32
        )

    def load(self, network: Network, every: bool = False) -> None:
        """Rewrite coarse head and branches with another network's, and check the identity that the core then bears.

        `every`: write words that are there already as well. Raises DeviceError unless coarse head and branches are all
        that differs, and when the core refuses. A load that
        failed may have written a part: `network` stays, nothing runs unless the core still bears its identity, and the
        next load writes every word. The banks are named only after all were taken.
        """
        if fixed_sha256(network) != self.description.fixed:
            raise DeviceError(
                f"{self.network.name}: {network.name} has another structure or trunk; only coarse head and branches "
                "can be loaded: build a core for it"
            )
        layout = self.description.layout
        # Banks that somebody wrote word by word bear no name, or another one.
        known = not every and self._known and self.identity("WEIGHTS") == weights_sha256(self.network)
        present = set(bank_words(layout, self.network)) if known else set()
        changed = [word for word in bank_words(layout, network) if word not in present]
        self.write("ERROR", 0xFFFFFFFF)
        self._known = False
        for writes in (self.bank_writes(changed), self._name_writes(network)):
            self.transport.write(writes[:, 0], writes[:, 1])
            error = self.read("ERROR")
            if error:
                raise DeviceError(
                    f"{network.name}: the core refused its banks with error {error:#x}; an idle core is needed: wait "
                    "for its results or reset it, then load again"
                )
        found = self.identity("WEIGHTS")
        if found != weights_sha256(network):
            raise DeviceError(
                f"{network.name}: the core refused its banks and bears {found[:16]}; {weights_sha256(network)[:16]} is "
                "needed: load again"
            )
        self._network, self._known = network, True

    def _check_banks(self) -> None:
        """Raise DeviceError when a load that failed has left other banks than the network's."""
        if not self._known and self.identity("WEIGHTS") != weights_sha256(self.network):
            raise DeviceError(
                f"{self.network.name}: a load failed and left half of another network in the banks; whole ones are "
                "needed: load a network"
            )

    def set_packet(self, frames: int) -> None:
        """Let up to 1..65535 frames share a packet, and their results one; 1 after a reset of the hardware.

        TLAST ends a packet. Raises DeviceError when the core refuses, as it does while an image is inside.
        """
        self.write("PACKET", frames)
        if self.read("PACKET") != frames:
            raise DeviceError(
                f"{self.network.name}: the core refused packets of {frames} frames, error register "
                f"{self.read('ERROR'):#x}; an idle core and 1 to 65535 are needed"
            )
        self._packet = frames

    def limit(self, count: int) -> int:
        """Cycles after which a core that has not answered `count` images counts as hanging."""
        return (count + 1) * max(_LEAST_LIMIT, _SLOWEST * self.description.latency)

    def run_beats(self, frames: Beats, *, limit: int | None = None) -> CoreRun:
        """Send frames (N, frame_beats) back to back in packets of as many as `set_packet` allows, N may be 0.

        `limit` in cycles; by default four times what the cycle model says, and a million or more. Raises RtlError for
        frames of another size, and when results are missing, after which the core is reset: nothing of these frames
        is left inside. DeviceError after half a load.
        """
        layout, count = frame_layout(self.network), len(frames)
        if frames.shape != (count, layout.frame_beats):
            raise RtlError(
                f"{self.network.name}: frames have shape {frames.shape}; (N, {layout.frame_beats}) is needed: make "
                "them with frame_beats"
            )
        self._check_banks()
        data = np.ascontiguousarray(frames, np.uint64).reshape(-1)
        lasts = self._ends(count, layout.frame_beats)
        limit = limit or self.limit(count)
        got = self.transport.stream(data, lasts, count * layout.result_beats, limit)
        if len(got.beats) < count * layout.result_beats:
            error = self.read("ERROR")
            # What is inside would come out as the next frame's answer.
            self.write("CONTROL", 1 << self.description.registers.field("CONTROL", "RESET").low)
            raise RtlError(
                f"{self.network.name}: {len(got.beats)} of {count * layout.result_beats} beats in {limit:,} cycles, "
                f"error register {error:#x}; a result for every frame is needed: the core was reset, give it more "
                "cycles"
            )
        if not np.array_equal(got.last, self._ends(count, layout.result_beats)):
            raise RtlError(f"{self.network.name}: TLAST is not at the end of each packet of results; correct the core")
        beats = got.beats.reshape(count, layout.result_beats)
        first = None if got.sent is None else got.sent.reshape(count, layout.frame_beats)[:, 0]
        last = None if got.came is None else got.came.reshape(count, layout.result_beats)[:, -1]
        return CoreRun(beats, first, last)

    def _ends(self, count: int, beats: int) -> NDArray[np.bool_]:
        """TLAST of `count` frames or results of so many beats each, in packets."""
        ends = np.zeros(count * beats, np.bool_)
        ends[self._packet * beats - 1 :: self._packet * beats] = True
        ends[-1:] = True
        return ends

    def run(self, codes: IntArray) -> tuple[Result, CoreRun]:
        """Run input codes (N, *shape), N may be 0; raises what `run_beats` and `read_results` raise."""
        run = self.run_beats(frame_beats(self.network, codes))
        return read_results(self.network, run.beats), run
