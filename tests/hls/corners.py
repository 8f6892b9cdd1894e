"""Small networks, one for each corner of a kernel."""

import numpy as np

from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Input,
    LeakyReLU,
    MaxPool,
    QType,
    Requant,
    Rounding,
    SumPool,
    Threshold,
    random_codes,
)
from crossloom.sim.builder import Section, finish, finish_routed

RNG = np.random.default_rng(7)
NIBBLE = QType(-8, 7)
SHIFTS = (-16, -3, -1, 0, 1, 2, 5, 15, 16, 31, 46, 47)
OUTPUTS = {
    "byte": QType(-128, 127, 3),
    "narrow": QType(-7, 7),
    "nibble": QType(0, 15),
    "bit": QType(0, 1),
    "positive": QType(5, 9),
    "word": QType(-(1 << 31), (1 << 31) - 1),
    "unsigned": QType(0, (1 << 32) - 1),
}


class Chain:
    """Nodes one after the other, each reading the one before unless told otherwise."""

    def __init__(self, shape, type_=NIBBLE):
        self.input = Input(shape, type_, np.array([[type_.lo], [type_.hi]]))
        self.section = Section.of_input(self.input)

    @property
    def edges(self):
        return self.section.edges

    @property
    def last(self):
        return self.section.last

    def add(self, op, *inputs):
        """Append an operator and return the name of its edge."""
        return self.section.add(op, *inputs)

    def clip(self, type_=NIBBLE):
        """Codes of another type, values kept where they fit."""
        frac = self.edges[self.last].type.common_frac
        return self.add(Requant(np.array([0]), Rounding.FLOOR, QType(type_.lo, type_.hi, frac)))

    def flat(self):
        if len(self.edges[self.last].shape) == 3:
            self.add(Flatten())
        return self.last

    def dense(self, out, bits=4, **options):
        self.flat()
        return self.add(dense(out, self.edges[self.last].size, bits, **options))

    def network(self, name, rows=3):
        """With a Dense layer, two of its rows equal, for the logits; rows=0: the last edge is the logits."""
        if rows:
            self.dense(rows, ties=True)
        count = self.edges[self.last].size
        return finish(name, self.input, self.section, list(map(str, range(count))))


def weights(shape, bits, signed=True):
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    found = RNG.integers(lo, hi, shape, endpoint=True)
    found[0], found[-1] = lo, hi
    return found, QType(lo, hi)


def dense(out, size, bits=4, bias_bits=6, ties=False, signed=True):
    weight, type_ = weights((out, size), bits, signed)
    bias = RNG.integers(-(1 << (bias_bits - 1)), 1 << (bias_bits - 1), out)
    if ties:
        weight[1], bias[1] = weight[0], bias[0]
    return Dense(weight, bias, type_, bias_bits)


def conv(out, kernel, per_group, stride=(1, 1), pad=(0, 0, 0, 0), code=0, groups=1, bits=4, signed=True, bias_bits=8):
    weight, type_ = weights((out, *kernel, per_group), bits, signed)
    bias = RNG.integers(-(1 << (bias_bits - 1)), 1 << (bias_bits - 1), out)
    return Conv2d(weight, bias, type_, bias_bits, stride, pad, code, groups)


def scaled(op, fracs):
    """A convolution whose weights have a scale for every output channel."""
    type_ = QType(op.weight_type.lo, op.weight_type.hi, fracs)
    return Conv2d(op.weight, op.bias, type_, op.bias_bits, op.stride, op.pad, op.pad_code, op.groups)


def rounded(name, rounding, out):
    """Sums just around half a step of every shift, on both sides of zero, and around zero."""
    chain = Chain((5, 5, 1), QType(-12, 12))
    shifts = [s for s in SHIFTS for _ in range(2)]
    bias = [0 if s <= 0 else (1 << (s - 1)) * (-1) ** i for i, s in enumerate(shifts)]
    fracs = tuple(out.frac + s for s in shifts)
    chain.add(Conv2d(np.ones((len(shifts), 1, 1, 1), int), np.array(bias), QType(0, 1, fracs), 48))
    chain.add(Requant(np.array(shifts), rounding, out))
    chain.clip(QType(0, 1))
    return chain.network(name)


def windowed(name, shape, op, type_=NIBBLE):
    """An operator on the input, its edge clipped for the logits."""
    chain = Chain(shape, type_)
    chain.add(op)
    chain.clip()
    return chain.network(name)


def thresholded(name, count, step, base, channels, out=3):
    chain = Chain((4, 5, 2))
    edge = chain.edges[chain.add(conv(out, (2, 2), 2))]
    lo, hi = edge.type.lo, edge.type.hi
    rows = RNG.integers(lo // 4, hi // 4, (channels, count))
    rows[:, 0] = lo  # always
    rows[-1, -1] = hi + 1  # never
    if count > 3:
        rows[:, 1] = rows[:, 2]
        rows[0, 3] = hi
    chain.add(Threshold(np.sort(rows, axis=1), base, step, 0))
    chain.clip()
    return chain.network(name)


def added(name, align):
    """Operands whose fracs differ, and which come in elements of different widths."""
    chain = Chain((3, 4, 6), QType(-4, 3, align))
    chain.add(conv(4, (1, 1), 6), "input")
    left = chain.add(Requant(np.array([align]), Rounding.HALF_UP, QType(-9, 9, 0)))
    chain.add(conv(4, (1, 1), 6), "input")
    right = chain.add(Requant(np.array([0]), Rounding.HALF_UP, QType(0, 6, align)))
    chain.add(Add(), left, right)
    chain.clip()
    return chain.network(name)


def doubled(name):
    """One edge with five readers: x + x, and x beside x and the sum."""
    chain = Chain((3, 3, 6))
    x = chain.clip()
    chain.add(Add(), x, x)
    twice = chain.clip()
    chain.add(Concat(), x, x, twice)
    chain.add(Add(), chain.last, chain.last)
    chain.clip()
    return chain.network(name)


def side_by_side(name):
    """Five inputs of different types and channels, of images and then of vectors."""
    chain = Chain((2, 3, 4))
    found = []
    for out, type_ in ((5, QType(0, 1)), (3, QType(-9, 0)), (1, QType(2, 6)), (7, QType(-1, 1)), (8, NIBBLE)):
        chain.add(conv(out, (1, 1), 4), "input")
        found.append(chain.clip(type_))
    image = chain.add(Concat(), *found)
    parts = []
    for size in (6, 1, 10):
        chain.add(Flatten(), image)
        chain.dense(size)
        parts.append(chain.clip())
    chain.add(Concat(), chain.add(Flatten(), image), *parts)
    return chain.network(name)


def routed(name, source, coarse_from_source=False):
    """Three branches; `source` "input" or a node; with 1, 4 and 2 of 4 rows in use."""
    chain = Chain((3, 3, 2))
    if source != "input":
        chain.add(conv(4, (2, 2), 2))
        source = chain.clip()
    head = Chain((3, 3, 2))
    head.section = chain.section.head("h_")
    head.add(Flatten(), source)
    head.dense(3, ties=True)
    if coarse_from_source:
        # The coarse scores are codes that the branches read as well.
        head.clip(QType(-50, 50))
        source = head.last
    branches = {}
    for index, classes in enumerate(((6,), (0, 2, 4, 5), (1, 3))):
        bank = Chain((3, 3, 2))
        bank.section = head.section.branch(source, "f_")
        bank.dense(5, bias_bits=7)
        bank.add(Threshold(np.sort(RNG.integers(-60, 60, (5, 9)), axis=1), -4, 1, 0))
        bank.dense(4, ties=True)
        branches[f"branch{index}"] = classes, bank.section
    return finish_routed(name, chain.input, chain.section, head.section, branches, tuple("abcdefg"), source)


def leaking(name, shift, type_=NIBBLE, before=None):
    """A LeakyReLU on the input or on what `before` makes of it, read by a Requant and by a Threshold."""
    chain = Chain((3, 4, 2), type_)
    if before:
        chain.add(before)
    leaky = chain.add(LeakyReLU(shift))
    source = chain.edges[leaky]
    fracs = np.broadcast_to(source.type.frac, source.channels)
    chain.add(Requant(fracs - 3, Rounding.HALF_EVEN, QType(-100, 100, 3)), leaky)
    chain.add(LeakyReLU(1))
    codes = chain.add(Requant(np.array([2]), Rounding.HALF_UP, QType(-100, 100, 2)))
    lo, hi = source.type.lo, source.type.hi
    around = np.clip(np.arange(-4, 5), lo, hi + 1)
    rows = np.stack([around, np.linspace(lo, hi + 1, 9).astype(np.int64)])
    counted = chain.add(Threshold(np.resize(rows, (source.channels, 9)), 0, 1, 2), leaky)
    chain.add(Concat(), codes, counted)
    return chain.network(name)


def leaky_flat(name):
    """Sums that are flattened before one LeakyReLU, and between two."""
    chain = Chain((3, 2, 2))
    image = chain.add(conv(3, (2, 1), 2))
    chain.add(LeakyReLU(2), chain.add(Flatten(), image))
    chain.clip()
    chain.dense(4)
    first = chain.clip()
    chain.add(LeakyReLU(2), chain.add(Flatten(), chain.add(LeakyReLU(1), image)))
    chain.clip()
    chain.dense(4)
    chain.add(Add(), first, chain.clip())
    chain.clip()
    return chain.network(name)


def leaky_everywhere(name):
    """A routed network with a LeakyReLU in the trunk, in the coarse head and in every branch, and before the scores."""
    chain = Chain((3, 3, 2))
    chain.add(conv(4, (2, 2), 2))
    chain.add(LeakyReLU(2))
    source = chain.clip()
    head = Chain((3, 3, 2))
    head.section = chain.section.head("h_")
    head.add(Flatten(), source)
    head.dense(5)
    head.add(LeakyReLU(1))
    head.clip(QType(-20, 20))
    head.dense(3, ties=True)
    branches = {}
    for index, classes in enumerate(((6,), (0, 2, 4, 5), (1, 3))):
        bank = Chain((3, 3, 2))
        bank.section = head.section.branch(source, "f_")
        bank.dense(5, bias_bits=7)
        bank.add(LeakyReLU(4))
        bank.add(Threshold(np.sort(RNG.integers(-60, 600, (5, 9)), axis=1), -4, 1, 0))
        bank.dense(6)
        bank.add(LeakyReLU(3))
        bank.clip(QType(-50, 70))
        bank.dense(4, ties=True)
        branches[f"branch{index}"] = classes, bank.section
    return finish_routed(name, chain.input, chain.section, head.section, branches, tuple("abcdefg"), source)


def leaky_logits(name):
    """Scores that a LeakyReLU makes."""
    chain = Chain((7,), QType(0, 3))
    chain.dense(4)
    chain.add(LeakyReLU(15))
    return chain.network(name, rows=0)


def flattened_logits(name):
    """Logits that are an accumulator, flattened; no Dense layer at all."""
    chain = Chain((4, 4, 3))
    chain.add(conv(2, (3, 3), 3))
    chain.add(Flatten())
    return chain.network(name, rows=0)


def code_logits(name):
    """Logits that are codes."""
    chain = Chain((7,), QType(0, 3))
    chain.dense(4)
    chain.clip(QType(-20, 20))
    return chain.network(name, rows=0)


def wide(name):
    """Sums of 48 bits: 32-bit codes times 16-bit weights, and a bias as large."""
    chain = Chain((2, 2, 1), QType(-(1 << 31), (1 << 31) - 1))
    weight = np.array([32767, -32768, 1, -1]).reshape(4, 1, 1, 1)
    bias = np.array([(1 << 46) - 1, -(1 << 46), (1 << 46) - 1, -(1 << 46)])
    chain.add(Conv2d(weight, bias, QType(-32768, 32767, 40), 47))
    chain.add(Requant(np.array([40]), Rounding.HALF_EVEN, QType(-200, 200)))
    return chain.network(name)


def corner_codes(network):
    """Corners of the input type, then codes that may be anything, the last image in steps of one around zero."""
    type_, shape = network.input.type, network.input.edge.image_shape
    anything = RNG.integers(type_.lo, type_.hi, (7, *shape), endpoint=True)
    steps = np.clip(np.arange(np.prod(shape)) - np.prod(shape) // 2, type_.lo, type_.hi).reshape(1, *shape)
    return np.concatenate([random_codes(network, 3, 24), anything, steps]).astype(np.int64)


def corner_networks():
    """All of them."""
    found = [
        rounded(f"round-{kind}-{rounding.value}", rounding, out)
        for kind, out in OUTPUTS.items()
        for rounding in Rounding
    ]
    windows = {
        "conv-one-pixel": ((1, 1, 3), conv(4, (3, 3), 3, pad=(1, 1, 1, 1), code=5)),
        "conv-pads-differ": ((4, 5, 2), conv(3, (2, 3), 2, pad=(1, 3, 2, 0), code=-7)),
        "conv-pads-past-kernel": ((3, 2, 2), conv(2, (2, 2), 2, pad=(4, 5, 3, 6), code=-8)),
        "conv-bottom-pad-alone": ((3, 3, 1), conv(2, (2, 2), 1, pad=(0, 2, 0, 2), code=3)),
        "conv-stride-past-kernel": ((8, 9, 2), conv(3, (2, 1), 2, stride=(3, 4))),
        "conv-stride-leaves-rows": ((9, 8, 1), conv(2, (2, 2), 1, stride=(5, 5))),
        "conv-stride-and-pads": ((7, 6, 3), conv(4, (3, 3), 3, stride=(2, 3), pad=(2, 1, 1, 2), code=7)),
        "conv-whole-image": ((4, 3, 2), conv(5, (4, 3), 2)),
        "conv-tall": ((6, 2, 2), conv(2, (5, 1), 2, pad=(2, 2, 0, 0))),
        "conv-wide": ((2, 7, 2), conv(2, (1, 6), 2, pad=(0, 0, 3, 2))),
        "conv-groups": ((3, 4, 6), conv(9, (2, 2), 2, groups=3, pad=(1, 0, 0, 1))),
        "conv-depthwise": ((4, 4, 6), conv(6, (3, 3), 1, groups=6, pad=(1, 1, 1, 1))),
        "conv-depthwise-doubled": ((3, 4, 4), conv(8, (2, 2), 1, groups=4)),
        "conv-prime-channels": ((2, 2, 13), conv(17, (2, 2), 13, pad=(1, 0, 1, 0))),
        "conv-many-channels": ((2, 2, 96), conv(80, (1, 1), 96)),
        "conv-binary": ((4, 4, 8), conv(4, (3, 3), 8, bits=1)),
        "conv-unsigned-weights": ((4, 4, 3), conv(4, (2, 2), 3, bits=8, signed=False)),
        "maxpool-pads": ((4, 5, 3), MaxPool((3, 2), (1, 2), (2, 1, 0, 1))),
        "maxpool-stride-past-kernel": ((8, 7, 4), MaxPool((2, 2), (3, 5))),
        "maxpool-whole": ((3, 5, 2), MaxPool((3, 5), (1, 1))),
        "maxpool-one-pixel": ((1, 1, 6), MaxPool((2, 2), (1, 1), (1, 0, 0, 1))),
        "sumpool-overlaps": ((5, 6, 3), SumPool((3, 2), (1, 1))),
        "sumpool-whole": ((4, 3, 5), SumPool((4, 3), (2, 2))),
        "sumpool-stride-past-kernel": ((7, 9, 2), SumPool((1, 2), (4, 3))),
    }
    found += [windowed(name, shape, op) for name, (shape, op) in windows.items()]
    found += [
        windowed("maxpool-below-zero", (4, 4, 2), MaxPool((2, 2), (1, 1), (1, 1, 1, 1)), QType(-9, -2)),
        windowed("maxpool-bits", (4, 4, 2), MaxPool((2, 2), (2, 2), (1, 1, 1, 1)), QType(0, 1)),
        windowed("sumpool-words", (2, 2, 1), SumPool((2, 2), (1, 1)), QType(-(1 << 31), (1 << 31) - 1)),
        windowed("conv-bits", (4, 4, 2), conv(3, (2, 2), 2, pad=(1, 1, 1, 1), code=1), QType(0, 1)),
        thresholded("threshold-bipolar", 1, 2, -1, 3),
        thresholded("threshold-two", 2, 1, 0, 1),
        thresholded("threshold-three", 3, 1, -1, 3),
        thresholded("threshold-four", 4, 65536, -131072, 3),
        thresholded("threshold-many", 300, 1, -150, 3),
        thresholded("threshold-one-row", 63, 3, 7, 1),
        *(added(f"add-aligned-{align}", align) for align in (0, 1, 31)),
        doubled("one-edge-many-readers"),
        side_by_side("concat-five"),
        routed("route-input", "input"),
        routed("route-node", "node"),
        routed("route-coarse-codes", "node", True),
        flattened_logits("logits-flattened"),
        code_logits("logits-codes"),
        wide("sums-of-48-bits"),
        leaking("leaky-stream", 3),
        leaking("leaky-unsigned", 15, QType(0, 9)),
        leaking("leaky-below-zero", 2, QType(-9, -2)),
        leaking("leaky-word", 15, QType(-(1 << 31), (1 << 31) - 1)),
        leaking("leaky-sums", 1, before=conv(3, (2, 2), 2)),
        leaking("leaky-scales", 7, before=scaled(conv(3, (1, 2), 2), (0, 4, 1))),
        leaky_flat("leaky-flat"),
        leaky_everywhere("leaky-everywhere"),
        leaky_logits("leaky-logits"),
    ]
    return found
