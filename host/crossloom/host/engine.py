"""Which engine a network gets in RTL: the folding that was asked for, or a modest one that builds in seconds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossloom.sim import InputError, Network

if TYPE_CHECKING:
    from crossloom.rtl.plan import Folding, Plan

_FOLDING = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})x([12])x([1-9]\d{0,3})(?:\+(\d{1,4}))?\Z")


def folding_of(network: Network, asked: str | None = None) -> Folding:
    """The folding ROWSxCOLSxPIXxLANES or ROWSxCOLSxPIXxLANES+DSP; without one, a modest one for any network.

    Raises InputError for another form.
    """
    from crossloom.rtl.plan import Folding

    if asked is None:
        return Folding(8, 8, 2, 4)
    found = _FOLDING.match(asked)
    if found is None:
        raise InputError(
            f"folding {asked[:40]!r}: needed ROWSxCOLSxPIXxLANES, such as 8x8x2x4, or with DSPs 32x32x2x8+220"
        )
    return Folding(*(int(part or 0) for part in found.groups()))


def compiled(network: Network, asked: str | None = None) -> Plan:
    """The network as a program of its engine; RtlError names the layer and the resource that do not fit."""
    from crossloom.rtl.plan import plan

    return plan(network, folding_of(network, asked))
