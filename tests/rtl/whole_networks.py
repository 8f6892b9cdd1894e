"""Networks that read an image as a whole: by Dense behind Flatten, or by a convolution as large as it is."""

import numpy as np

from crossloom.sim import Network
from crossloom.sim.builder import Section, finish
from crossloom.sim.network import INPUT, Input
from crossloom.sim.ops import Add, Concat, Conv2d, Dense, Flatten, MaxPool, Requant, Threshold
from crossloom.sim.types import QType, Rounding

CODES, WEIGHTS = QType(-3, 12, 4), QType(-7, 7, 0)


class Drawing:
    """Layers with random weights, appended one behind the other."""

    def __init__(self, shape, seed=0):
        self.rng = np.random.default_rng(seed)
        self.input = Input(shape, CODES, (np.arange(256) % 16 - 3)[:, None])
        self.section = Section.of_input(self.input)

    def linear(self, source, kind, *shape, **how):
        weight, bias = self.rng.integers(-7, 8, shape), self.rng.integers(-99, 100, shape[0])
        return self.section.add(kind(weight, bias, WEIGHTS, 8, **how), source)

    def codes(self, source, frac=4, shift=5):
        edge = self.section.edges[source]
        requant = Requant([shift], Rounding.HALF_EVEN, QType(CODES.lo, CODES.hi, edge.type.common_frac - shift))
        return self.section.add(requant, source)

    def dense(self, source, outputs):
        """Dense behind Flatten where its source is an image."""
        edge = self.section.edges[source]
        source = self.section.add(Flatten(), source) if len(edge.shape) > 1 else source
        return self.linear(source, Dense, outputs, edge.size)

    def network(self, name):
        scores = self.section.edges[self.section.last].size
        return finish(name, self.input, self.section, tuple(f"class {i}" for i in range(scores)))


def perceptron(shape, outputs, *, convolved=False) -> Network:
    """Dense layers of so many outputs; the first one is a convolution as large as the image if asked."""
    drawn = Drawing(shape)
    last = drawn.linear(INPUT, Conv2d, outputs[0], *shape) if convolved else drawn.dense(INPUT, outputs[0])
    for count in outputs[1:]:
        last = drawn.dense(drawn.codes(last), count)
    return drawn.network("perceptron")


def made_whole(shape, channels, outputs, kind="requant") -> Network:
    """A few channels on images, quantized in one of four ways, and Dense on them."""
    drawn = Drawing(shape)
    sums = drawn.linear(INPUT, Conv2d, channels, 3, 3, shape[2], pad=(1, 1, 1, 1))
    if kind == "threshold":
        levels = np.sort(drawn.rng.integers(-200, 200, (channels, 7)), axis=1)
        last = drawn.section.add(Threshold(levels, -3, 1, 0), sums)
    else:
        last = drawn.codes(sums)
    if kind == "maxpool":
        last = drawn.section.add(MaxPool((2, 2), (2, 2)), last)
    if kind == "concat":
        last = drawn.section.add(Concat(), last, last)
    drawn.dense(last, outputs)
    return drawn.network(f"made-whole-{kind}")


def read_both_ways(shape=(7, 5, 1)) -> Network:
    """An image and codes of it that are read as a whole and by convolutions as well."""
    drawn = Drawing(shape)
    first = drawn.codes(drawn.dense(INPUT, 6), shift=7)
    codes = drawn.codes(drawn.linear(INPUT, Conv2d, 3, 3, 3, shape[2], pad=(1, 1, 1, 1)))
    second = drawn.codes(drawn.dense(codes, 6), shift=8)
    pooled = drawn.codes(drawn.linear(codes, Conv2d, 2, 2, 2, 3))
    third = drawn.codes(drawn.dense(pooled, 6), shift=9)
    joined = drawn.codes(drawn.section.add(Add(), drawn.codes(drawn.section.add(Add(), first, second), 2), third), 2)
    drawn.dense(joined, 3)
    return drawn.network("both-ways")
