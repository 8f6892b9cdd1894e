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
FAST = settings(max_examples=60, deadline=None)


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


@settings(max_examples=400, deadline=None)
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
    corners = [0, half, 3 * half, 5 * half, LIMIT24, LIMIT47 - 1]
    values = np.unique([s * c + d for c in corners for d in (-2, -1, 0, 1, 2) for s in (-1, 1)])
    for reach in (LIMIT24 - 1, LIMIT47 - 1):
        some = values[np.abs(values) <= reach]
        for out in (QType(-8, 7, -shift), QType(-(1 << 31), (1 << 31) - 1, -shift)):
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


@settings(max_examples=150, deadline=None)
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
    assert codes.tolist() == (xs[0] * 2 ** (top - fracs[0]) + xs[1] * 2 ** (top - fracs[1])).tolist()
    edges = [Edge(shape, t) for t in types]
    codes, output = evaluate(Concat(), edges, *xs)
    assert codes.tolist() == np.concatenate(xs, axis=-1).tolist()
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


@pytest.mark.parametrize("seed", range(30))
def test_every_edge_of_random_networks_equals_the_reference(seed):
    net = random_network(seed, 4)
    codes = random_codes(net, seed, 6)
    result = run(net, codes=codes, edges=net.edges)
    for i, image in enumerate(codes.tolist()):
        edges, label, branch = reference.network(net, image)
        for name, wanted in edges.items():
            assert result.edges[name][i].tolist() == wanted, name
        assert result.labels[i] == label
        if branch is not None:
            assert result.branch[i] == branch
