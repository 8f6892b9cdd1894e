"""A core in Verilator: a transport with a clock, and a core that tells every edge and every array cycle."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.frames import Beats, frame_layout, unpack
from crossloom.sim.types import AnyArray, IntArray

from ..compiler.program import Program
from ..errors import RtlError
from ..sources import sources_of
from ..verilator.build import BEHAVIOURAL
from ..verilator.model import Model, build_model
from .contents import TOP, core_parameters, write_program
from .description import describe
from .driver import Core, CoreRun
from .trace import edges_of, taps_of
from .transport import Arrived


class VerilatedTransport:
    """The doors of a Verilated core. `idle` and `stall` are patterns over cycles, as `Model.stream` has them."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.idle: AnyArray | None = None
        self.stall: AnyArray | None = None

    def read(self, addresses: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The registers at some addresses."""
        return self.model.read(addresses)

    def write(self, addresses: NDArray[np.uint32], words: NDArray[np.uint32]) -> None:
        """Write words to some addresses."""
        self.model.write(addresses, words)

    def stream(self, beats: Beats, last: NDArray[np.bool_], expect: int, limit: int) -> Arrived:
        """Send beats while receiving."""
        data = np.ascontiguousarray(beats, np.uint64).reshape(-1, 1).view(np.uint32)
        got = self.model.stream(data, last, expect, idle=self.idle, stall=self.stall, limit=limit)
        came = np.ascontiguousarray(got.beats).view(np.uint64).reshape(-1)
        return Arrived(came, got.last, got.in_cycles.astype(np.int64), got.out_cycles.astype(np.int64))

    def close(self) -> None:
        """Free the model."""
        self.model.close()


class CoreModel(Core):
    """One Verilated core of a program's folding and sizes, with that program.

    `optimize` is the C++ compiler's level; `trace` keeps every edge and every array cycle of a run, which costs time
    and memory. The array is in its behavioural form, which is proved equal to the hardware's and simulates quickly.
    """

    def __init__(self, program: Program, *, seed: int = 1, optimize: int = 2, trace: bool = False) -> None:
        self.program = program
        with tempfile.TemporaryDirectory() as folder:
            write_program(program, Path(folder))
            self.model = build_model(
                TOP,
                core_parameters(program),
                sources=sources_of(TOP),
                defines=(BEHAVIOURAL,),
                optimize=optimize,
                seed=seed,
                argument=f"+program={folder}/",
            )
        self._doors = VerilatedTransport(self.model)
        super().__init__(self._doors, describe(program), program.network)
        self._taps = self._chunks = -1
        if trace:
            self._taps = self.model.record("tap_valid_o", "tap_sweep_o")
            names = ("sweep", "chunk", "y", "x", "time", "raw", "membrane", "code")
            self._chunks = self.model.record("trace_valid_o", *(f"trace_{name}_o" for name in names))
        self._frames: Beats | None = None  # of the last run that finished

    def run_beats(
        self,
        frames: Beats,
        *,
        limit: int | None = None,
        idle: AnyArray | None = None,
        stall: AnyArray | None = None,
    ) -> CoreRun:
        """As `Core.run_beats`, where the source may pause and the sink stall: patterns over cycles."""
        self._frames = None
        self.model.forget()
        self._doors.idle, self._doors.stall = idle, stall
        run = super().run_beats(frames, limit=limit)
        self._frames = np.array(frames, np.uint64)
        return run

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
        layout, shape = frame_layout(self.network), self.network.edges["input"].image_shape
        codes = unpack(frames, layout.input_bits, layout.input_signed, math.prod(shape))
        return edges_of(self.program, words, codes.reshape(len(frames), *shape))

    def taps(self) -> NDArray[np.int64]:
        """Array cycles, first and last cycle of each sweep of the last image, (sweeps, 3); all 0 without images.

        Raises RtlError unless the model is traced and has run.
        """
        words, frames = self._traced(self._taps)
        return taps_of(self.program, words, len(frames))
