"""What a torch value is while a model is exported, and how an edge looks in torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from crossloom.sim import Flatten, MaxPool

from .geometry import NO_PADS, Pads
from .tracing import Tap

Steps: TypeAlias = tuple[MaxPool | Flatten | Pads, ...]


@dataclass(frozen=True)
class Seen:
    """How an edge looks in torch: at which tap, and where torch has it flat which torch position each code has.

    `border` (top, bottom, left, right): pixels that torch has around it. `zero_first`: its first code is none of
    torch's, and 0.
    """

    tap: Tap
    order: tuple[int, ...] | None
    border: Pads = NO_PADS
    zero_first: bool = False


@dataclass(frozen=True)
class Value:
    """A torch value during the walk: an edge, or the raw images, and what is still to do to it.

    `order` (flat edges): code j of the edge is element order[j] in torch, which flattens channels first. For the
    quantizer to do: `relu` and `top`, clips at 0 and at a value; `ratio`, a factor; `after`, what changes places
    alone and so comes after quantizing as well as before. `pad`: zeros around it, for the layer that reads it.
    """

    edge: str | None
    relu: bool = False
    order: tuple[int, ...] | None = None
    top: float | None = None
    ratio: Fraction | None = None
    after: Steps = ()
    pad: Pads = NO_PADS

    @property
    def waits(self) -> bool:
        """Whether a quantizer has something to do before anything may read it."""
        return self.edge is None or self.relu or self.ratio is not None or bool(self.after)


RAW = Value(None)
"""The image, before anything quantized it."""
