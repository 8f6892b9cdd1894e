"""SWANN: the first-order loss against the exact ladder, the two orders, and the overhead of undoing them."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from crossloom.sim.crossbar import ArraySpec, gate_currents, make_ladders, overhead
from crossloom.sim.crossbar.cells import parts_of
from crossloom.sim.crossbar.order import coupling, greedy_order, loss, moments, swann_order, ways
from crossloom.sim.crossbar.order_cost import COSTS_7NM


def problem(seed, rows, columns=12, vectors=200, depth=3):
    rng = np.random.default_rng(seed)
    levels = (rng.random((rows, columns)) < rng.random((rows, 1))).astype(np.uint8)
    common = rng.random((depth, vectors, 1)) < 0.3  # inputs that come together, as neighbouring pixels do
    bits = (rng.random((depth, vectors, rows)) < rng.random(rows) * 0.7) | common
    values = np.ldexp(1.0, np.arange(depth))
    second = moments(bits, values)
    h = coupling(levels, np.ones(columns), second)
    return levels, bits, values, second, h


@pytest.mark.parametrize("active", [None, 4, 5])
def test_the_loss_is_the_first_order_shortfall_of_the_exact_ladder(active):
    levels, bits, values, _, h = problem(0, 12)
    parts = parts_of(12, ArraySpec(rows=12, active_rows=active))
    order = np.random.default_rng(1).permutation(12)
    on, rho = 40e-6, 1e-8
    ladders = make_ladders(levels[order] * on, bit_line=rho / on)
    short = 0.0
    for value, plane in zip(values, bits, strict=True):
        for part in parts:
            x = np.zeros_like(plane)
            x[:, part] = plane[:, order][:, part]
            counts = gate_currents(ladders, x) / on
            short += value * (x.astype(float) @ levels[order] - counts).sum(axis=1).mean()
    assert short / rho == pytest.approx(loss(h, ways(parts), order), rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("active", [None, 3, 4])
def test_greedy_is_never_behind_the_heuristic_and_no_swap_improves_it(seed, active):
    levels, _, _, second, h = problem(seed, 30)
    parts = parts_of(30, ArraySpec(rows=30, active_rows=active))
    shared = ways(parts)
    heuristic = swann_order(levels, np.diag(second))
    found = greedy_order(h, parts, heuristic)
    assert sorted(found) == list(range(30))
    best = loss(h, shared, found)
    assert best <= loss(h, shared, heuristic) and best <= loss(h, shared, np.arange(30))
    for i in range(30):
        for j in range(i):
            other = found.copy()
            other[[i, j]] = other[[j, i]]
            assert loss(h, shared, other) >= best * (1 - 1e-9)
    assert np.array_equal(greedy_order(h, parts, heuristic), found)


@pytest.mark.parametrize("active", [None, 2, 3])
def test_greedy_comes_within_two_per_cent_of_the_best_of_all_orders_of_six_rows(active):
    for seed in range(8):
        levels, _, _, second, h = problem(seed, 6)
        parts = parts_of(6, ArraySpec(rows=6, active_rows=active))
        shared = ways(parts)
        best = min(loss(h, shared, np.array(order)) for order in permutations(range(6)))
        found = loss(h, shared, greedy_order(h, parts, swann_order(levels, np.diag(second))))
        assert best * (1 - 1e-12) <= found <= 1.02 * best


def test_the_densest_busiest_row_goes_next_to_the_sense_end():
    levels = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert swann_order(levels, np.array([0.1, 0.9, 0.5, 0.9])).tolist() == [3, 0, 1, 2]


def test_orders_lower_the_loss_of_the_exact_ladder_where_rows_differ():
    levels, bits, _, second, h = problem(3, 64)
    parts = parts_of(64, ArraySpec(rows=64))
    heuristic = swann_order(levels, np.diag(second))
    lost = []
    for order in (np.arange(64), heuristic, greedy_order(h, parts, heuristic)):
        ladders = make_ladders(levels[order] * 40e-6, bit_line=1e-3 / 40e-6)
        x = bits[-1][:, order]
        lost.append((x.astype(float) @ levels[order] - gate_currents(ladders, x) / 40e-6).mean())
    assert lost[1] < 0.8 * lost[0] and lost[2] < 0.8 * lost[0]


def test_moments_weigh_planes_by_the_size_of_their_worth():
    bits = np.array([[[1, 0], [1, 1]], [[0, 1], [0, 1]]], bool)
    assert moments(bits, np.array([1.0, -2.0])).tolist() == [[1.0, 0.5], [0.5, 2.5]]


def test_a_benes_network_of_128_inputs_has_832_switches_in_13_stages():
    network, table = overhead(ArraySpec(), 4)
    costs = COSTS_7NM
    area = 128 * 128 * costs.cell_area.value * (1 + costs.periphery.value) + costs.adc_area.value
    assert network.area == pytest.approx(832 * costs.switch_area.value / area)
    assert network.latency == pytest.approx(13 * costs.switch_time.value / (128 * costs.conversion_time.value))
    assert network.energy == pytest.approx(832 * costs.switch_energy.value / (128 * costs.conversion_energy.value))
    assert table.latency == 0 and table.area == pytest.approx(128 * 7 * costs.cell_area.value / area)


def test_more_converters_make_the_permutation_cheaper_in_area_and_dearer_in_time():
    one, many = overhead(ArraySpec(), 4, 1)[0], overhead(ArraySpec(), 4, 32)[0]
    assert many.area < one.area and many.latency > one.latency
    assert overhead(replace(ArraySpec(), rows=1), 4)[0].area == 0
