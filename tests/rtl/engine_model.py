"""The engine without its ports, every part as in hardware: what the library's core is compared with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossloom.rtl.compiler.memory_files import packed, parameters, write_memories
from crossloom.rtl.compiler.program import Program
from crossloom.rtl.core.trace import edges_of, taps_of
from crossloom.rtl.errors import RtlError
from crossloom.rtl.sources import sources_of
from crossloom.rtl.verilator.model import build_model
from crossloom.sim.frames import read_results
from crossloom.sim.network import INPUT
from crossloom.sim.result import Result
from crossloom.sim.types import AnyArray, IntArray

TOP = "engine_sim"
SOURCE = Path(__file__).with_name(f"{TOP}.sv")


@dataclass(frozen=True, eq=False)
class EngineRun:
    """N images: results (N, beats), answers, every edge (N, *shape) but the input, and when.

    `first` and `last` (N,): the cycle of each image's first chunk and last result beat. `taps` (sweeps, 3): array
    cycles, first and last cycle of each sweep of the last image, 0 without images. A branch edge is that of the branch
    that the image ran.
    """

    beats: NDArray[np.uint64]
    answers: Result
    edges: dict[str, IntArray]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    taps: NDArray[np.int64]


class EngineModel:
    """One Verilated engine with a program, every part as in hardware; `optimize` is the C++ compiler's level."""

    def __init__(self, program: Program, *, seed: int = 1, optimize: int = 1) -> None:
        self.program = program
        with tempfile.TemporaryDirectory() as folder:
            write_memories(program, Path(folder))
            self.model = build_model(
                TOP,
                parameters(program),
                sources=[*sources_of("engine"), SOURCE],
                optimize=optimize,
                seed=seed,
                clock="clk_i",
                reset="rst_ni",
                argument=f"+program={folder}/",
            )
        self._taps = self.model.record("tap_valid_o", "tap_sweep_o")
        names = ("sweep", "chunk", "y", "x", "time", "raw", "membrane", "code")
        self._chunks = self.model.record("trace_valid_o", *(f"trace_{name}_o" for name in names))

    def close(self) -> None:
        """Free the model."""
        self.model.close()

    def frames(self, codes: IntArray) -> NDArray[np.uint32]:
        """Input codes (N, *shape) as chunks (N * chunks, words)."""
        program = self.program
        shape, lanes, bits = program.regions[INPUT].shape, program.folding.lanes, program.sizes.x_bits
        count = program.config.chunks + 1
        steps = program.network.edges[INPUT].steps
        pixels = np.zeros((len(codes) * steps * shape[0] * shape[1], count * lanes), np.int64)
        pixels[:, : shape[2]] = codes.reshape(len(pixels), shape[2])
        size = -(-lanes * bits // 32)
        if not len(pixels):
            return np.zeros((0, size), np.uint32)
        words = packed(pixels.reshape(-1, lanes), bits)
        return np.frombuffer(b"".join(w.to_bytes(4 * size, "little") for w in words), np.uint32).reshape(-1, size)

    def run(
        self, codes: IntArray, *, idle: AnyArray | None = None, stall: AnyArray | None = None, limit: int = 100_000_000
    ) -> EngineRun:
        """Run input codes (N, *shape) back to back; `idle` and `stall` as `Model.stream` has them."""
        chunks, program = self.frames(codes), self.program
        beats = 1 + program.config.coarse + program.config.scores
        self.model.forget()
        lasts = np.zeros(len(chunks), bool)
        got = self.model.stream(
            chunks, lasts, len(codes) * beats, idle=idle, stall=stall, limit=limit, source="s_", sink="m_"
        )
        if len(got.beats) < len(codes) * beats:
            raise RtlError(f"{program.network.name}: {len(got.beats)} beats in {limit} cycles; the engine hangs")
        if not (got.last.reshape(len(codes), beats) == (np.arange(beats) == beats - 1)).all():
            raise RtlError(f"{program.network.name}: a result's last beat is not where it should be")
        result = np.ascontiguousarray(got.beats).view(np.uint64).reshape(len(codes), beats)
        answers = read_results(program.network, result)
        first = got.in_cycles.reshape(len(codes), len(chunks) // max(1, len(codes)) or 1)[:, 0].astype(np.int64)
        last = got.out_cycles.reshape(len(codes), beats)[:, -1].astype(np.int64)
        return EngineRun(
            result,
            answers,
            edges_of(program, self.model.recorded(self._chunks), codes),
            first,
            last,
            taps_of(program, self.model.recorded(self._taps), len(codes)),
        )
