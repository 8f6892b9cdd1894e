"""Which engine a network gets in RTL: the folding that was asked for, the best for the chip, or a modest one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from crossloom.sim import InputError, Network
from crossloom.sim.chip import XC7Z020

from .progress import bar

if TYPE_CHECKING:
    from crossloom.rtl.compiler.program import Folding, Program

_FOLDING = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})x([12])x([1-9]\d{0,3})(?:\+(\d{1,4}))?\Z")


def folding_of(network: Network, asked: str | None = None, budget: Mapping[str, int] | None = None) -> Folding:
    """The folding ROWSxCOLSxPIXxLANES or ROWSxCOLSxPIXxLANES+DSP; None is a modest one that builds in seconds.

    "latency" and "throughput" take the best one within a budget of `lut`, `bram36` and `dsp`, by default an xc7z020's
    with 47,000 of its LUTs; a named one is not held against it here.
    Raises InputError for another form, RtlError where nothing fits the budget.
    """
    from crossloom.rtl.compiler.program import Folding
    from crossloom.rtl.errors import RtlError
    from crossloom.rtl.estimate.choice import CANDIDATES, TARGETS, choose_folding

    if asked is None:
        return Folding(8, 8, 2, 4)
    if asked in TARGETS:
        with bar(f"arrays for {network.name}", CANDIDATES) as progress:
            return choose_folding(network, asked, **(budget or {}), progress=progress).folding
    found = _FOLDING.match(asked)
    if found is None:
        raise InputError(
            f"folding {asked[:40]!r}: needed ROWSxCOLSxPIXxLANES, such as 8x8x2x4, with DSPs 32x32x2x8+220, or one of "
            f"{', '.join(TARGETS)}"
        )
    folding = Folding(*(int(part or 0) for part in found.groups()))
    multipliers, most = folding.rows * folding.cols * folding.pix, XC7Z020.lut + 4 * XC7Z020.dsp
    if multipliers > most:
        # Said before a program of that size is made.
        raise RtlError(
            f"folding {folding}: {multipliers:,} multipliers; an xc7z020 has not one LUT for each beyond {most:,}: "
            "name a smaller array"
        )
    return folding


def compiled(network: Network, asked: str | None = None, budget: Mapping[str, int] | None = None) -> Program:
    """The network as a program of its engine; RtlError names the layer and the resource that do not fit.

    With a budget, also of nothing, a named folding must fit it by estimate too, and the chip where it says nothing.
    """
    from crossloom.rtl.compiler.program import compile_network
    from crossloom.rtl.estimate.resources import check_fit

    found = compile_network(network, folding_of(network, asked, budget))
    if budget is not None:
        check_fit(found, budget)
    return found
