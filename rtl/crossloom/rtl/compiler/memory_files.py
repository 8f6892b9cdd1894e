"""Writes a program and its memories as the files that the engine's SystemVerilog reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from crossloom.sim.ops.lif import MAX_LEAK
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import IntArray, signed_bits

from .program import Program
from .words import Bank, Config, Drain, Segment, Sweep, widths, word

SHIFT_BITS = signed_bits(MIN_SHIFT, MAX_SHIFT)
LEAK_BITS = MAX_LEAK.bit_length()


def packed(values: IntArray, bits: int) -> list[int]:
    """Words of fields (words, fields) of `bits` bits, two's complement, the first field lowest.

    >>> packed(np.array([[1, 2], [-1, 0]]), 4)
    [33, 15]
    """
    fields = (values.astype(np.int64).view(np.uint64)[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    rows = np.packbits(fields.astype(np.uint8).reshape(len(values), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def packed_params(bias: IntArray, shift: IntArray, acc_bits: int) -> list[int]:
    """Words of biases and shifts (words, lanes): a lane's bias of `acc_bits` below, its shift above."""
    low = bias.astype(np.int64) & ((1 << acc_bits) - 1)
    high = (shift.astype(np.int64) & ((1 << SHIFT_BITS) - 1)) << acc_bits
    return packed(low | high, acc_bits + SHIFT_BITS)


def packed_neurons(theta: IntArray, leak: IntArray, mem_bits: int) -> list[int]:
    """Words of thresholds and leaks (words, lanes): a lane's threshold of `mem_bits` below, its leak above."""
    return packed(theta.astype(np.int64) | leak.astype(np.int64) << mem_bits, mem_bits + LEAK_BITS)


def _words(kind: type, entries: Iterable[Sweep | Segment | Drain | Config | Bank]) -> tuple[int, list[int]]:
    return sum(widths(kind).values()), [word(entry) for entry in entries]


def data_memories(program: Program) -> dict[str, tuple[int, int]]:
    """Bits a word, and how many words, of the memories that grow with the network."""
    sizes, folding = program.sizes, program.folding
    found = {
        "weights": (folding.rows * folding.cols * sizes.w_bits, program.weight_memory.size),
        "params": (folding.lanes * (sizes.acc_bits + SHIFT_BITS), program.param_memory.size),
    }
    if sizes.tables:
        found |= {f"tables{lane}": (sizes.acc_bits + 1, program.table_memory.size) for lane in range(folding.lanes)}
    if sizes.neurons:
        found["neurons"] = folding.lanes * (sizes.mem_bits + LEAK_BITS), program.neuron_memory.size
    return found


def memory_words(program: Program) -> Iterator[tuple[str, int, list[int]]]:
    """Each memory's name, bits a word, and words."""
    sizes, bits = program.sizes, {name: bits for name, (bits, _) in data_memories(program).items()}
    yield "config", *_words(Config, [program.config])
    yield "banks", *_words(Bank, program.banks)
    yield "sweeps", *_words(Sweep, program.sweeps)
    yield "segments", *_words(Segment, program.segments)
    yield "drains", *_words(Drain, program.drains)
    weights = program.weights.reshape(len(program.weights), -1)
    yield "weights", bits["weights"], packed(weights, sizes.w_bits)
    yield "params", bits["params"], packed_params(program.bias, program.shift, sizes.acc_bits)
    if sizes.neurons:
        theta, leak = np.moveaxis(program.neurons, 2, 0)
        yield "neurons", bits["neurons"], packed_neurons(theta, leak, sizes.mem_bits)
    for lane, name in enumerate(name for name in bits if name.startswith("tables")):
        yield name, bits[name], packed(program.tables[:, lane : lane + 1], bits[name])


def write_memories(program: Program, folder: Path) -> list[Path]:
    """Write every memory as `<name>.mem`, a word a line; returns the files."""
    files = []
    for name, bits, words in memory_words(program):
        digits = -(-bits // 4)
        path = folder / f"{name}.mem"
        path.write_text("".join(f"{value:0{digits}x}\n" for value in words), encoding="ascii")
        files.append(path)
    return files


def parameters(program: Program) -> dict[str, int]:
    """The engine's parameters for a program's folding and sizes."""
    f, s = program.folding, program.sizes
    return {
        "Rows": f.rows,
        "Cols": f.cols,
        "Pix": f.pix,
        "Lanes": f.lanes,
        "Dsp": f.dsp,
        "XBits": s.x_bits,
        "WBits": s.w_bits,
        "AccBits": s.acc_bits,
        "CodeBits": max(s.code_bits, s.x_bits),
        "ShiftMin": s.shift_min,
        "ShiftMax": s.shift_max,
        "Features": s.features,
        "Weights": s.weights,
        "Params": s.params,
        "Tables": s.tables,
        "Steps": s.steps,
        "ScaleBits": s.scale_bits,
        "Results": s.results,
        "Sweeps": s.sweeps,
        "Segments": s.segments,
        "Branches": s.branches,
        "Doubling": s.doubling,
        "Unroll": s.unroll,
        "Timed": s.timed,
        "Neurons": s.neurons,
        "MemBits": s.mem_bits,
        "MemMin": s.mem_min,
        "GuardMin": s.guard_min,
        "GuardMax": s.guard_max,
        "LeakMin": s.leak_min,
        "LeakMax": s.leak_max,
        "Most": s.most,
        "Later": s.later,
    }
