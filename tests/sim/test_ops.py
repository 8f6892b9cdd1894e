"""Every operator against plain Python integers, extremes first; bounds sound, carriers exact."""

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    NetworkError,
    QType,
    Requant,
    Rounding,
    SumPool,
    Threshold,
    random_codes,
    random_network,
    run,
)
from crossloom.sim.ops import Edge
from crossloom.sim.types import bits_of, code_dtype

LIMIT24, LIMIT47, LIMIT53 = 1 << 24, 1 << 47, 1 << 53
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


# -- rounding and clip ------------------------------------------------------------------------------------------


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


# -- thresholds -------------------------------------------------------------------------------------------------


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


# -- layers -----------------------------------------------------------------------------------------------------


def _layer_types(data):
    bits = data.draw(st.sampled_from([2, 4, 8, 16]))
    weight_type = QType(-(1 << (bits - 1)) + data.draw(st.integers(0, 1)), (1 << (bits - 1)) - 1)
    bias_bits = data.draw(st.sampled_from([1, 6, 25, 32]))
    return weight_type, bias_bits


@FAST
@given(st.data())
def test_dense_equals_plain_sums(data):
    source = data.draw(code_types())
    weight_type, bias_bits = _layer_types(data)
    rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 20))
    weight = draw_codes(data.draw, (rows, columns), weight_type.lo, weight_type.hi)
    bias = draw_codes(data.draw, (rows,), -(1 << (bias_bits - 1)), (1 << (bias_bits - 1)) - 1)
    x = draw_codes(data.draw, (3, columns), source.lo, source.hi)
    codes, _ = evaluate(Dense(weight, bias, weight_type, bias_bits), [Edge((columns,), source)], x)
    assert codes.tolist() == [reference.dense(row, weight.tolist(), bias.tolist()) for row in x.tolist()]


TYPES = [QType(0, 1), QType(0, 15), QType(-1, 1), QType(-8, 7), QType(-128, 127), QType(3, 9), QType(-9, -3)]
# The widest code keeps every layer below the 48-bit limit, and its sums far above 2^24.
WIDE = QType(-(1 << 24), (1 << 24) - 1)


def corners(lo, hi, shape):
    """All lowest, all highest, and both in turn."""
    return [np.full(shape, lo), np.full(shape, hi), np.resize([lo, hi], np.prod(shape)).reshape(shape)]


@pytest.mark.parametrize("weight_type", [QType(-7, 7), QType(-8, 7), QType(-1, 1), QType(-(1 << 15), (1 << 15) - 1)])
@pytest.mark.parametrize("source", [*TYPES, WIDE])
def test_extreme_codes_times_extreme_weights_are_exact(source, weight_type):
    for bias in (-(1 << 24), (1 << 24) - 1):
        for weight in corners(weight_type.lo, weight_type.hi, (2, 3, 3, 2)):
            x = np.stack(corners(source.lo, source.hi, (4, 3, 4)))
            op = Conv2d(weight, np.array([bias, 0]), weight_type, 25, (2, 1), (2, 0, 0, 1), source.lo, 2)
            codes, _ = evaluate(op, [Edge((4, 3, 4), source)], x)
            wanted = [
                reference.conv2d(i, weight.tolist(), [bias, 0], op.stride, op.pad, source.lo, 2) for i in x.tolist()
            ]
            assert codes.tolist() == wanted
            flat, rows = x.reshape(3, -1), weight.reshape(1, -1)
            rows = np.resize(rows, (2, flat.shape[1]))
            codes, _ = evaluate(Dense(rows, op.bias, weight_type, 25), [Edge((flat.shape[1],), source)], flat)
            assert codes.tolist() == [reference.dense(i, rows.tolist(), [bias, 0]) for i in flat.tolist()]


@pytest.mark.parametrize("per_group", [1, 2])
def test_each_group_reads_its_own_channels_in_order(per_group):
    # Input channel c holds 10^c and output o weighs its own inputs by 1, 2, ..: the digits tell who read what.
    groups, each = 3, 2
    x = (10 ** np.arange(groups * per_group)).reshape(1, 1, -1)
    weight = np.resize(np.arange(1, per_group + 1), (groups * each, 1, 1, per_group)) + 3 * (
        np.arange(groups * each) % each
    ).reshape(-1, 1, 1, 1)
    op = Conv2d(weight, np.zeros(groups * each, int), QType(-7, 7), 1, groups=groups)
    codes, _ = evaluate(op, [Edge(x.shape, QType(0, 10**6))], x[None])
    wanted = {1: [1, 4, 10, 40, 100, 400], 2: [21, 54, 2100, 5400, 210000, 540000]}
    assert codes[0, 0, 0].tolist() == wanted[per_group]


@pytest.mark.parametrize("source", [*TYPES, WIDE])
def test_pools_and_joins_of_extreme_codes_are_exact(source):
    x = np.stack(corners(source.lo, source.hi, (4, 3, 2)))
    edge = Edge((4, 3, 2), source)
    for pad in ((0, 0, 0, 0), (1, 0, 0, 2), (0, 1, 2, 1)):
        codes, _ = evaluate(MaxPool((2, 3), (1, 2), pad), [edge], x)
        assert codes.tolist() == [reference.pool(i, (2, 3), (1, 2), pad, source.lo, max) for i in x.tolist()]
    for kernel in ((2, 2), (3, 3), (4, 1)):
        codes, output = evaluate(SumPool(kernel, (1, 1)), [edge], x)
        assert codes.tolist() == [reference.pool(i, kernel, (1, 1), (0, 0, 0, 0), 0, sum) for i in x.tolist()]
        window = kernel[0] * kernel[1]
        assert (output.type.lo, output.type.hi) == (source.lo * window, source.hi * window)
    for left, right in ((0, 0), (0, 22), (22, 0)):
        other = QType(source.lo, source.hi, right)
        edges = [Edge((4, 3, 2), QType(source.lo, source.hi, left)), Edge((4, 3, 2), other)]
        codes, output = evaluate(Add(), edges, x, x[::-1])
        top = max(left, right)
        assert codes.tolist() == [
            reference.operator(Add(), list(pair), [e.type for e in edges])
            for pair in zip(x.tolist(), x[::-1].tolist(), strict=True)
        ]
        assert output.type.hi == source.hi * 2 ** (top - left) + source.hi * 2 ** (top - right)
        assert output.magnitude >= max(abs(output.type.lo), abs(output.type.hi))


def test_streams_that_join_to_more_than_32_bits_are_refused():
    low, high = Edge((1,), QType(-(1 << 31), 0)), Edge((1,), QType(0, (1 << 32) - 1))
    with pytest.raises(NetworkError, match="33 bits; a stream edge has at most 32"):
        Concat().infer("join", [low, high], False)


@settings(max_examples=150)
@given(st.data())
def test_conv2d_equals_plain_sums(data):
    source = data.draw(code_types())
    weight_type, bias_bits = _layer_types(data)
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = data.draw(st.tuples(st.integers(kernel[0], 6), st.integers(kernel[1], 6)))
    groups = data.draw(st.integers(1, 3))
    per_group, out_per_group = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    stride = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pad = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
    code = data.draw(st.integers(source.lo, source.hi))
    shape = (groups * out_per_group, *kernel, per_group)
    weight = draw_codes(data.draw, shape, weight_type.lo, weight_type.hi)
    bias = draw_codes(data.draw, shape[:1], -(1 << (bias_bits - 1)), (1 << (bias_bits - 1)) - 1)
    x = draw_codes(data.draw, (2, *size, groups * per_group), source.lo, source.hi)
    op = Conv2d(weight, bias, weight_type, bias_bits, stride, pad, code, groups)
    codes, _ = evaluate(op, [Edge(x.shape[1:], source)], x)
    for i in range(2):
        wanted = reference.conv2d(x[i].tolist(), weight.tolist(), bias.tolist(), stride, pad, code, groups)
        assert codes[i].tolist() == wanted


@FAST
@given(st.data())
def test_pools_equal_plain_windows(data):
    source = data.draw(code_types())
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pad = tuple(data.draw(st.integers(0, k - 1)) for k in np.repeat(kernel, 2))
    size = data.draw(st.tuples(st.integers(kernel[0], 6), st.integers(kernel[1], 6)))
    x = draw_codes(data.draw, (2, *size, 2), source.lo, source.hi)
    edge = Edge(x.shape[1:], source)
    codes, _ = evaluate(MaxPool(kernel, stride, pad), [edge], x)
    assert codes.tolist() == [reference.pool(i, kernel, stride, pad, source.lo, max) for i in x.tolist()]
    codes, output = evaluate(SumPool(kernel, stride), [edge], x)
    assert codes.tolist() == [reference.pool(i, kernel, stride, (0, 0, 0, 0), 0, sum) for i in x.tolist()]
    window = kernel[0] * kernel[1]
    assert output.type.frac == (window.bit_length() - 1 if window in (1, 2, 4) else 0)


@FAST
@given(st.data())
def test_add_aligns_by_left_shifts_and_concat_joins(data):
    types = [data.draw(code_types()) for _ in range(2)]
    fracs = data.draw(st.tuples(st.integers(-3, 20), st.integers(-3, 20)))
    shape = data.draw(st.sampled_from([(3,), (2, 2, 3)]))
    xs = [draw_codes(data.draw, (2, *shape), t.lo, t.hi) for t in types]
    edges = [Edge(shape, QType(t.lo, t.hi, f)) for t, f in zip(types, fracs, strict=True)]
    codes, output = evaluate(Add(), edges, *xs)
    top = max(fracs)
    assert output.type.frac == top
    pairs = list(zip(*(x.tolist() for x in xs), strict=True))
    assert codes.tolist() == [reference.operator(Add(), list(pair), [e.type for e in edges]) for pair in pairs]
    edges = [Edge(shape, t) for t in types]
    codes, output = evaluate(Concat(), edges, *xs)
    assert codes.tolist() == [reference.operator(Concat(), list(pair), types) for pair in pairs]
    assert (output.type.lo, output.type.hi) == (min(t.lo for t in types), max(t.hi for t in types))


def test_flatten_puts_channels_last():
    x = np.arange(24).reshape(1, 2, 3, 4)
    codes, _ = evaluate(Flatten(), [Edge((2, 3, 4), QType(0, 23))], x)
    assert codes[0].tolist() == list(range(24))


# -- bounds and carriers ----------------------------------------------------------------------------------------


@FAST
@given(st.data())
def test_the_accumulator_range_of_a_dense_layer_is_reached_exactly(data):
    source = data.draw(code_types())
    weight = draw_codes(data.draw, (3, 7), -7, 7)
    bias = draw_codes(data.draw, (3,), -100, 100)
    op = Dense(weight, bias, QType(-7, 7), 8)
    drives = [np.where(row > 0, a, b) for row in weight for a, b in ((source.hi, source.lo), (source.lo, source.hi))]
    codes, output = evaluate(op, [Edge((7,), source)], np.stack(drives))
    assert (codes.min(), codes.max()) == (output.type.lo, output.type.hi)
    reach = np.abs(weight).astype(int) @ np.full(7, max(abs(source.lo), abs(source.hi))) + np.abs(bias)
    assert output.magnitude == reach.max()


@FAST
@given(st.data())
def test_no_partial_sum_in_any_order_passes_the_magnitude(data):
    source = data.draw(code_types())
    weight = draw_codes(data.draw, (3, 7), -7, 7)
    bias = draw_codes(data.draw, (3,), -100, 100)
    magnitude = Dense(weight, bias, QType(-7, 7), 8).infer("x", [Edge((7,), source)], False).magnitude
    row = data.draw(st.integers(0, 2))
    x = draw_codes(data.draw, (7,), source.lo, source.hi)
    terms = [*(int(w) * int(v) for w, v in zip(weight[row], x, strict=True)), int(bias[row])]
    # Greatest and least first reach farthest; any other order stays between.
    for order in (sorted(terms), sorted(terms, reverse=True), data.draw(st.permutations(terms))):
        assert all(abs(sum(order[:n])) <= magnitude for n in range(len(order) + 1))


@pytest.mark.parametrize("source", [*TYPES, WIDE])
def test_the_range_of_sums_of_streams_and_of_windows_is_reached_exactly(source):
    edge = Edge((3, 3, 2), source)
    ends = np.stack([np.full(edge.shape, source.lo), np.full(edge.shape, source.hi)])
    codes, output = evaluate(SumPool((2, 3), (1, 1)), [edge], ends)
    assert (codes.min(), codes.max()) == (output.type.lo, output.type.hi)
    assert output.magnitude == 6 * max(abs(source.lo), abs(source.hi))
    for frac in (0, 3):
        other = Edge(edge.shape, QType(-5, 2, frac))
        codes, output = evaluate(Add(), [edge, other], ends, np.stack([np.full(edge.shape, v) for v in (-5, 2)]))
        assert (codes.min(), codes.max()) == (output.type.lo, output.type.hi)
        assert output.magnitude == (max(abs(source.lo), abs(source.hi)) << frac) + 5
    weight = np.resize([7, -7, 3], (1, 3, 3, 2))
    drives = [np.where(weight[0] > 0, a, b) for a, b in ((source.lo, source.hi), (source.hi, source.lo))]
    codes, output = evaluate(Conv2d(weight, np.array([-9]), QType(-7, 7), 5), [edge], np.stack(drives))
    assert codes.ravel().tolist() == [output.type.lo, output.type.hi]


@FAST
@given(st.data())
def test_banked_bounds_hold_for_any_weights_of_the_type(data):
    source = data.draw(code_types())
    weight_type, bias_bits = _layer_types(data)
    limit = 1 << (bias_bits - 1)
    wide = Dense(np.zeros((2, 5), int), np.zeros(2, int), weight_type, bias_bits)
    edge = Edge((5,), source)
    bound = wide.infer("bank", [edge], True)
    for w in (weight_type.lo, weight_type.hi):
        for b in (-limit, limit - 1):
            op = Dense(np.full((2, 5), w), np.full(2, b), weight_type, bias_bits)
            own = op.infer("own", [edge], False)
            assert bound.type.lo <= own.type.lo <= own.type.hi <= bound.type.hi
            assert own.magnitude <= bound.magnitude
    assert (
        bound.type
        == Dense(np.ones((2, 5), int), np.zeros(2, int), weight_type, bias_bits).infer("x", [edge], True).type
    )


@pytest.mark.parametrize(("bias", "carrier"), [(LIMIT24 - 2, np.float32), (LIMIT24 - 1, np.float64)])
def test_float32_carries_sums_below_2_to_the_24_and_no_more(bias, carrier):
    op = Dense(np.array([[1]]), np.array([bias]), QType(-1, 1), 32)
    codes, output = evaluate(op, [Edge((1,), QType(0, 1))], np.array([[1], [0]]))
    assert output.carrier == carrier
    assert codes.tolist() == [[bias + 1], [bias]]


@pytest.mark.parametrize(("reach", "carrier"), [(LIMIT24 - 1, np.float32), (LIMIT24, np.float64)])
def test_every_kind_of_edge_changes_its_carrier_at_2_to_the_24(reach, carrier):
    assert Edge((1,), QType(0, reach)).carrier == carrier
    assert Edge((1,), QType(-reach, 0)).carrier == carrier
    assert Edge((1,), QType(0, 1), True, reach).carrier == carrier
    quarter = Edge((2, 2, 1), QType(0, -(-reach // 4)))
    assert SumPool((2, 2), (2, 2)).infer("x", [quarter], False).carrier == (
        np.float32 if 4 * quarter.type.hi < LIMIT24 else np.float64
    )
    one = Edge((1,), QType(0, 1))
    assert Add().infer("x", [Edge((1,), QType(0, reach - 1)), one], False).carrier == carrier


@pytest.mark.parametrize("odd", [LIMIT24 + 1, LIMIT24 + 3, 2 * LIMIT24 - 1])
def test_odd_codes_between_2_to_the_24_and_25_survive_every_operator(odd):
    edge, x = Edge((1, 1, 1), QType(0, odd)), np.array([[[[odd]]], [[[odd - 2]]]])
    one = np.array([[[[1]]]])
    for op in (MaxPool((1, 1), (1, 1)), SumPool((1, 1), (1, 1)), Flatten(), Conv2d(one, np.zeros(1, int), WIDE8, 1)):
        assert evaluate(op, [edge], x)[0].ravel().tolist() == [odd, odd - 2]
    zero = Edge((1, 1, 1), QType(0, 1))
    assert evaluate(Add(), [edge, zero], x, x * 0)[0].ravel().tolist() == [odd, odd - 2]
    assert evaluate(Concat(), [zero, edge], x * 0, x)[0].ravel().tolist() == [0, odd, 0, odd - 2]


WIDE8 = QType(-128, 127)


@pytest.mark.parametrize("over", [0, 1])
def test_partial_sums_are_exact_just_below_2_to_the_53_and_refused_at_it(over):
    # Codes lo..hi of one sign and weights that cancel: a narrow result, with partial sums as wide as floats allow.
    top = 1 << 31
    weight = np.array([[32767] * 64 + [-32767] * 64 + [1]])
    bias = LIMIT53 - 1 - top * (128 * 32767 + 1) + over
    assert 0 < bias < LIMIT47
    op = Dense(weight, np.array([bias]), QType(-32767, 32767), 48)
    edge = Edge((129,), QType(top - 1, top))
    if over:
        with pytest.raises(NetworkError, match=r"partial sums up to 9007199254740992.*sums below 2\^53"):
            op.infer("x", [edge], False)
        return
    x = np.array([[top] * 129, [top - 1] * 64 + [top] * 65, [top] * 128 + [top - 1]])
    codes, output = evaluate(op, [edge], x)
    assert output.magnitude == LIMIT53 - 1
    assert codes[:, 0].tolist() == [reference.dense(i, weight.tolist(), [bias])[0] for i in x.tolist()]


def test_odd_sums_just_above_2_to_the_24_are_exact():
    weight = np.full((1, 257), 255)
    op = Dense(weight, np.array([255 * 257]), QType(-255, 255), 20)
    codes, output = evaluate(op, [Edge((257,), QType(0, 255))], np.array([[255] * 256 + [254], [255] * 257]))
    assert output.magnitude < LIMIT24 + 255 * 257
    assert codes.tolist() == [[255 * 255 * 257 - 255 + 255 * 257], [255 * 255 * 257 + 255 * 257]]
    wide = Dense(np.array([[1]]), np.array([LIMIT24 + 1]), QType(-1, 1), 32)
    codes, output = evaluate(wide, [Edge((1,), QType(0, 1))], np.array([[1], [0]]))
    assert codes.tolist() == [[LIMIT24 + 2], [LIMIT24 + 1]]


def test_partial_sums_that_cancel_still_choose_the_wide_carrier():
    # The result is small; the sum on the way is not.
    weight = np.array([[32767] * 200 + [-32767] * 200])
    op = Dense(weight, np.array([1]), QType(-32768, 32767), 2)
    edge = Edge((400,), QType(254, 255))
    codes, output = evaluate(op, [edge], np.array([[255] * 400, [254] * 200 + [255] * 200]))
    assert max(abs(output.type.lo), abs(output.type.hi)) < LIMIT24 <= output.magnitude
    assert output.carrier == np.float64
    assert codes.tolist() == [[1], [1 - 32767 * 200]]


@pytest.mark.parametrize(
    ("lo", "hi", "bits", "dtype"),
    [
        (0, 0, 1, "<i1"),
        (0, 1, 1, "<i1"),
        (-1, 0, 1, "<i1"),
        (-1, 1, 2, "<i1"),
        (0, 127, 7, "<i1"),
        (0, 128, 8, "<i2"),
        (-128, 127, 8, "<i1"),
        (-129, 0, 9, "<i2"),
        (0, 32768, 16, "<i4"),
        (-(1 << 31), 0, 32, "<i4"),
        (0, 1 << 31, 32, "<i8"),
    ],
)
def test_widths_and_dtypes_hold_their_range_and_no_more(lo, hi, bits, dtype):
    assert bits_of(lo, hi) == bits
    assert code_dtype(lo, hi) == np.dtype(dtype)


# -- whole networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_every_edge_of_random_networks_equals_the_reference(seed):
    net = random_network(seed, 5)
    codes = random_codes(net, seed, 6)
    result = run(net, codes=codes, edges=net.edges)
    for i, image in enumerate(codes.tolist()):
        edges, label, branch = reference.network(net, image)
        for name, wanted in edges.items():
            assert result.edges[name][i].tolist() == wanted, name
        assert result.labels[i] == label
        if branch is not None:
            assert result.branch[i] == branch
