"""The integer model against its own definition, written once more with loops."""

import numpy as np
import pytest

from crossloom.rtl.tile.campaign import random_cells, random_config, random_inputs
from crossloom.sim.crossbar.twin import plain_config, segment_masks, twin_product
from crossloom.sim.errors import InputError


def by_the_book(config, cells, x):
    """One frame, in Python's own integers."""
    result = []
    for c in range(config.columns):
        acc = 0
        for bit in range(config.bits):
            weight = -(2**bit) if config.signed and bit == config.bits - 1 else 2**bit
            for s in range(config.segments):
                count = sum(
                    (int(x[config.permutation[r]]) >> bit & 1) * int(config.masks[s, r]) * int(cells[r, c])
                    for r in range(config.rows)
                )
                t = int(config.table[c, s * 2**config.field + min(count, 2**config.field - 1)])
                acc += weight * min(max((t * config.adc_scale + config.adc_offset) >> 16, 0), config.adc_top)
        result.append(min(max((acc * int(config.gain[c]) + 2**14) >> 15, -(2**15)), 2**15 - 1))
    return result


@pytest.mark.parametrize("seed", range(20))
def test_the_model_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    config, cells = random_config(rng, 64, 4), random_cells(rng, 64, 4)
    x = random_inputs(rng, config, 3)
    assert twin_product(config, cells, x).y.tolist() == [by_the_book(config, cells, frame) for frame in x]


@pytest.mark.parametrize("segments", [1, 2, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_an_ideal_tile_is_a_matrix_product(segments, signed):
    rng = np.random.default_rng(1)
    config, cells = plain_config(128, 16, segments, signed=signed), random_cells(rng, 128, 16)
    x = rng.integers(config.lowest, config.highest + 1, (5, 128))
    np.testing.assert_array_equal(twin_product(config, cells, x).y, x @ cells.astype(np.int64))


@pytest.mark.parametrize(
    "change",
    [
        *({"bits": b} for b in (0, 9)),
        {"adc_scale": 65536},
        {"adc_offset": 2**31},
        {"adc_top": 256},
        {"gain": np.full(4, 65536)},
        {"gain": np.full(4, 1.0)},
        {"permutation": np.full(64, 64)},
        {"permutation": np.arange(48)},
        {"masks": np.ones((3, 64), dtype=bool)},
        {"masks": np.ones((1, 64))},
        {"table": np.zeros((4, 64), dtype=int)},
        {"nothing": 1},
    ],
)
def test_a_bad_configuration_is_refused(change):
    with pytest.raises(InputError):
        plain_config(64, 4, **change)


def test_bad_operands_are_refused():
    config, cells = plain_config(32, 4, bits=4), np.ones((32, 4))
    for x in (np.full((1, 32), 16), np.full((1, 32), -1), np.ones((1, 31), int), np.ones((1, 32)), np.ones(32, int)):
        with pytest.raises(InputError):
            twin_product(config, cells, x)
    with pytest.raises(InputError):
        twin_product(config, cells * 2, np.zeros((1, 32), int))
    with pytest.raises(InputError):
        segment_masks(128, 48)
