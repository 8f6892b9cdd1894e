"""Runs a network on the Verilated engine and gives its results, its cycles and every edge."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.frames import read_results
from crossloom.sim.network import INPUT
from crossloom.sim.ops import Flatten
from crossloom.sim.result import Result
from crossloom.sim.types import AnyArray, IntArray

from .errors import RtlError
from .images import packed, parameters, write_images
from .plan import Plan
from .program import Kind
from .sources import sources_of
from .verilated import build_model

TOP = "engine_sim"


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
        size = -(-lanes * bits // 32)
        if not len(pixels):
            return np.zeros((0, size), np.uint32)
        words = packed(pixels.reshape(-1, lanes), bits)
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
        first = got.in_cycles.reshape(len(codes), len(chunks) // max(1, len(codes)) or 1)[:, 0].astype(np.int64)
        last = got.out_cycles.reshape(len(codes), beats)[:, -1].astype(np.int64)
        return EngineRun(
            result,
            answers,
            edges_of(plan, self.model.recorded(self._chunks), codes),
            first,
            last,
            taps_of(plan, self.model.recorded(self._taps), len(codes)),
        )


def taps_of(plan: Plan, recorded: NDArray[np.uint32], images: int) -> NDArray[np.int64]:
    """Array cycles, first and last cycle (sweeps, 3) of the last of N images, 0 for none, from taps (entries, 2).

    Raises RtlError when the taps are not those of `images` whole images.
    """
    taps = recorded.astype(np.int64)
    found = np.zeros((len(plan.sweeps), 3), np.int64)
    if not images:
        return found
    # All images have as many.
    last = taps[len(taps) - len(taps) // images :]
    for sweep in range(len(found)):
        cycles = last[last[:, 1] == sweep, 0]
        if len(cycles) * images != (taps[:, 1] == sweep).sum() or not len(cycles):
            raise _not_whole(plan, "array cycles", sweep, int((taps[:, 1] == sweep).sum()), images)
        found[sweep] = len(cycles), cycles[0], cycles[-1]
    return found


def _not_whole(plan: Plan, what: str, sweep: int, count: int, images: int) -> RtlError:
    return RtlError(
        f"{plan.network.name}: {count} {what} of sweep {sweep} for {images} images; as many for each are needed: reset "
        "the model and run them again"
    )


def edges_of(plan: Plan, words: NDArray[np.uint32], codes: IntArray) -> dict[str, IntArray]:
    """Every edge (N, *shape) but the input, from the recorded chunks, in the order in which images and sweeps ran.

    `codes` are the input codes (N, *shape) that ran: an edge that only reshapes them is never computed. Raises RtlError
    when the chunks are not those of N whole images.
    """
    images = len(codes)
    lanes = plan.folding.lanes
    sweep, chunk, y, x = (words[:, i].astype(np.int64) for i in range(1, 5))
    size = -(-lanes * plan.sizes.acc_bits // 32)
    raw = _fields(words[:, 5 : 5 + size], lanes, plan.sizes.acc_bits, signed=True)
    code = _fields(words[:, 5 + size :], lanes, plan.sizes.x_bits, signed=False)
    edges: dict[str, IntArray] = {INPUT: codes.reshape(images, *plan.network.input.shape).astype(np.int64)}
    for index, (entry, start) in enumerate(zip(plan.passes, plan.channels, strict=True)):
        rows = np.flatnonzero(sweep == index)
        # All images have as many chunks of a sweep.
        each = len(rows) // max(1, images)
        if each * images != len(rows) or (images and not each):
            raise _not_whole(plan, "chunks", index, len(rows), images)
        image = np.arange(len(rows)) // max(1, each)
        kept = [(entry.raw, raw), (entry.codes, code + entry.lo)]
        for name, values in kept:
            if name is None or (values is raw and entry.kind is Kind.POOL):
                continue
            # As it is kept: a flattened edge still as the image that it was.
            shape = entry.sums.shape
            here = edges.setdefault(name, np.zeros((images, *shape), np.int64))
            for lane in range(lanes):
                channel = start + chunk[rows] * lanes + lane
                inside = channel < shape[2]
                at = rows[inside]
                here[image[inside], y[at], x[at], channel[inside]] = values[at, lane]
    edges = {name: edge.reshape(images, *plan.network.edges[name].shape) for name, edge in edges.items()}
    for _, nodes, _ in plan.network.sections():
        for node in nodes:
            if isinstance(node.op, Flatten) and node.inputs[0] in edges:
                edges[node.name] = edges[node.inputs[0]].reshape(images, *plan.network.edges[node.name].shape)
    del edges[INPUT]
    return edges


def _fields(words: NDArray[np.uint32], count: int, bits: int, *, signed: bool) -> NDArray[np.int64]:
    """Fields (entries, count) of `bits` bits in 32-bit words, the first one lowest."""
    flat = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    parts = flat[:, : count * bits].reshape(len(words), count, bits).astype(np.int64)
    values: NDArray[np.int64] = (parts << np.arange(bits)).sum(2)
    return values - ((values >> (bits - 1)) << bits) if signed else values
