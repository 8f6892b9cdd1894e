"""hls4ml's types: the ap_fixed of an edge and of what a Requant rounds into, or why there is none."""

from __future__ import annotations

import numpy as np

from crossloom.sim.ops import Edge, Requant
from crossloom.sim.types import QType, Rounding, bits_of

from .errors import HlsError

_ROUNDINGS = {Rounding.HALF_EVEN: "AP_RND_CONV", Rounding.HALF_UP: "AP_RND", Rounding.FLOOR: "AP_TRN"}


def refused(where: str, what: str) -> HlsError:
    """The error of what has no exact form here."""
    return HlsError(f"{where}: {what}; the hls4ml flow has no exact form of it; use the native flow")


def ap_type(lo: int, hi: int, frac: int, modes: str = "") -> str:
    """The narrowest ap_fixed of the codes lo..hi, each standing for code * 2**-frac.

    >>> ap_type(0, 15, 2, ",AP_RND_CONV,AP_SAT"), ap_type(-7, 7, 6)
    ('ap_ufixed<4,2,AP_RND_CONV,AP_SAT>', 'ap_fixed<4,-2>')
    """
    bits = bits_of(lo, hi)
    return f"ap_{'' if lo < 0 else 'u'}fixed<{bits},{bits - frac}{modes}>"


def check_drop(where: str, source: Edge, op: Requant) -> None:
    """Raise HlsError where a shift drops more bits than there are: the model of ap_fixed that g++ compiles aborts."""
    shift = int(op.shift.max())
    if shift > source.type.bits:
        raise refused(where, f"a shift of {shift} from {source.type.bits} bits")


def edge_type(edge: Edge, reader: Requant | None = None) -> str:
    """The ap_fixed that holds an edge; with one frac per channel, at the finest of them.

    Sign bits are added until `reader` drops no more bits than there are (see `check_drop`).
    """
    fracs = edge.type.frac if isinstance(edge.type.frac, tuple) else (edge.type.frac,)
    spread = max(fracs) - min(fracs)
    lo, hi = edge.type.lo << spread, edge.type.hi << spread
    if edge.accumulator:
        lo = min(lo, -1)
    if reader:
        assert isinstance(reader.out.frac, int)
        lo = min(lo, -1 << max(max(fracs) - reader.out.frac - 1, 0))
    return ap_type(lo, hi, max(fracs))


def requant_type(where: str, op: Requant, source: Edge) -> str:
    """The ap_fixed whose assignment rounds and clips as `op` does, given what `source` can reach.

    Raises HlsError for clips that no saturation of ap_fixed makes.
    """
    out = op.out
    assert isinstance(out.frac, int)
    reach = [
        round_shift(bound, int(shift), op.rounding)
        for bound in (source.type.lo, source.type.hi)
        for shift in np.unique(op.shift)
    ]
    for mode, (lo, hi) in _saturations(out).items():
        if (lo == out.lo or min(reach) >= out.lo) and (hi == out.hi or max(reach) <= out.hi):
            return ap_type(out.lo, out.hi, out.frac, f",{_ROUNDINGS[op.rounding]},{mode}")
    raise refused(
        where, f"clipping to {out.lo}..{out.hi}; ap_fixed saturates at all codes of its bits, or symmetrically"
    )


def _saturations(out: QType) -> dict[str, tuple[int, int]]:
    if not out.signed:
        return {"AP_SAT": (0, (1 << out.bits) - 1)}
    top = (1 << (out.bits - 1)) - 1
    return {"AP_SAT": (-top - 1, top), "AP_SAT_SYM": (-top, top)}


def round_shift(value: int, shift: int, rounding: Rounding) -> int:
    """`value * 2**-shift` rounded, as Requant does before it clips.

    >>> [round_shift(v, 1, Rounding.HALF_EVEN) for v in (-3, -1, 1, 3)]
    [-2, 0, 0, 2]
    """
    if shift <= 0:
        return value << -shift
    if rounding is Rounding.FLOOR:
        return value >> shift
    half = 1 << (shift - 1)
    up = (value + half) >> shift
    tie = (value + half) & ((1 << shift) - 1) == 0
    return up - 1 if rounding is Rounding.HALF_EVEN and tie and up & 1 else up
