"""Chooses the array for a network: the least latency or interval within a budget of the chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from crossloom.sim import InputError, Network, cost

from .crossbar import crossbar_dsp, crossbar_lut
from .cycles import image_cycles
from .errors import RtlError
from .fit import memory_bram36, memory_luts
from .plan import Plan, plan
from .sizes import Folding

# An xc7z020 without the eighth of its LUTs that a placer needs to breathe.
BUDGET_LUT, BUDGET_BRAM36, BUDGET_DSP = 47_000, 140, 220
TARGETS = ("latency", "throughput")
_SIDES = (4, 8, 12, 16, 24, 32, 48, 64)
_LANES = (2, 4, 8, 16)
_REGISTERS_AND_STREAMS = 1400


@dataclass(frozen=True)
class Choice:
    """A folding, its cycles by the exact model (the slowest branch's) and its resources, estimated."""

    folding: Folding
    latency: int
    interval: int
    lut: int
    bram36: float
    dsp: int


def estimate_lut(compiled: Plan) -> int:
    """LUTs of a whole core: the array within 5 %, the rest within a fifth of what Yosys takes (estimated)."""
    f, s = compiled.folding, compiled.sizes
    columns, inputs = f.pix * f.cols * s.acc_bits, f.pix * f.rows * s.x_bits
    # Per bit: accumulators, their choice for the drain, window and maxima, requantization, scores.
    rest = 1.35 * columns + 4.4 * inputs + f.lanes * (4.0 * s.acc_bits + 30 * bool(s.tables))
    array = crossbar_lut(f.rows, f.cols, f.pix, s.x_bits, s.w_bits, f.dsp)
    return int(array + rest + memory_luts(compiled) + 6 * s.sweeps + _REGISTERS_AND_STREAMS)


def estimate(compiled: Plan) -> Choice:
    """Cycles and resources of a plan."""
    f, s = compiled.folding, compiled.sizes
    cycles = [image_cycles(compiled, branch) for branch in range(len(compiled.banks))]
    return Choice(
        f,
        max(c.latency for c in cycles),
        max(c.interval for c in cycles),
        estimate_lut(compiled),
        sum(memory_bram36(compiled).values()),
        crossbar_dsp(f.rows, f.cols, f.pix, s.x_bits, s.w_bits, f.dsp),
    )


def _candidates(dsp: int) -> Iterator[Folding]:
    """Arrays, the largest first."""
    sizes = sorted(product(_SIDES, _SIDES, (1, 2), _LANES), key=lambda s: (-s[0] * s[1] * s[2], s))
    for rows, cols, pix, lanes in sizes:
        if rows % lanes == 0 and cols % lanes == 0:
            yield Folding(rows, cols, pix, lanes, dsp)


def choose_folding(
    network: Network,
    target: str = "latency",
    *,
    lut: int = BUDGET_LUT,
    bram36: float = BUDGET_BRAM36,
    dsp: int = BUDGET_DSP,
    progress: Callable[[int], None] | None = None,
) -> Choice:
    """The best folding for "latency" (one image alone) or "throughput" (images back to back) within a budget.

    Arrays of up to 64 x 64 x 2 are tried; of equal cycles the one with fewer LUTs wins, so that the same network gives
    the same folding anywhere. `progress` gets the number of arrays looked at, of `CANDIDATES` at most.
    Raises InputError for another target, RtlError naming the resource where nothing fits.
    """
    if target not in TARGETS:
        raise InputError(f"folding for {target[:40]!r}: needed one of {', '.join(TARGETS)}")
    best: tuple[int, int, Choice] | None = None
    least: Choice | None = None
    bits = plan(network, Folding(_SIDES[0], _SIDES[0], 1, _LANES[0])).sizes
    products = cost(network).macs
    for number, folding in enumerate(_candidates(dsp), 1):
        if progress is not None:
            progress(number)
        rows, cols, pix = folding.rows, folding.cols, folding.pix
        # Too large, or too slow even if every multiplier were busy all the time.
        smallest = number > CANDIDATES - len(_LANES)
        if not smallest and crossbar_lut(rows, cols, pix, bits.x_bits, bits.w_bits, dsp) > lut:
            continue
        if best and products > best[0] * rows * cols * pix:
            break
        try:
            found = estimate(plan(network, folding))
        except RtlError:
            continue
        if least is None or found.lut < least.lut:
            least = found
        if found.lut > lut or found.bram36 > bram36 or found.dsp > dsp:
            continue
        cycles = found.latency if target == "latency" else found.interval
        if best is None or (cycles, found.lut) < best[:2]:
            best = cycles, found.lut, found
    if best is None:
        assert least is not None
        raise RtlError(
            f"{network.name}: the smallest array takes about {least.lut} LUT, {least.bram36:g} BRAM36; the budget is "
            f"{lut} LUT, {bram36:g} BRAM36, {dsp} DSP48E1: give it more, or make the network smaller"
        )
    return best[2]


CANDIDATES = sum(1 for _ in _candidates(0))
