"""Bounds of operators are sound and reached, and their carriers exact."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from operators import FAST, LIMIT24, LIMIT47, LIMIT53, TYPES, WIDE, code_types, draw_codes, evaluate, layer_types

from crossloom.sim import Add, Concat, Conv2d, Dense, Flatten, MaxPool, NetworkError, QType, SumPool
from crossloom.sim.ops import Edge
from crossloom.sim.types import bits_of, code_dtype


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
    weight_type, bias_bits = layer_types(data)
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
