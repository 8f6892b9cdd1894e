"""Requant and Threshold against plain Python integers, around every tie and limit of floats."""

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from operators import FAST, LIMIT24, LIMIT47, acc, evaluate

from crossloom.sim import QType, Requant, Rounding, Threshold
from crossloom.sim.ops import Edge


@settings(max_examples=400)
@given(
    st.integers(-LIMIT47, LIMIT47 - 1),
    st.integers(-16, 47),
    st.sampled_from(list(Rounding)),
    st.sampled_from(
        [QType(0, 15), QType(-8, 7), QType(-1, 1), QType(-(1 << 31), (1 << 31) - 1), QType(0, (1 << 32) - 1)]
    ),
)
@example(-LIMIT47, 47, Rounding.HALF_UP, QType(-8, 7))
@example(LIMIT47 - 1, -16, Rounding.HALF_EVEN, QType(-(1 << 31), (1 << 31) - 1))
@example(LIMIT24 - 1, 25, Rounding.HALF_UP, QType(-8, 7))
@example(LIMIT24 - 1, 24, Rounding.HALF_UP, QType(-8, 7))
@example(-3, 1, Rounding.HALF_EVEN, QType(-8, 7))
@example(-1, 1, Rounding.HALF_UP, QType(-8, 7))
@example(5, 1, Rounding.HALF_EVEN, QType(-8, 7))
@example((1 << 31) - 1, 0, Rounding.FLOOR, QType(-(1 << 31), (1 << 31) - 1))
@example((1 << 23) + 1, 0, Rounding.HALF_UP, QType(-LIMIT24 + 1, LIMIT24 - 1))
@example(-(1 << 23) - 1, 0, Rounding.HALF_UP, QType(-LIMIT24 + 1, LIMIT24 - 1))
@example(1 << 20, -16, Rounding.FLOOR, QType(-(1 << 31), (1 << 31) - 1))
def test_requant_equals_the_rounded_fraction(value, shift, rounding, out):
    op = Requant(np.array([shift]), rounding, QType(out.lo, out.hi, -shift))
    wanted = reference.requant(value, shift, rounding.value, out.lo, out.hi)
    # The tightest edge chooses the narrowest float that may carry it; the widest one the other.
    for edge in (acc(min(value, 0), max(value, 0)), acc(-LIMIT47, LIMIT47 - 1)):
        codes, _ = evaluate(op, [edge], np.array([[value]]))
        assert codes[0, 0] == wanted


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("shift", range(-16, 48))
def test_requant_is_exact_around_every_tie_and_float_limit(rounding, shift):
    half = 1 << max(shift - 1, 0)
    corners = [0, half, 3 * half, 5 * half, LIMIT24 // 2, LIMIT24, LIMIT47 - 1]
    values = np.unique([s * c + d for c in corners for d in (-2, -1, 0, 1, 2) for s in (-1, 1)])
    for reach in (LIMIT24 - 2, LIMIT24 - 1, LIMIT24, LIMIT47 - 1):
        some = values[np.abs(values) <= reach]
        # Outputs whose codes float32 carries, just and no more, and one that needs float64.
        for limit in (8, LIMIT24 - 1, LIMIT24, 1 << 31):
            out = QType(-limit, limit - 1, -shift)
            codes, _ = evaluate(Requant(np.array([shift]), rounding, out), [acc(-reach, reach)], some[:, None])
            wanted = [reference.requant(int(v), shift, rounding.value, out.lo, out.hi) for v in some]
            assert codes[:, 0].tolist() == wanted


def test_requant_shifts_each_channel_by_its_own():
    shift = np.array([-2, 0, 1, 3])
    edge = Edge((4,), QType(-100, 100, tuple(int(s) for s in shift)), True, 100)
    values = np.arange(-100, 101)[:, None].repeat(4, 1)
    codes, _ = evaluate(Requant(shift, Rounding.HALF_EVEN, QType(-31, 31)), [edge], values)
    for c in range(4):
        assert codes[:, c].tolist() == [
            reference.requant(v, int(shift[c]), "half_even", -31, 31) for v in range(-100, 101)
        ]


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("shifts", [(0, 1, 24, -16), (0, 1, -1, -16)])
def test_requant_shifts_channels_of_an_image_by_their_own_however_far_apart(shifts, rounding):
    shift = np.array(shifts)
    reach, shape = LIMIT24 - 2, (2, 3, 4)
    edge = Edge(shape, QType(-reach, reach, tuple(int(s) for s in shift)), True, reach)
    corners = [0, 1, -1, 3, -3, LIMIT24 // 2 + 1, -LIMIT24 // 2 - 1, reach, -reach, LIMIT24 // 4 + 1, LIMIT24 // 2]
    values = np.resize(np.repeat(corners, 4), (11, *shape))
    out = QType(-LIMIT24 + 1, LIMIT24 - 1)
    codes, _ = evaluate(Requant(shift, rounding, out), [edge], values)
    for index in np.ndindex(codes.shape):
        wanted = reference.requant(int(values[index]), int(shift[index[-1]]), rounding.value, out.lo, out.hi)
        assert codes[index] == wanted


@FAST
@given(st.data())
def test_threshold_counts_what_it_reaches(data):
    reach = data.draw(st.sampled_from([3, 40, LIMIT24 - 2, LIMIT24, LIMIT47 - 2]))
    count = data.draw(st.sampled_from([1, 2, 15, 16, 17, 40]))
    channels, rows = data.draw(st.sampled_from([(1, 1), (3, 3), (3, 1)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 31)))
    table = rng.integers(-reach, reach + 1, (rows, count), endpoint=True)
    table[rng.random(table.shape) < 0.2] = reach + 1
    table[rng.random(table.shape) < 0.2] = -reach
    table = np.sort(table, axis=1)
    base, step = data.draw(st.sampled_from([(0, 1), (-1, 2), (-7, 3)]))
    edge = acc(-reach, reach, (channels,))
    near = [v for t in table.ravel().tolist() for v in (t - 1, t, t + 1)] + [-reach, reach]
    values = np.clip(rng.choice(near, (30, channels)), -reach, reach)
    codes, _ = evaluate(Threshold(table, base, step, 0), [edge], values)
    for i, row in enumerate(values.tolist()):
        wanted = [reference.threshold(v, table[c % rows].tolist(), base, step) for c, v in enumerate(row)]
        assert codes[i].tolist() == wanted


def test_a_threshold_of_hi_plus_one_never_fires_and_one_of_lo_always_does():
    edge = acc(-8, 7)
    codes, _ = evaluate(Threshold(np.array([[-8, 8]]), 0, 1, 0), [edge], np.arange(-8, 8)[:, None])
    assert (codes == 1).all()


@pytest.mark.parametrize("count", [16, 17])
def test_equal_thresholds_count_once_each(count):
    edge = acc(-8, 7, (2,))
    table = np.stack([np.full(count, 3), np.repeat([-8, 8], [count - 1, 1])])
    codes, _ = evaluate(Threshold(table, -1, 2, 0), [edge], np.repeat(np.arange(-8, 8), 2).reshape(16, 2))
    assert codes[:, 0].tolist() == [-1] * 11 + [-1 + 2 * count] * 5
    assert codes[:, 1].tolist() == [-1 + 2 * (count - 1)] * 16


def test_many_channels_of_widest_accumulators_are_still_told_apart():
    channels, count = 1 << 16, 17
    rng = np.random.default_rng(0)
    table = np.sort(rng.integers(-LIMIT47, LIMIT47, (channels, count), endpoint=True), axis=1)
    values = rng.integers(-LIMIT47, LIMIT47, (1, channels))
    codes, _ = evaluate(Threshold(table, 0, 1, 0), [acc(-LIMIT47, LIMIT47 - 1, (channels,))], values)
    for c in (0, 1, channels // 2 - 1, channels // 2, channels - 1, *rng.integers(0, channels, 500)):
        assert codes[0, c] == reference.threshold(int(values[0, c]), table[c].tolist(), 0, 1)
