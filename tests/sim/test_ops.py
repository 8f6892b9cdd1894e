"""Layers, pools and joins against plain Python integers, extremes first; then whole networks."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from operators import FAST, TYPES, WIDE, code_types, corners, draw_codes, evaluate, layer_types

from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    NetworkError,
    QType,
    SumPool,
    random_codes,
    random_network,
    run,
)
from crossloom.sim.ops import Edge


@FAST
@given(st.data())
def test_dense_equals_plain_sums(data):
    source = data.draw(code_types())
    weight_type, bias_bits = layer_types(data)
    rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 20))
    weight = draw_codes(data.draw, (rows, columns), weight_type.lo, weight_type.hi)
    bias = draw_codes(data.draw, (rows,), -(1 << (bias_bits - 1)), (1 << (bias_bits - 1)) - 1)
    x = draw_codes(data.draw, (3, columns), source.lo, source.hi)
    codes, _ = evaluate(Dense(weight, bias, weight_type, bias_bits), [Edge((columns,), source)], x)
    assert codes.tolist() == [reference.dense(row, weight.tolist(), bias.tolist()) for row in x.tolist()]


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
    weight_type, bias_bits = layer_types(data)
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


@pytest.mark.parametrize("seed", [*range(25), *range(2001, 2010)])
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
