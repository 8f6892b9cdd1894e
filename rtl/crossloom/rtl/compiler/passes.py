"""What the engine does for one operator: sums of products with weights and a quantizer, or maxima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossloom.sim.network import INPUT, Network
from crossloom.sim.ops import LIF, Edge
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import IntArray, QType

from .words import Kind

Shape = tuple[int, int, int]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A window's size, its step and its first corner (at or before the image's), in pixels."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)  # top, left


@dataclass(frozen=True, eq=False)
class Source:
    """An edge that a pass reads, with its weights (out, kh, kw, in) in each bank.

    `mask` (out, in) is false where no bank can ever have a weight. What was summed before is then doubled `doublings`
    times, of the first source in its weights where they have room; `same` says that all taps, of all sources, have the
    same weights. `step` is the edge's time step that the pass reads at its own first.
    """

    edge: str
    weights: tuple[IntArray, ...]
    mask: Mask
    doublings: int = 0
    same: bool = False
    step: int = 0


@dataclass(frozen=True, eq=False)
class Sums:
    """A linear operator: sources, window, and the bias (C,) of each bank that stored codes ask for.

    `pad_code` is as stored. `acc_bits` hold every sum with its bias, `weight_bits` every weight with a sign.
    """

    sources: tuple[Source, ...]
    window: Window
    pad_code: int
    shape: Shape
    bias: tuple[IntArray, ...]
    acc_bits: int
    weight_bits: int


@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons between sums and quantizer: thresholds and leaks (C,) of each bank, `how` they work.

    `edge` is that of their membranes.
    """

    edge: str
    theta: tuple[IntArray, ...]
    leak: tuple[IntArray, ...]
    how: LIF


@dataclass(frozen=True, eq=False)
class Pass:
    """One walk over an image: sums of products, then Requant, Threshold or scores; or maxima.

    Codes are stored as their distance from `lo`, at most `span`. `shift` (C,), within `shifts`, and `thresholds`
    (C, count) are one a bank. `raw` names the accumulator edge that bias and sums give, `codes` the edge that is
    written: either may be none. `stack` rows of its image lie side by side, `pitch` channels from one to the next.

    The sums are of `steps` time steps, which `neurons` repeat where these are fewer than theirs; `last` keeps only the
    last step's result.
    """

    name: str
    kind: Kind
    sums: Sums
    banked: bool
    raw: str | None = None
    codes: str | None = None
    lo: int = 0
    span: int = 0
    shift: tuple[IntArray, ...] = ()
    shifts: tuple[int, int] = (0, 0)  # least and most that other weights could ask for
    rounding: int = 0
    thresholds: tuple[IntArray, ...] = ()
    scale: int = 1
    unrolled: bool = False  # a tap reads all columns of a window
    stack: int = 1
    pitch: int = 0
    steps: int = 1
    neurons: Neurons | None = None
    last: bool = False

    @property
    def times(self) -> int:
        """Time steps of its results, also of those that are not kept."""
        return self.neurons.how.steps if self.neurons else self.steps

    @property
    def hold(self) -> bool:
        """Whether neurons see the sums of one step at each of their own."""
        return self.steps < self.times

    @property
    def acc_bits(self) -> int:
        """Bits of the sums, and of membranes that something but their spikes is made of."""
        read = self.neurons and self.kind is not Kind.SPIKES
        return max(self.sums.acc_bits, self.neurons.how.bits if self.neurons and read else 0)

    @property
    def stored(self) -> Shape:
        """The shape in which its codes lie in the feature memory."""
        h, w, _ = self.sums.shape
        return self.sums.shape if self.stack == 1 else (-(-h // self.stack), w, self.stack * self.pitch)

    def rows_from(self, row: int) -> int:
        """How many rows of its image are `row` or a multiple of `stack` further down."""
        return -(-(self.sums.shape[0] - row) // self.stack)


def useful_shifts(acc_bits: int, out: QType) -> tuple[int, int]:
    """The least and the most shift of a sum of `acc_bits` that differ from their neighbours in any code.

    To the left by more, every sum but 0 is clipped already; to the right by more, nothing but its sign is left.
    """
    return max(MIN_SHIFT, -max(out.hi, -out.lo).bit_length()), min(MAX_SHIFT, acc_bits)


def stored_shape(shape: tuple[int, ...]) -> Shape:
    """An edge's shape as an image; a vector is one pixel."""
    return (1, 1, shape[0]) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def span_bits(edge: Edge) -> int:
    """Bits of a stored code: of hi - lo."""
    return max(1, (edge.type.hi - edge.type.lo).bit_length())


def code_bits(network: Network, passes: Sequence[Pass]) -> int:
    """Bits of the widest stored code of a network."""
    return max(span_bits(network.edges[edge]) for edge in (INPUT, *(p.codes for p in passes if p.codes)))
