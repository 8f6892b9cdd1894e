"""Chooses the array for a network: the least latency or interval within a budget of the chip."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypedDict

from crossloom.sim import InputError, Network, cost
from crossloom.sim.chip import XC7Z020

from ..compiler.lowering import lower
from ..compiler.passes import code_bits
from ..compiler.program import Program, compile_network
from ..compiler.sizes import Folding
from ..errors import RtlError
from .array import array_dsp, array_lut
from .cycles import image_cycles, least_cycles
from .resources import estimate_lut, largest_layer, largest_memory, least_weights, limit, memory_bram36

TARGETS = ("latency", "throughput")
_SIDES = (4, 8, 12, 16, 24, 32, 48, 64)
_LANES = (2, 4, 8, 16)


class Area(TypedDict):
    """Resources of a core, estimated."""

    lut: int
    bram36: float
    dsp: int


@dataclass(frozen=True)
class Choice:
    """A folding, its cycles by the exact model (the slowest branch's) and its resources, estimated."""

    folding: Folding
    latency: int
    interval: int
    lut: int
    bram36: float
    dsp: int


def estimate(compiled: Program) -> Choice:
    """Cycles and resources of a program."""
    cycles = [image_cycles(compiled, branch) for branch in range(len(compiled.banks))]
    latency, interval = max(c.latency for c in cycles), max(c.interval for c in cycles)
    return Choice(compiled.folding, latency, interval, **_area(compiled))


def _area(compiled: Program) -> Area:
    """Resources of a program by their names in `Choice`; no memory is packed for them."""
    f, s = compiled.folding, compiled.sizes
    dsp = array_dsp(f.rows, f.cols, f.pix, s.x_bits, s.w_bits, f.dsp)
    return {"lut": estimate_lut(compiled), "bram36": sum(memory_bram36(compiled).values()), "dsp": dsp}


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
    lut: int = XC7Z020.usable_lut,
    bram36: float = XC7Z020.bram36,
    dsp: int = XC7Z020.dsp,
    progress: Callable[[int], None] | None = None,
) -> Choice:
    """The best folding for "latency" (one image alone) or "throughput" (images back to back) within a budget.

    Arrays of up to 64 x 64 x 2 are tried; of equal cycles the one with fewer LUTs wins, so that the same network gives
    the same folding anywhere. A budget counts up to what an xc7z020 has. `progress` gets the number of arrays looked
    at, of `CANDIDATES` at most. Raises InputError for another target, RtlError naming layer, memory and resources
    where nothing fits: at once where the weights alone cannot.
    """
    if target not in TARGETS:
        raise InputError(f"folding for {target[:40]!r}: needed one of {', '.join(TARGETS)}")
    lut, bram36, dsp = min(lut, XC7Z020.lut), min(bram36, XC7Z020.bram36), min(dsp, XC7Z020.dsp)
    weights = least_weights(network)
    _check_weights(network, bram36, (weights.bram36(rows, cols) for rows, cols in product(_SIDES, _SIDES)))
    best: tuple[int, int, Choice] | None = None
    least: tuple[Folding, Area] | None = None
    refused: RtlError | None = None
    lowered = lower(network)
    x_bits, w_bits = code_bits(network, lowered), max(entry.sums.weight_bits for entry in lowered)
    products = cost(network).macs

    def weights_bram36(folding: Folding) -> float:
        """What the weights take at least; more than there is where the array alone takes too many LUTs."""
        rows, cols = folding.rows, folding.cols
        left = lut - array_lut(rows, cols, folding.pix, x_bits, w_bits, dsp)
        return weights.bram36(rows, cols, left) if left >= 0 else math.inf

    _check_weights(network, bram36, map(weights_bram36, _candidates(dsp)))
    for number, folding in enumerate(_candidates(dsp), 1):
        if progress is not None:
            progress(number)
        # Too large, or too slow even if every multiplier were busy all the time.
        smallest = number > CANDIDATES - len(_LANES)
        if not smallest and weights_bram36(folding) > bram36:
            continue
        if best and products > best[0] * folding.rows * folding.cols * folding.pix:
            break
        try:
            compiled = compile_network(network, folding, lowered=lowered)
        except RtlError as error:
            refused = error
            continue
        area = _area(compiled)
        if least is None or area["lut"] < least[1]["lut"]:
            least = folding, area
        over = area["lut"] > lut or area["bram36"] > bram36 or area["dsp"] > dsp
        # Cycles are counted for what fits and may be the fastest: that takes longest.
        if over or (best and least_cycles(compiled) > best[0]):
            continue
        found = estimate(compiled)
        cycles = found.latency if target == "latency" else found.interval
        if best is None or (cycles, found.lut) < best[:2]:
            best = cycles, found.lut, found
    if best is not None:
        return best[2]
    if least is None:
        raise refused or RtlError(f"{network.name}: no array to try; a solver with some is needed")
    budget = {"lut": lut, "bram36": bram36, "dsp": dsp}
    raise RtlError(_too_large(compile_network(network, least[0], lowered=lowered), least[1], budget))


def _check_weights(network: Network, most: float, arrays: Iterable[float]) -> None:
    """Raise RtlError where the weights alone take more BRAM36 than `most` in each of the arrays that LUTs allow."""
    needed = min(arrays)
    if most < needed < math.inf:
        raise RtlError(
            f"layer {largest_layer(network)!r}: weights: at least {needed:g} BRAM36 (estimated) for all weights of "
            f"{network.name} in any array, this layer's the most; {limit(needed, most, 'bram36')}take narrower or "
            "fewer weights"
        )


def _too_large(compiled: Program, least: Area, budget: Mapping[str, float]) -> str:
    """Why nothing fits: what the smallest array takes, and which memory of which layer takes most of its BRAM36."""
    memory, where = largest_memory(compiled)
    chip = f"{XC7Z020.lut:,} LUT, {XC7Z020.bram36} BRAM36, {XC7Z020.dsp} DSP48E1"
    # Where the smallest array fits the chip, a larger budget has room for it.
    fits = least["lut"] <= XC7Z020.lut and least["bram36"] <= XC7Z020.bram36
    return (
        f"{compiled.network.name}: the smallest array takes about {least['lut']:,} LUT, {least['bram36']:g} BRAM36 "
        f"(estimated), {memory_bram36(compiled)[memory]:g} of them for {where}; the budget is {budget['lut']:,} LUT, "
        f"{budget['bram36']:g} BRAM36, {budget['dsp']} DSP48E1: "
        + (f"give it more (an xc7z020 has {chip}), or " if fits else "")
        + "make the network smaller"
    )


CANDIDATES = sum(1 for _ in _candidates(0))
