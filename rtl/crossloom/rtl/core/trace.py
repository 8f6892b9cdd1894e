"""The records of a Verilated engine, put together: every edge of every image, and the cycles in which it worked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.network import INPUT
from crossloom.sim.types import IntArray

from ..compiler.ops import LOWERED
from ..compiler.program import Program
from ..compiler.words import Kind
from ..errors import RtlError

_BITS_AT_ONCE = 1 << 21  # of recorded fields, each of which is 64 bits wide while it is put together


def taps_of(program: Program, recorded: NDArray[np.uint32], images: int) -> NDArray[np.int64]:
    """Array cycles, first and last cycle (sweeps, 3) of the last of N images, 0 for none, from taps (entries, 2).

    Raises RtlError when the taps are not those of `images` whole images.
    """
    taps = recorded.astype(np.int64)
    found = np.zeros((len(program.sweeps), 3), np.int64)
    if not images:
        return found
    # All images have as many.
    last = taps[len(taps) - len(taps) // images :]
    for sweep in range(len(found)):
        cycles = last[last[:, 1] == sweep, 0]
        if len(cycles) * images != (taps[:, 1] == sweep).sum() or not len(cycles):
            raise _not_whole(program, "array cycles", sweep, int((taps[:, 1] == sweep).sum()), images)
        found[sweep] = len(cycles), cycles[0], cycles[-1]
    return found


def _not_whole(program: Program, what: str, sweep: int, count: int, images: int) -> RtlError:
    return RtlError(
        f"{program.network.name}: {count} {what} of sweep {sweep} for {images} images; as many for each are needed: "
        "reset the model and run them again"
    )


def edges_of(program: Program, words: NDArray[np.uint32], codes: IntArray) -> dict[str, IntArray]:
    """Every edge (N, *shape) but the input, from the recorded chunks, in the order in which images and sweeps ran.

    `codes` are the input codes (N, *shape) that ran. An edge that the engine never has, as it is another one
    reshaped or lies between sums and a quantizer (`Lowered.before`), is made here from its input's by the operator's
    own kernel. Raises RtlError when the chunks are not those of N whole images.
    """
    images = len(codes)
    lanes = program.folding.lanes
    sweep, chunk, y, x, time = (words[:, i].astype(np.int64) for i in range(1, 6))
    bits = program.sizes.acc_bits, program.sizes.mem_bits, program.sizes.x_bits
    at = 6 + np.cumsum([0, *(-(-lanes * width // 32) for width in bits)])
    raw, membrane, code = (
        _fields(words[:, at[i] : at[i + 1]], lanes, width, signed=i < 2) for i, width in enumerate(bits)
    )
    types = program.network.edges
    edges: dict[str, IntArray] = {INPUT: codes.reshape(images, *types[INPUT].image_shape).astype(np.int64)}
    for index, (entry, start, row) in enumerate(zip(program.passes, program.channels, program.rows, strict=True)):
        rows = np.flatnonzero(sweep == index)
        # All images have as many chunks of a sweep.
        each = len(rows) // max(1, images)
        if each * images != len(rows) or (images and not each):
            raise _not_whole(program, "chunks", index, len(rows), images)
        image = np.arange(len(rows)) // max(1, each)
        neurons = entry.neurons.edge if entry.neurons else None
        kept = [(entry.raw, raw), (neurons, membrane), (entry.codes, code + entry.lo)]
        for name, values in kept:
            if name is None or (values is raw and entry.kind is Kind.POOL):
                continue
            # As it is kept: a flattened edge still as the image that it was. Of one step, the last one counts.
            shape, steps = entry.sums.shape, types[name].steps
            here = edges.setdefault(name, np.zeros((images, steps, *shape), np.int64))
            for lane in range(lanes):
                channel = start + chunk[rows] * lanes + lane
                inside = channel < shape[2]
                at = rows[inside]
                step = np.minimum(time[at], steps - 1)
                here[image[inside], step, y[at] * entry.stack + row, x[at], channel[inside]] = values[at, lane]
    edges = {name: edge.reshape(images, *types[name].image_shape) for name, edge in edges.items()}
    for _, nodes, local in program.network.sections():
        for node in nodes:
            how = LOWERED[node.op.kind]
            if (how.moves or how.before or how.after) and node.name not in edges and node.inputs[0] in edges:
                source, edge = local[node.inputs[0]], local[node.name]
                kernel = node.op.batch_kernel([source], edge)
                edges[node.name] = kernel(edges[node.inputs[0]].astype(source.carrier)).astype(np.int64)
    del edges[INPUT]
    return edges


def _fields(words: NDArray[np.uint32], count: int, bits: int, *, signed: bool) -> NDArray[np.int64]:
    """Fields (entries, count) of `bits` bits in 32-bit words, the first one lowest."""
    values = np.empty((len(words), count), np.int64)
    step = max(1, _BITS_AT_ONCE // (count * bits))
    for start in range(0, len(words), step):
        some = np.ascontiguousarray(words[start : start + step])
        flat = np.unpackbits(some.view(np.uint8), axis=1, bitorder="little")
        parts = flat[:, : count * bits].reshape(len(some), count, bits).astype(np.int64)
        values[start : start + step] = (parts << np.arange(bits)).sum(2)
    return values - ((values >> (bits - 1)) << bits) if signed else values
