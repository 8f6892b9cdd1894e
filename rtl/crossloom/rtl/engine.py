"""Runs a network on the Verilated engine and gives its results, its cycles and every edge."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.frames import Answers, read_results
from crossloom.sim.network import INPUT
from crossloom.sim.ops import Flatten
from crossloom.sim.types import AnyArray, IntArray

from .errors import RtlError
from .images import packed, parameters, write_images
from .passes import stored_shape
from .plan import Plan
from .program import Kind
from .sources import sources_of
from .verilated import build_model

TOP = "engine_sim"


@dataclass(frozen=True, eq=False)
class EngineRun:
    """N images: results (N, beats), answers, edges (N, *shape) that were computed, and when.

    `first` and `last` (N,): the cycle of each image's first chunk and last result beat. `taps` (sweeps, 3): array
    cycles, first and last cycle of each sweep of the last image. Edges of branches that did not run are 0.
    """

    beats: NDArray[np.uint64]
    answers: Answers
    edges: dict[str, IntArray]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    taps: NDArray[np.int64]


class EngineModel:
    """One Verilated engine with a plan's program, every part as in hardware; `optimize` is the C++ compiler's level."""

    def __init__(self, plan: Plan, *, seed: int = 1, optimize: int = 1) -> None:
        self.plan = plan
        with tempfile.TemporaryDirectory() as folder:
            write_images(plan, Path(folder))
            self.model = build_model(
                TOP,
                parameters(plan),
                sources=sources_of(TOP),
                optimize=optimize,
                seed=seed,
                clock="clk_i",
                reset="rst_ni",
                argument=f"+program={folder}/",
            )
        self._taps = self.model.record("tap_valid_o", "tap_sweep_o")
        names = ("sweep", "chunk", "y", "x", "raw", "code")
        self._chunks = self.model.record("trace_valid_o", *(f"trace_{name}_o" for name in names))

    def close(self) -> None:
        """Free the model."""
        self.model.close()

    def frames(self, codes: IntArray) -> NDArray[np.uint32]:
        """Input codes (N, *shape) as chunks (N * chunks, words)."""
        shape, lanes, bits = self.plan.regions[INPUT].shape, self.plan.folding.lanes, self.plan.sizes.x_bits
        count = self.plan.config.chunks + 1
        pixels = np.zeros((len(codes) * shape[0] * shape[1], count * lanes), np.int64)
        pixels[:, : shape[2]] = codes.reshape(len(pixels), shape[2])
        words = packed(pixels.reshape(-1, lanes), bits)
        size = -(-lanes * bits // 32)
        return np.frombuffer(b"".join(w.to_bytes(4 * size, "little") for w in words), np.uint32).reshape(-1, size)

    def run(
        self, codes: IntArray, *, idle: AnyArray | None = None, stall: AnyArray | None = None, limit: int = 100_000_000
    ) -> EngineRun:
        """Run input codes (N, *shape) back to back; `idle` and `stall` as `Model.stream` has them."""
        chunks, plan = self.frames(codes), self.plan
        beats = 1 + plan.config.coarse + plan.config.scores
        self.model.forget()
        lasts = np.zeros(len(chunks), bool)
        got = self.model.stream(
            chunks, lasts, len(codes) * beats, idle=idle, stall=stall, limit=limit, source="s_", sink="m_"
        )
        if len(got.beats) < len(codes) * beats:
            raise RtlError(f"{plan.network.name}: {len(got.beats)} beats in {limit} cycles; the engine hangs")
        if not (got.last.reshape(len(codes), beats) == (np.arange(beats) == beats - 1)).all():
            raise RtlError(f"{plan.network.name}: a result's last beat is not where it should be")
        result = np.ascontiguousarray(got.beats).view(np.uint64).reshape(len(codes), beats)
        answers = read_results(plan.network, result)
        first = got.in_cycles.reshape(len(codes), -1)[:, 0].astype(np.int64)
        last = got.out_cycles.reshape(len(codes), beats)[:, -1].astype(np.int64)
        return EngineRun(
            result,
            answers,
            edges_of(plan, self.model.recorded(self._chunks), len(codes)),
            first,
            last,
            taps_of(plan, self.model.recorded(self._taps)),
        )


def taps_of(plan: Plan, recorded: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Array cycles, first and last cycle (sweeps, 3) of the last image, from the recorded taps (entries, 2)."""
    taps = recorded.astype(np.int64)
    count = len(plan.sweeps)
    found = np.zeros((count, 3), np.int64)
    starts = np.flatnonzero((taps[:, 1] == 0) & (np.roll(taps[:, 1], 1) != 0))
    last = taps[starts[-1] if len(starts) else 0 :]
    for sweep in range(count):
        cycles = last[last[:, 1] == sweep, 0]
        found[sweep] = len(cycles), cycles[0], cycles[-1]
    return found


def edges_of(plan: Plan, words: NDArray[np.uint32], images: int) -> dict[str, IntArray]:
    """Every edge (N, *shape) from the recorded chunks, in the order in which images and sweeps ran."""
    lanes = plan.folding.lanes
    sweep, chunk, y, x = (words[:, i].astype(np.int64) for i in range(1, 5))
    size = -(-lanes * plan.sizes.acc_bits // 32)
    raw = _fields(words[:, 5 : 5 + size], lanes, plan.sizes.acc_bits, signed=True)
    code = _fields(words[:, 5 + size :], lanes, plan.sizes.x_bits, signed=False)
    edges: dict[str, IntArray] = {}
    for index, (entry, start) in enumerate(zip(plan.passes, plan.channels, strict=True)):
        rows = np.flatnonzero(sweep == index)
        # All images have as many chunks of a sweep.
        image = np.arange(len(rows)) // (len(rows) // images)
        kept = [(entry.raw, raw), (entry.codes, code + entry.lo)]
        for name, values in kept:
            if name is None or (values is raw and entry.kind is Kind.POOL):
                continue
            edge = plan.network.edges[name]
            height, width, channels = stored_shape(edge.shape)
            if name not in edges:
                edges[name] = np.zeros((images, *edge.shape), np.int64)
            here = edges[name].reshape(images, height, width, channels)
            for lane in range(lanes):
                channel = start + chunk[rows] * lanes + lane
                inside = channel < channels
                at = rows[inside]
                here[image[inside], y[at], x[at], channel[inside]] = values[at, lane]
    for _, nodes, _ in plan.network.sections():
        for node in nodes:
            if isinstance(node.op, Flatten) and node.inputs[0] in edges:
                edges[node.name] = edges[node.inputs[0]].reshape(images, -1)
    return edges


def _fields(words: NDArray[np.uint32], count: int, bits: int, *, signed: bool) -> NDArray[np.int64]:
    """Fields (entries, count) of `bits` bits in 32-bit words, the first one lowest."""
    flat = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    parts = flat[:, : count * bits].reshape(len(words), count, bits).astype(np.int64)
    values: NDArray[np.int64] = (parts << np.arange(bits)).sum(2)
    return values - ((values >> (bits - 1)) << bits) if signed else values
