"""One operator on its own: evaluated and checked, and codes of every type to evaluate it with."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from crossloom.sim import QType
from crossloom.sim.ops import Edge

LIMIT24 = 1 << 24
LIMIT47 = 1 << 47
LIMIT53 = 1 << 53
FAST = settings(max_examples=60)


def evaluate(op, edges, *batches, banked=False):
    """Run an operator's kernel on integer batches; check range, and that integers stay integers."""
    output = op.infer("test", edges, banked)
    y = op.kernel(edges, output)(*(np.asarray(b).astype(e.carrier) for b, e in zip(batches, edges, strict=True)))
    assert y.dtype == output.carrier
    codes = y.astype(np.int64)
    assert np.array_equal(codes, y)
    assert codes.shape[1:] == output.shape
    assert output.type.lo <= codes.min() <= codes.max() <= output.type.hi
    return codes, output


def acc(lo, hi, shape=(1,), frac=0, magnitude=None):
    return Edge(shape, QType(lo, hi, frac), True, max(abs(lo), abs(hi)) if magnitude is None else magnitude)


@st.composite
def code_types(draw, least=1, most=8):
    bits = draw(st.integers(least, most))
    return draw(
        st.sampled_from(
            [
                QType(0, (1 << bits) - 1),
                QType(-(1 << bits >> 1), (1 << bits >> 1) - (bits > 1)),
                QType(-1, 1),
                QType(-(1 << bits) + 1, (1 << bits) - 1),
                QType(3, 3 + (1 << bits)),
                QType(-(1 << bits) - 2, -2),
            ]
        )
    )


def draw_codes(draw, shape, lo, hi):
    """Codes of a type: all lowest, all highest, or drawn, extremes often."""
    seed = draw(st.integers(0, 1 << 31))
    rng = np.random.default_rng(seed)
    style = draw(st.sampled_from(["low", "high", "ends", "any"]))
    if style in ("low", "high"):
        return np.full(shape, lo if style == "low" else hi)
    if style == "ends":
        return rng.choice([lo, hi], shape)
    return rng.integers(lo, hi, shape, endpoint=True)


def layer_types(data):
    bits = data.draw(st.sampled_from([2, 4, 8, 16]))
    weight_type = QType(-(1 << (bits - 1)) + data.draw(st.integers(0, 1)), (1 << (bits - 1)) - 1)
    bias_bits = data.draw(st.sampled_from([1, 6, 25, 32]))
    return weight_type, bias_bits


TYPES = [QType(0, 1), QType(0, 15), QType(-1, 1), QType(-8, 7), QType(-128, 127), QType(3, 9), QType(-9, -3)]
# The widest code keeps every layer below the 48-bit limit, and its sums far above 2^24.
WIDE = QType(-(1 << 24), (1 << 24) - 1)


def corners(lo, hi, shape):
    """All lowest, all highest, and both in turn."""
    return [np.full(shape, lo), np.full(shape, hi), np.resize([lo, hi], np.prod(shape)).reshape(shape)]
