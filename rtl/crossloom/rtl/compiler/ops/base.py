"""How the engine takes one kind of operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..passes import Pass, Sums
from ..section import Section

SumsOf: TypeAlias = Callable[[str], Sums]
"""What gives an edge's values: its linear operator, or for a stream the stream itself."""


@dataclass(frozen=True)
class Lowered:
    """One kind of operator: `sums` gives its accumulator, `emit` the pass that writes its codes; both may be none.

    `moves`: its edge is its input reshaped, so that nothing is done. `joins`: it reads its inputs pixel by pixel, which
    must lie alike.
    """

    sums: Callable[[Section, str], Sums] | None = None
    emit: Callable[[Section, str, SumsOf], Pass] | None = None
    moves: bool = False
    joins: bool = False
