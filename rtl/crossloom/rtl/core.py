"""A network on the Verilated core behind its AXI ports: frames, results, registers, and banks rewritten."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.errors import DeviceError
from crossloom.sim.frames import (
    Beats,
    field_bits,
    fixed_sha256,
    frame_beats,
    frame_layout,
    read_results,
    unpack,
)
from crossloom.sim.identity import structure_sha256, weights_sha256
from crossloom.sim.network import INPUT, Network
from crossloom.sim.result import Result
from crossloom.sim.types import AnyArray, IntArray

from .core_registers import CORE, COUNTERS, IDENTITY_WORDS, RESET
from .cycles import image_cycles
from .engine import edges_of, taps_of
from .errors import RtlError
from .images import memory_words, parameters, write_images
from .plan import Plan, plan
from .sources import sources_of
from .verilated import TWIN, build_model

TOP = "core"
# BANK_PLACE.MEMORY of each memory that has banks.
_MEMORIES = {"weights": 0, "params": 1, "tables": 2, "banks": 3}
_PART = 36
_MASK = (1 << _PART) - 1


def core_parameters(compiled: Plan) -> dict[str, int]:
    """The parameters of `core` for a plan: the engine's and the frame's."""
    layout = frame_layout(compiled.network)
    return parameters(compiled) | {
        "FieldBits": field_bits(layout.input_bits),
        "Signed": int(layout.input_signed),
        "Codes": layout.codes,
        "Channels": compiled.network.edges[INPUT].channels,
        "Capacity": route.capacity if (route := compiled.network.route) else len(compiled.network.classes),
    }


def identity_words(network: Network) -> list[int]:
    """STRUCTURE, FIXED and WEIGHTS as 32-bit words, the first bytes of each SHA-256 first."""
    hashes = (structure_sha256(network), fixed_sha256(network), weights_sha256(network))
    return [int(word) for text in hashes for word in np.frombuffer(bytes.fromhex(text), "<u4")]


def write_program(compiled: Plan, folder: Path) -> list[Path]:
    """Write every memory that the core reads, identities included; returns the files."""
    path = folder / "identity.hex"
    words = identity_words(compiled.network)
    path.write_text("".join(f"{word:08x}\n" for word in [*words, *[0] * (32 - len(words))]), encoding="ascii")
    return [*write_images(compiled, folder), path]


def target_plan(compiled: Plan, network: Network) -> Plan:
    """The plan of another network whose banks a core of `compiled` can take.

    Raises DeviceError unless coarse head and branches are all that differs, and the program is the same; RtlError when
    the network needs more words than the core has.
    """
    here = compiled.network
    if fixed_sha256(here) != fixed_sha256(network):
        raise DeviceError(
            f"{here.name}: {network.name} has another structure or trunk; only coarse head and branches can be "
            "loaded: build a core for it"
        )
    target = plan(network, compiled.folding, compiled.sizes)
    if _places(target) != _places(compiled):
        raise DeviceError(
            f"{here.name}: {network.name} needs another program; only banks can be loaded: build a core for it"
        )
    return target


def _places(compiled: Plan) -> list[object]:
    """Everything but the content of the banks: the program, where each branch begins, words of each memory."""
    banks = [(bank.weights, bank.params, bank.tables) for bank in compiled.banks]
    sizes = [len(memory) for memory in (compiled.weights, compiled.bias, compiled.tables)]
    return [compiled.sweeps, compiled.segments, compiled.drains, compiled.config, banks, sizes]


def bank_writes(old: Plan | None, target: Plan) -> NDArray[np.uint32]:
    """Register writes (n, 2), addresses and words, that turn the banks of one plan into another's of the same program.

    Of every word where `old` is None, which says that nobody knows what the banks hold; else of those that differ.
    """
    names = "BANK_PLACE", "BANK_PART", "BANK_HIGH", "BANK_DATA"
    place, part, high, data = (CORE.offset(name) for name in names)
    writes: list[tuple[int, int]] = []

    def write(memory: int, word: int, first: int, parts: list[int]) -> None:
        writes.extend([(place, memory << 20 | word), (part, first)])
        for value in parts:
            writes.extend([(high, value >> 32), (data, value & 0xFFFFFFFF)])

    present = {name: words for name, _, words in memory_words(old)} if old else {}
    for name, bits, words in memory_words(target):
        memory = _MEMORIES.get(name.rstrip("0123456789"))
        if memory is None:
            continue
        before = present.get(name)
        for at, value in enumerate(words):
            if before is not None and value == before[at]:
                continue
            if name == "banks":
                write(memory, at, 0, [target.banks[at].rows])
            elif name.startswith("tables"):  # two parts a lane
                parts = [value & _MASK, value >> _PART]
                write(memory, at, 2 * int(name.removeprefix("tables")), parts)
            else:
                write(memory, at, 0, [value >> _PART * i & _MASK for i in range(-(-bits // _PART))])
    return np.array(writes, np.uint32).reshape(-1, 2)


def name_writes(network: Network) -> NDArray[np.uint32]:
    """Register writes (8, 2), addresses and words, that name what the banks hold: the network's WEIGHTS."""
    first = CORE.offset("WEIGHTS_0")
    words = identity_words(network)[2 * IDENTITY_WORDS :]
    return np.array([(first + 4 * i, word) for i, word in enumerate(words)], np.uint32)


@dataclass(frozen=True, eq=False)
class CoreRun:
    """N images: results uint64 (N, beats), and the cycle of each image's first beat in and last beat out (N,)."""

    beats: Beats
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @property
    def latency(self) -> NDArray[np.int64]:
        """Cycles from the first input beat to the last output beat, both counted, (N,)."""
        return self.last - self.first + 1


class CoreModel:
    """One Verilated core of a plan's folding and sizes with the plan's program.

    `optimize` is the C++ compiler's level; `trace` keeps every edge and every array cycle of a run, which costs time
    and memory. The crossbar is its twin, which is proved equal and simulates quickly; `EngineModel` has the hardware's.
    Raises RtlError when the core does not answer.
    """

    def __init__(self, compiled: Plan, *, seed: int = 1, optimize: int = 2, trace: bool = False) -> None:
        self.plan = compiled
        with tempfile.TemporaryDirectory() as folder:
            write_program(compiled, Path(folder))
            self.model = build_model(
                TOP,
                core_parameters(compiled),
                sources=sources_of(TOP),
                defines=(TWIN,),
                optimize=optimize,
                seed=seed,
                argument=f"+program={folder}/",
            )
        self._known = True  # the banks hold what the plan has
        self._taps = self._chunks = -1
        if trace:
            self._taps = self.model.record("tap_valid_o", "tap_sweep_o")
            names = ("sweep", "chunk", "y", "x", "raw", "code")
            self._chunks = self.model.record("trace_valid_o", *(f"trace_{name}_o" for name in names))
        self._frames: Beats | None = None  # of the last run that finished

    @property
    def network(self) -> Network:
        """The network whose banks were loaded last; a load that failed changes nothing here."""
        return self.plan.network

    @cached_property
    def _latency(self) -> int:
        """Cycles of an image in the slowest branch, modelled."""
        return max(image_cycles(self.plan, branch).latency for branch in range(len(self.plan.banks)))

    def close(self) -> None:
        """Free the model."""
        self.model.close()

    def read(self, name: str) -> int:
        """A register by name."""
        return int(self.model.read(CORE.offset(name))[0])

    def write(self, name: str, value: int) -> None:
        """Write a register by name."""
        self.model.write(CORE.offset(name), value)

    def identity(self, name: str) -> str:
        """STRUCTURE, FIXED or WEIGHTS as hexadecimal."""
        first = CORE.offset(f"{name}_0")
        words = self.model.read(first + 4 * np.arange(IDENTITY_WORDS))
        return words.astype("<u4").tobytes().hex()

    def counters(self) -> dict[str, int]:
        """Every counter by name."""
        return {name: self.read(name) for name, _ in COUNTERS}

    def load(self, network: Network) -> None:
        """Rewrite coarse head and branches with another network's, and check the identity that the core then bears.

        Raises what `target_plan` raises, and DeviceError when the core refuses. A load that failed may have
        written a part: `plan` and `network` stay, nothing runs unless the core still bears their identity, and the
        next load writes every word. The banks are named only after all were taken.
        """
        target = target_plan(self.plan, network)
        # Banks that somebody wrote word by word bear no name, or another one.
        known = self._known and self.identity("WEIGHTS") == weights_sha256(self.network)
        banks, name = bank_writes(self.plan if known else None, target), name_writes(network)
        self.write("ERROR", 0xFFFFFFFF)
        self._known = False
        for writes in (banks, name):
            self.model.write(writes[:, 0], writes[:, 1])
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
        self.plan, self._known = target, True

    def _check_banks(self) -> None:
        """Raise DeviceError when a load that failed has left other banks than the plan's."""
        if not self._known and self.identity("WEIGHTS") != weights_sha256(self.network):
            raise DeviceError(
                f"{self.network.name}: a load failed and left half of another network in the banks; whole ones are "
                "needed: load a network"
            )

    def run_beats(
        self,
        frames: Beats,
        *,
        idle: AnyArray | None = None,
        stall: AnyArray | None = None,
        limit: int | None = None,
    ) -> CoreRun:
        """Send frames (N, frame_beats) back to back, N may be 0; `idle`, `stall` as `Model.stream` has them.

        `limit` in cycles; by default four times what the model says, and a million or more. Raises RtlError for
        frames of another size, and when results are missing, after which the core is reset: nothing of these frames
        is left inside. DeviceError after half a load.
        """
        layout, count = frame_layout(self.network), len(frames)
        if frames.shape != (count, layout.frame_beats):
            raise RtlError(
                f"{self.network.name}: frames have shape {frames.shape}; (N, {layout.frame_beats}) is needed: make "
                "them with frame_beats"
            )
        self._frames = None
        self._check_banks()
        data = np.ascontiguousarray(frames, np.uint64).reshape(-1, 1).view(np.uint32)
        lasts = np.arange(len(data)) % layout.frame_beats == layout.frame_beats - 1
        self.model.forget()
        limit = limit or (count + 1) * max(1_000_000, 4 * self._latency)
        got = self.model.stream(data, lasts, count * layout.result_beats, idle=idle, stall=stall, limit=limit)
        if len(got.beats) < count * layout.result_beats:
            error = self.read("ERROR")
            # What is inside would come out as the next frame's answer.
            self.write("CONTROL", RESET)
            raise RtlError(
                f"{self.network.name}: {len(got.beats)} of {count * layout.result_beats} beats in {limit:,} cycles, "
                f"error register {error:#x}; a result for every frame is needed: the core was reset, give it more "
                "cycles"
            )
        ends = got.last.reshape(count, layout.result_beats)
        if not (ends == (np.arange(layout.result_beats) == layout.result_beats - 1)).all():
            raise RtlError(f"{self.network.name}: TLAST is not at the end of each result; correct the core")
        beats = np.ascontiguousarray(got.beats).view(np.uint64).reshape(count, layout.result_beats)
        first = got.in_cycles.reshape(count, layout.frame_beats)[:, 0].astype(np.int64)
        last = got.out_cycles.reshape(count, layout.result_beats)[:, -1].astype(np.int64)
        self._frames = np.array(frames, np.uint64)
        return CoreRun(beats, first, last)

    def run(self, codes: IntArray) -> tuple[Result, CoreRun]:
        """Run input codes (N, *shape), N may be 0; raises what `run_beats` and `read_results` raise."""
        run = self.run_beats(frame_beats(self.network, codes))
        return read_results(self.network, run.beats), run

    def _traced(self, record: int) -> tuple[NDArray[np.uint32], Beats]:
        """A record and the frames of the last run."""
        if record < 0:
            raise RtlError(f"{self.network.name}: the core was not traced; make CoreModel(..., trace=True)")
        if self._frames is None:
            raise RtlError(f"{self.network.name}: no finished run to tell of; run frames first")
        return self.model.recorded(record), self._frames

    def edges(self) -> dict[str, IntArray]:
        """Every edge (N, *shape) but the input of the last run; RtlError unless traced and run."""
        words, frames = self._traced(self._chunks)
        layout, shape = frame_layout(self.network), self.network.input.shape
        codes = unpack(frames, layout.input_bits, layout.input_signed, math.prod(shape))
        return edges_of(self.plan, words, codes.reshape(len(frames), *shape))

    def taps(self) -> NDArray[np.int64]:
        """Array cycles, first and last cycle of each sweep of the last image, (sweeps, 3); all 0 without images.

        Raises RtlError unless the model is traced and has run.
        """
        words, frames = self._traced(self._taps)
        return taps_of(self.plan, words, len(frames))
