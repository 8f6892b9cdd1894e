"""Networks on digital twins: tables from the physics, the tile's arithmetic, and the distance between the two."""

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.sim import InputError, load, run
from crossloom.sim.crossbar import ArraySpec, Physics, build_network, plan_network
from crossloom.sim.crossbar.cells import ideal_cells
from crossloom.sim.crossbar.twin import twin_product
from crossloom.sim.crossbar.twin_layers import compare_twins, tabulate, tile_config, twin_network

SPECS = {
    "all rows": ArraySpec(),
    "parts, gain and an order": ArraySpec(active_rows=32, gain=True, order="greedy"),
    "coarse codes": ArraySpec(adc_bits=5),
    "fine codes": ArraySpec(adc_range="calibrated", active_rows=64),
}


@pytest.fixture(scope="module")
def digits():
    return load(find_design("digits-cnn"))


def twins(artifact, spec, rho=2e-3):
    images = artifact.golden.inputs[:24]
    built = build_network(plan_network(artifact.network, spec, images, samples=True), Physics(rho=rho, variation=True))
    return built, twin_network(built)


@pytest.mark.parametrize("case", SPECS)
def test_a_layer_of_twins_is_what_its_tiles_compute(digits, case):
    _, twin = twins(digits, SPECS[case])
    rng = np.random.default_rng(1)
    for layer in twin.layers.values():
        plan = layer.plan
        x = rng.integers(plan.input.type.lo, plan.input.type.hi, (3, *plan.input.shape), endpoint=True)
        every = plan.op.patches(x)
        total = np.zeros((every.shape[1], plan.output.channels))
        for array in layer.arrays:
            block = array.placed.block
            config, cells = tile_config(layer, array)
            inputs = np.zeros((every.shape[1], 128), np.int64)
            used = every[block.group][:, block.rows]
            inputs[:, : used.shape[1]] = used
            y = twin_product(config, cells, inputs).y
            assert not y[:, len(array.gain) :].any()
            total[:, block.outputs] += y[:, : len(array.gain)] * 2.0 ** array.adc[0].log_step @ array.placed.combine
        wanted = np.clip(np.floor(total + 0.5) + plan.op.bias, plan.output.type.lo, plan.output.type.hi)
        assert np.array_equal(layer.accumulate(x).reshape(wanted.shape), wanted)


def test_on_ideal_wires_twins_are_the_integer_network(digits):
    images = digits.golden.inputs[:40]
    plan = plan_network(digits.network, ArraySpec(adc_bits=8), images, samples=True)
    twin = twin_network(build_network(plan, Physics(rho=0.0)))
    exact, found = run(digits.network, images), run(twin.network, images)
    assert np.array_equal(found.scores, exact.scores)


def test_tables_hold_the_mean_of_what_was_seen_and_a_parabola_of_what_was_not():
    class Bent:
        parts = (slice(0, 3), slice(3, 4))

        def readers(self):
            return [lambda bits: (n := bits.sum(axis=1, keepdims=True) * 1.0) - n**2 / 16, lambda bits: bits * 0.5]

    bits = np.array([[0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1], [0, 1, 1, 1]], bool)
    table = tabulate(Bent(), np.ones((4, 1), np.uint8), bits)
    assert [part[:, 0].tolist() for part in table.tables] == [[0, 120, 224, 312], [0, 64]]
    rng = np.random.default_rng(0)
    many = rng.random((50, 4)) < 0.5
    noisy = tabulate(ideal_cells(rng.integers(0, 2, (4, 3)), ArraySpec()), np.ones((4, 3), np.uint8), many)
    read = noisy.readers()[0](many)
    assert read.shape == (50, 3) and read.max() <= 4


def test_the_distance_grows_with_the_wires_and_tables_make_it_smaller(digits):
    golden = digits.golden
    done = []
    found = compare_twins(
        digits.network,
        golden.inputs[:30],
        golden.labels[:30],
        [0.0, 1e-3],
        ["none", "pwa+gain"],
        calibrate=12,
        progress=done.append,
    )
    assert done == [1, 2, 3, 4] and list(found) == ["none", "pwa+gain"]
    for near, far in found.values():
        assert (near.rms, near.worst, near.differ, near.rms_ideal, near.agree) == (0, 0, 0, 0, 1)
        assert 0 < far.rms < far.rms_ideal / 2 and 0 < far.differ < 1 and far.worst >= 1
        assert near.twin == near.physics
    assert found["pwa+gain"][1].rms < found["none"][1].rms


def test_what_a_tile_has_not_is_refused_in_one_line(digits):
    images = digits.golden.inputs[:20]
    for words, spec, samples, rows in (
        ("2 bits a cell", ArraySpec(cell_bits=2), True, 128),
        ("codes up to 511", ArraySpec(adc_bits=9), True, 128),
        ("kept no inputs", ArraySpec(), False, 128),
        ("fit 32 x 128 in 1 segments", ArraySpec(), True, 32),
    ):
        plan = plan_network(digits.network, spec, images, samples=samples)
        with pytest.raises(InputError, match=words) as caught:
            layers = twin_network(build_network(plan)).layers.values()
            for layer in layers:
                for array in layer.arrays:
                    tile_config(layer, array, rows)
        assert "\n" not in str(caught.value)
