"""Whether a core fits a chip, or a budget of it: estimated before anything is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from crossloom.sim.chip import XC7Z020
from crossloom.sim.network import Network
from crossloom.sim.ops import Linear
from crossloom.sim.types import signed_bits

from ..compiler.memory_files import data_memories
from ..compiler.program import Program
from ..compiler.sizes import Sizes
from ..errors import RtlError
from .array import array_lut
from .cycles import times_of

# Words by depth of half a BRAM36, which two memories may share; below this depth LUTs hold a memory.
_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
_SHALLOW = 64
_REGISTERS_AND_STREAMS = 1400
# What makes a memory smaller.
_SMALLER = {
    "features": "a smaller image or narrower codes",
    "weights": "narrower or fewer weights",
    "params": "fewer channels",
    "tables": "fewer thresholds",
    "neurons": "fewer channels",
}


def bram36(bits: int, words: int) -> float:
    """BRAM36 of one memory with one port to read and one to write.

    >>> bram36(72, 512), bram36(36, 512), bram36(4096, 293), bram36(8, 64)
    (1.0, 0.5, 57.0, 0.0)
    """
    if words <= _SHALLOW:
        return 0.0
    return min(-(-bits // width) * -(-words // depth) for width, depth in _SHAPES) / 2


def memory_lut(bits: int, words: int) -> int:
    """LUTs of a memory too shallow for block RAM: a RAM32M or RAM64M, 4 LUTs, holds 6 or 3 bits of every word (UG474).

    >>> memory_lut(2048, 20), memory_lut(2048, 64), memory_lut(2048, 65)
    (1368, 2732, 0)
    """
    return 0 if words > _SHALLOW else 4 * -(-bits // (6 if words <= 32 else 3))


def memory_luts(program: Program) -> int:
    """LUTs of the shallow ones among weights, parameters and thresholds."""
    return sum(memory_lut(bits, words) for bits, words in data_memories(program).values())


def memory_bram36(program: Program) -> dict[str, float]:
    """BRAM36 of the memories that grow with the network: features, weights, parameters, thresholds."""
    folding, sizes = program.folding, program.sizes
    parts = folding.ways * folding.rows // folding.lanes
    found = {"features": parts * bram36(folding.lanes * sizes.x_bits, sizes.features)}
    for name, (bits, words) in data_memories(program).items():
        key = name.rstrip("0123456789")
        found[key] = found.get(key, 0.0) + bram36(bits, words)
    return found


def layer_words(program: Program, memory: str) -> dict[str, int]:
    """Words of "weights", "params", "tables" or "neurons" of every layer that has some, all branches counted."""
    found: dict[str, int] = {}
    for entry, row, sweep, drain in zip(program.passes, program.rows, program.sweeps, program.drains, strict=True):
        # Sweeps over other rows read the same words.
        if row or sweep.pool or (memory == "tables" and not entry.thresholds):
            continue
        taps = 1 if sweep.hold else (sweep.kernel_h + 1) * (sweep.kernel_w + 1)
        # The steps of an output read the same weights, and so do all taps of some.
        segments = program.segments[sweep.first_segment : sweep.last_segment + 1]
        segments = segments[: 1 if sweep.hold else len(segments) // times_of(program, sweep)]
        words = {
            "weights": taps * sum(s.blocks + 1 for s in segments if not s.shift),
            "params": drain.chunks + 1,
            "tables": drain.chunks + 1 << drain.steps,
            "neurons": (drain.chunks + 1) * drain.lif,
        }[memory]
        found[entry.name] = found.get(entry.name, 0) + words * (len(program.banks) if sweep.banked else 1)
    return found


def estimate_lut(program: Program) -> int:
    """LUTs of a whole core: the array within 5 %, the rest within a fifth of what Yosys takes (estimated)."""
    f, s = program.folding, program.sizes
    columns, inputs = f.pix * f.cols * s.acc_bits, f.pix * f.rows * s.x_bits
    # Per bit: accumulators, their choice for the drain, window and maxima, requantization, scores.
    lane = 3.8 * s.acc_bits + 1.8 * (s.shift_max - s.shift_min) + 30 * bool(s.tables)
    rest = 1.35 * columns + 4.4 * inputs + f.lanes * lane
    rest += f.lanes * _neuron_lut(s) if s.neurons else 0
    array = array_lut(f.rows, f.cols, f.pix, s.x_bits, s.w_bits, f.dsp)
    return int(array + rest + memory_luts(program) + 6 * s.sweeps + _REGISTERS_AND_STREAMS)


def _neuron_lut(s: Sizes) -> float:
    """LUTs of a lane of neurons: a membrane's adders and its bits in memory; more where layers differ."""
    choices = math.log2(s.guard_max - s.guard_min + 1) + math.log2(s.leak_max - s.leak_min + 1)
    return s.mem_bits * (7 + 3 * (s.most - 1) + 3 * s.later + 1.5 * choices + 3 * (s.mem_min < s.mem_bits))


@dataclass(frozen=True)
class LeastWeights:
    """What a network's weights take at least in any array: `bits` each, and how many filters of which size."""

    bits: int
    filters: tuple[tuple[int, int], ...]  # different ones, weights of each

    def words(self, rows: int, cols: int) -> int:
        """Words of weights that an array of `rows` inputs by `cols` outputs needs at least."""
        return sum(-(-count // cols) * -(-size // rows) for count, size in self.filters)

    def bram36(self, rows: int, cols: int, lut: float = float("inf")) -> float:
        """BRAM36 that these words take at least; 0 where `lut` LUTs can hold them."""
        bits, words = rows * cols * self.bits, self.words(rows, cols)
        if words <= _SHALLOW and memory_lut(bits, words) > lut:
            words = _SHALLOW + 1  # there must be more words for block RAM to hold them
        return bram36(bits, words)


def least_weights(network: Network) -> LeastWeights:
    """A lower bound of every program's weights, without making one: equal filters outside of branches count once."""
    bits, filters = 1, []
    for index, nodes, _ in network.sections():
        different: dict[tuple[int, ...], set[bytes]] = {}
        for node in nodes:
            if isinstance(node.op, Linear):
                bits = max(bits, signed_bits(node.op.weight_type.lo, node.op.weight_type.hi))
                weight = node.op.weight.astype("<i4")
                if index is not None:  # every branch has all words of its own
                    filters.append((len(weight), weight[0].size))
                else:
                    found = different.setdefault(weight.shape[1:], set())
                    found.update(one.tobytes() for one in weight if one.any())
        # The size of a filter: its bytes are four times as many.
        filters += [(len(found), len(next(iter(found))) // 4) for found in different.values() if found]
    return LeastWeights(bits, tuple(filters))


def largest_layer(network: Network) -> str:
    """The layer with most weights, all branches counted; a network without any has its output named."""
    found: dict[str, int] = {network.output: 0}
    for _, nodes, _ in network.sections():
        for node in nodes:
            if isinstance(node.op, Linear):
                found[node.name] = found.get(node.name, 0) + node.op.weight.size
    return max(found, key=lambda name: found[name])


def largest_memory(program: Program) -> tuple[str, str]:
    """The memory that takes most BRAM36: its key in `memory_bram36`, and in words with the layer that needs most."""
    found = memory_bram36(program)
    most = max(found, key=lambda key: found[key])
    if most == "features":
        edge = max(program.regions, key=lambda e: program.regions[e].plane)
        return most, f"layer {edge!r}: feature memory"
    words = layer_words(program, most)
    return most, f"layer {max(words, key=lambda key: words[key])!r}: memory of {most}"


def check_fit(program: Program, budget: Mapping[str, float] | None = None) -> None:
    """Raise RtlError, naming array, resource and for memories the layer, where a core cannot fit an xc7z020.

    LUT and BRAM36 are estimated, DSP48E1 are those that it may use. `budget` has less of `lut`, `bram36` or `dsp`.
    """
    name, f = program.network.name, program.folding
    array = f"array {f}"
    limits = {key: min((budget or {}).get(key, chip), chip) for key, chip in XC7Z020.resources.items()}
    if f.dsp > limits["dsp"]:
        raise RtlError(f"{name}: {array}: {f.dsp} DSP48E1; {limit(f.dsp, limits['dsp'], 'dsp')}fold it with fewer")
    lut = estimate_lut(program)
    if lut > limits["lut"]:
        raise RtlError(
            f"{name}: {array}: about {lut:,} LUT (estimated); {limit(lut, limits['lut'], 'lut')}"
            "take a smaller array, or let --folding latency choose one"
        )
    found = memory_bram36(program)
    blocks = sum(found.values())
    if blocks > limits["bram36"]:
        most, where = largest_memory(program)
        raise RtlError(
            f"{where}: about {blocks:g} BRAM36 (estimated) for all of {name} in {array}, {found[most]:g} of them here; "
            f"{limit(blocks, limits['bram36'], 'bram36')}take {_SMALLER[most]}, or another array"
        )


def limit(needed: float, given: float, resource: str) -> str:
    """What there is of a resource, and whether more may be given, as the middle of a message that ends in advice.

    >>> limit(300, 140, "bram36"), limit(30, 20, "bram36")
    ('an xc7z020 has 140; ', 'the budget is 20 (an xc7z020 has 140); give it more, or ')
    """
    most = XC7Z020.resources[resource]
    chip = f"an {XC7Z020.name} has {most:,}"
    if given >= most:
        return f"{chip}; "
    return f"the budget is {given:,} ({chip}); " + ("give it more, or " if needed <= most else "")
