"""Weights and inputs as levels and bits, and converters and gains, each exact where it says so."""

import numpy as np
import pytest
from random_layers import conv, edges_of

from crossloom.sim import InputError, QType
from crossloom.sim.crossbar.mapping import blocks, place_values, planes
from crossloom.sim.crossbar.readout import Adc, calibrated_range, fitted_gain, full_range
from crossloom.sim.crossbar.spec import ArraySpec


@pytest.mark.parametrize("type_", [QType(0, 15), QType(0, 1), QType(-8, 7), QType(-1, 1), QType(-5, 17), QType(0, 200)])
def test_planes_with_their_worth_give_back_every_code(type_):
    codes = np.arange(type_.lo, type_.hi + 1)
    bits = planes(codes, type_)
    assert bits.shape == (type_.bits, len(codes))
    assert np.array_equal(np.einsum("j,jv->v", place_values(type_), bits), codes)


@pytest.mark.parametrize("weight_type", [QType(-7, 7), QType(-8, 7), QType(0, 3), QType(-1, 1), QType(-2, 300)])
@pytest.mark.parametrize("cell_bits", [1, 2, 3])
def test_levels_with_their_factors_give_back_every_weight(weight_type, cell_bits):
    rng = np.random.default_rng(0)
    bits = max(-weight_type.lo, weight_type.hi).bit_length()
    op = conv(rng, weight_type, (9, 2, 3, 4), groups=3)
    if cell_bits > bits:
        with pytest.raises(InputError, match=f"layer: {cell_bits} bits a cell; .* needed 1 to {bits}"):
            blocks("layer", op, ArraySpec(cell_bits=cell_bits))
        return
    found = np.zeros((3, 24, 9))
    for block in blocks("layer", op, ArraySpec(rows=5, columns=20, cell_bits=cell_bits)):
        assert block.levels.max() < 1 << cell_bits
        assert block.levels.shape[0] <= 5 and block.levels.shape[1] <= 20
        found[block.group, block.rows, block.outputs] += block.levels @ block.combine
    for group in range(3):
        own = slice(3 * group, 3 * group + 3)
        assert np.array_equal(found[group][:, own], op.weight[own].reshape(3, -1).T)
        found[group][:, own] = 0
    assert not found.any()


def test_patches_times_weights_equal_the_operator_for_groups_strides_and_padding_codes():
    rng = np.random.default_rng(1)
    op = conv(rng, QType(-7, 7), (6, 3, 2, 2), stride=(2, 1), pad=(1, 2, 0, 1), pad_code=-3, groups=2)
    x, y = edges_of(op, (7, 6, 4), QType(-8, 7))
    codes = rng.integers(-8, 8, (5, 7, 6, 4))
    every = op.patches(codes)
    found = [every[g] @ op.weight[3 * g : 3 * g + 3].reshape(3, -1).T for g in range(2)]
    expected = op.kernel([x], y)(codes.astype(np.float32))
    assert np.array_equal(np.concatenate(found, axis=1).reshape(expected.shape) + op.bias, expected)


def test_the_converter_rounds_halves_up_clips_and_counts_the_top_only():
    counts = np.array([[-3.0, 0.49, 0.5], [7.49, 7.5, 90.0]])
    assert Adc(0, 7).convert(counts) == 2
    assert counts.tolist() == [[0, 0, 1], [7, 7, 7]]
    counts = np.array([[3.0, 5.0, 14.9]])
    assert Adc(1, 7).convert(counts) == 0
    assert counts.tolist() == [[4, 6, 14]]


def test_a_full_range_is_lossless_exactly_where_its_codes_reach_every_count():
    counts = np.arange(129.0)
    for bits, lossless in ((None, 129), (8, 129), (7, 128)):
        found = counts.copy()
        clipped = full_range(128, bits).convert(found)
        assert np.count_nonzero(found == counts) == lossless and clipped == 129 - lossless
    assert full_range(128, 6) == Adc(1, 63)


def test_a_calibrated_range_takes_the_finest_step_that_clips_no_more_than_its_share():
    counts = [np.concatenate([np.full(999, 6.0), [30.0]])]
    assert calibrated_range(counts, 128, ArraySpec(adc_bits=5, clip_share=1e-3)) == Adc(-2, 31)
    assert calibrated_range(counts, 128, ArraySpec(adc_bits=5, clip_share=9e-4)) == Adc(0, 31)
    assert calibrated_range(counts, 128, ArraySpec(adc_bits=None)) == Adc(0, 128)


def test_a_gain_is_the_least_squares_factor_in_steps_of_two_to_minus_15():
    found = np.array([[1.0, 0.0, 1.0], [3.0, 0.0, 1.0]])
    wanted = np.array([[2.0, 5.0, 9.0], [5.0, 5.0, 9.0]])
    gain = fitted_gain(wanted, found)
    assert gain.tolist() == [round(1.7 * 32768) / 32768, 1.0, 65535 / 32768]
