"""Whether a plan's memories fit a chip's block RAM: estimated before anything is written."""

from __future__ import annotations

from .errors import RtlError
from .images import memory_words
from .plan import Plan
from .synth import BUDGET

# Words by depth of half a BRAM36, which two memories may share; below this depth LUTs hold a memory.
_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
_SHALLOW = 64


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


def memory_luts(plan: Plan) -> int:
    """LUTs of the shallow ones among weights, parameters and thresholds."""
    return sum(
        memory_lut(bits, len(words))
        for name, bits, words in memory_words(plan)
        if name.rstrip("0123456789") in ("weights", "params", "tables")
    )


def memory_bram36(plan: Plan) -> dict[str, float]:
    """BRAM36 of the memories that grow with the network: features, weights, parameters, thresholds."""
    folding, sizes = plan.folding, plan.sizes
    parts = folding.banks * folding.rows // folding.lanes
    found = {"features": parts * bram36(folding.lanes * sizes.x_bits, sizes.features)}
    for name, bits, words in memory_words(plan):
        key = name.rstrip("0123456789")
        if key in ("weights", "params", "tables"):
            found[key] = found.get(key, 0.0) + bram36(bits, len(words))
    return found


def weight_words(plan: Plan) -> dict[str, int]:
    """Words of weights of every layer, all branches counted."""
    found: dict[str, int] = {}
    for entry, sweep in zip(plan.passes, plan.sweeps, strict=True):
        if sweep.pool:
            continue
        taps = 1 if sweep.hold else (sweep.kernel_h + 1) * (sweep.kernel_w + 1)
        segments = plan.segments[sweep.first_segment : sweep.last_segment + 1]
        words = taps * sum(s.blocks + 1 for s in segments if not s.shift) * (len(plan.banks) if sweep.banked else 1)
        found[entry.name] = found.get(entry.name, 0) + words
    return found


def check_fit(plan: Plan) -> None:
    """Raise RtlError, naming the layer and the resource, where the memories or DSPs cannot fit an xc7z020."""
    name, folding, found = plan.network.name, plan.folding, memory_bram36(plan)
    if folding.dsp > BUDGET["dsp"]:
        raise RtlError(f"{name}: {folding.dsp} DSP48E1; an xc7z020 has {BUDGET['dsp']}; fold it with fewer")
    if sum(found.values()) <= BUDGET["bram36"]:
        return
    most = max(found, key=lambda key: found[key])
    if most == "features":
        edge = max((e for e in plan.regions), key=lambda e: plan.regions[e].plane)
        where = f"layer {edge!r}: feature memory"
    else:
        words = weight_words(plan)
        where = f"layer {max(words, key=lambda key: words[key])!r}: memory of {most}"
    raise RtlError(
        f"{where}: about {sum(found.values()):g} BRAM36 for all of {name}, {found[most]:g} of them here; an xc7z020 "
        f"has {BUDGET['bram36']}; narrower or fewer weights, or another folding, are needed"
    )
