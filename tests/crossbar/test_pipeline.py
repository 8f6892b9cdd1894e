"""The tile pipeline: equality with the integer operators where physics is ideal, and what physics then changes."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_layers import conv, edges_of

from crossloom.sim import Dense, InputError, QType, load, random_codes, random_network, run
from crossloom.sim.crossbar import (
    FEFET,
    RERAM,
    SRAM_8T,
    cell_volts,
    gate_currents,
    make_ladders,
    make_tile,
    segment,
    solve,
)
from crossloom.sim.crossbar.cells import physical_cells
from crossloom.sim.crossbar.devices import Quantity
from crossloom.sim.crossbar.layer import _CHUNK_BYTES, build_layer, plan_layer
from crossloom.sim.crossbar.mapping import place_values, planes
from crossloom.sim.crossbar.pipeline import build_network, layer_inputs, plan_network
from crossloom.sim.crossbar.spec import ArraySpec, Physics

LOSSLESS = ArraySpec(adc_bits=None)
NO_WIRE = Physics(rho=0.0)


@pytest.fixture(scope="module")
def digits():
    return load(Path(__file__).parents[2] / "bitstreams" / "digits-cnn" / "digits-cnn.loom")


def assert_same(network, other, **inputs):
    expected = run(network, edges=network.edges, **inputs)
    found = run(other, edges=network.edges, **inputs)
    for name in network.edges:
        assert np.array_equal(found.edges[name], expected.edges[name]), name
    assert np.array_equal(found.labels, expected.labels)
    assert np.array_equal(found.logits, expected.logits)


@pytest.mark.parametrize("seed", range(40))
def test_ideal_arrays_equal_the_integer_operators_on_every_edge_of_random_networks(seed):
    network = random_network(seed)
    rng = np.random.default_rng(seed)
    types = [node.op.weight_type for _, nodes, _ in network.sections() for node in nodes if hasattr(node.op, "weight")]
    least = min(max(-t.lo, t.hi).bit_length() for t in types)
    spec = ArraySpec(
        rows=int(rng.integers(1, 20)),
        columns=int(rng.integers(32, 70)),
        cell_bits=int(rng.integers(1, least + 1)),
        adc_bits=None,
    )
    if seed % 2:
        spec = replace(spec, active_rows=int(rng.integers(1, spec.rows + 1)))
    assert_same(network, build_network(plan_network(network, spec)).network, codes=random_codes(network, seed, 10))


@pytest.mark.parametrize("seed", range(100, 112))
@pytest.mark.parametrize("order", ["swann", "greedy"])
def test_a_row_order_changes_no_result_of_ideal_arrays(seed, order):
    network = random_network(seed)
    spec = ArraySpec(rows=11, columns=40, adc_bits=None, order=order, active_rows=5 if seed % 2 else None)
    images = np.random.default_rng(seed).integers(0, network.input.levels, (6, *network.input.shape), dtype=np.uint8)
    plan = plan_network(network, spec, images, columns=True)
    assert_same(network, build_network(plan).network, codes=random_codes(network, seed, 8))


@pytest.mark.parametrize("seed", [1, 4, 9, 12])
@pytest.mark.parametrize("device", [SRAM_8T, FEFET, RERAM], ids=lambda d: d.name)
def test_real_cells_between_ideal_wires_equal_the_integer_operators(seed, device):
    zero = Quantity(0.0, "ohm", "test")
    physics = Physics(replace(device, driver=zero, sense=zero), rho=0.0)
    network = random_network(seed, 3)
    for spec in (ArraySpec(rows=16, columns=48, adc_bits=None), ArraySpec(rows=16, adc_bits=None, active_rows=5)):
        built = build_network(plan_network(network, spec), physics)
        assert_same(network, built.network, codes=random_codes(network, seed, 4))


@pytest.mark.parametrize("physics", [None, NO_WIRE], ids=["without-physics", "8t-sram"])
@pytest.mark.parametrize("spec", [LOSSLESS, ArraySpec(adc_bits=7, active_rows=32, cell_bits=1)], ids=["128", "pwa"])
def test_ideal_arrays_equal_the_integer_operators_on_every_edge_of_digits_cnn(digits, physics, spec):
    built = build_network(plan_network(digits.network, spec), physics)
    images = digits.golden.inputs[:: 3 if physics is None else 9]
    assert_same(digits.network, built.network, images=images)
    assert built.conversions[0] > 0 and built.conversions[1] == 0


@pytest.mark.parametrize(("start", "stop"), [(0, 9), (0, 4), (3, 7), (8, 9), (5, 9)])
@pytest.mark.parametrize("leak", [0.0, 1e-6, "cells"])
@pytest.mark.parametrize("terminal", [0.0, 40.0])
def test_a_segment_of_rows_equals_the_whole_tile_with_the_other_inputs_off(start, stop, leak, terminal):
    rng = np.random.default_rng(2)
    leak = rng.uniform(0, 1e-6, (9, 4)) * (rng.random((9, 4)) < 0.5) if leak == "cells" else leak
    ladders = make_ladders(rng.uniform(0, 1e-3, (9, 4)), bit_line=rng.uniform(0, 90, 4), leak=leak, terminal=terminal)
    part = segment(ladders, start, stop)
    bits = rng.random((100, 9)) < 0.5
    bits[:, :start], bits[:, stop:] = False, False
    expected = gate_currents(ladders, bits)
    found = gate_currents(part, bits[:, start:stop])
    assert np.array_equal(found == 0, expected == 0)
    assert np.abs(found - expected).max() <= 1e-13 * expected.max()
    inner = segment(part, 0, 1)  # a segment of a segment keeps the shunt
    first = np.zeros((1, 9), bool)
    first[0, start] = True
    assert np.allclose(gate_currents(inner, [[1]]), gate_currents(ladders, first), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (2, 1), (-1, 2), (0, 4)])
def test_a_segment_outside_the_tile_is_refused(start, stop):
    with pytest.raises(InputError, match=f"segment: rows {start} to {stop}; needed a part of 0 to 3"):
        segment(make_ladders(np.ones((3, 1))), start, stop)


def small_layer(spec, physics=None, seed=3):
    rng = np.random.default_rng(seed)
    op = Dense(rng.integers(-7, 8, (6, 40)), rng.integers(-9, 9, 6), QType(-7, 7), 8)
    x, y = edges_of(op, (40,), QType(0, 15))
    codes = rng.integers(0, 16, (300, 40))
    exact = op.kernel([x], y)(codes.astype(np.float32))
    layer = build_layer(plan_layer("fc", op, (x, y), spec, codes, columns=False), physics, np.random.default_rng(0))
    return layer, codes, exact


def test_wires_take_current_away_and_gain_gives_most_of_it_back():
    spec = ArraySpec(adc_bits=12, adc_range="calibrated")
    errors = []
    for rho, gain in ((1e-4, False), (1e-3, False), (1e-3, True)):
        layer, codes, exact = small_layer(replace(spec, gain=gain), Physics(rho=rho))
        errors.append(np.sqrt(np.mean((layer.accumulate(codes) - exact) ** 2)))
    assert 0 < errors[0] < errors[1] / 3
    assert errors[2] < errors[1] / 2


def test_a_column_current_is_what_the_exact_ladder_gives():
    layer, codes, _ = small_layer(ArraySpec(adc_bits=None), Physics(rho=2e-3))
    (array,) = layer.arrays
    levels, device = array.placed.levels, SRAM_8T
    on, off = device.g_on.value, device.g_off.value
    ladders = make_ladders(np.where(levels > 0, on, off), bit_line=2e-3 / on, leak=off)
    expected = np.zeros((300, 6))
    for worth, bits in zip(place_values(layer.plan.input.type), planes(codes, layer.plan.input.type), strict=True):
        counts = (gate_currents(ladders, bits) - gate_currents(ladders, np.zeros((1, 40)))) / (on - off)
        expected += worth * (np.floor(counts + 0.5) @ array.placed.combine)
    assert np.array_equal(layer.accumulate(codes), expected + layer.plan.op.bias)


@pytest.mark.parametrize("device", [SRAM_8T, FEFET, RERAM], ids=lambda d: d.name)
@pytest.mark.parametrize("active", [None, 50])
def test_between_ideal_wires_a_count_is_the_sum_of_levels_whatever_leaks(device, active):
    rng = np.random.default_rng(5)
    zero = Quantity(0.0, "ohm", "test")
    physics = Physics(replace(device, driver=zero, sense=zero), rho=0.0)
    levels = rng.integers(0, 2, (128, 9)).astype(np.uint8)
    cells = physical_cells(levels, ArraySpec(active_rows=active), physics, rng)
    bits = rng.random((100, 128)) < 0.6
    for read, part in zip(cells.readers(), cells.parts, strict=True):
        assert np.abs(read(bits[:, part]) - bits[:, part].astype(float) @ levels[part]).max() < 1e-9


@pytest.mark.parametrize("active", [None, 7])
def test_voltage_mode_reads_what_the_exact_solver_gives_for_wires_of_rho(active):
    rng, rho = np.random.default_rng(7), 1e-3
    levels = rng.integers(0, 4, (20, 9)).astype(np.uint8)
    spec = ArraySpec(cell_bits=2, active_rows=active)
    cells = physical_cells(levels, spec, Physics(RERAM, rho=rho), rng)
    on, off = RERAM.g_on.value, RERAM.g_off.value
    wires = {"row_wire": rho / on, "column_wire": rho / on, "driver": 100.0, "sense": 100.0}
    tile = make_tile(off + levels / 3 * (on - off), **wires)
    bits = rng.random((5, 20)) < 0.5
    for read, part in zip(cells.readers(), cells.parts, strict=True):
        x = np.zeros((5, 20))
        x[:, part] = bits[:, part]
        expected = (solve(tile, x).currents - off * x.sum(axis=1, keepdims=True)) / ((on - off) / 3)
        assert np.allclose(read(bits[:, part]), expected, rtol=1e-9, atol=1e-9)


def test_the_sum_of_all_arrays_is_rounded_once_halves_up_and_then_gets_the_bias():
    layer, codes, _ = small_layer(ArraySpec(rows=16, gain=True, adc_range="calibrated"), Physics(rho=1e-3))
    assert len(layer.arrays) == 3
    total = np.zeros((300, 6))
    for array in layer.arrays:
        (read,), (adc,) = array.cells.readers(), array.adc
        assert adc.log_step < 0 and (array.gain != 1).any()
        bits = planes(codes[:, array.placed.inputs], layer.plan.input.type)
        for worth, plane in zip(place_values(layer.plan.input.type), bits, strict=True):
            counts = read(plane)
            adc.convert(counts)
            total += worth * ((counts * array.gain) @ array.placed.combine)
    assert (total != np.floor(total)).any()
    assert np.array_equal(layer.accumulate(codes), np.floor(total + 0.5) + layer.plan.op.bias)


def test_an_estimate_saturates_at_the_proven_bounds_of_the_accumulator():
    layer, codes, exact = small_layer(LOSSLESS)
    strong = tuple(replace(array, combine=100 * array.combine) for array in layer.arrays)
    type_ = layer.plan.output.type
    expected = np.clip(100 * (exact - layer.plan.op.bias) + layer.plan.op.bias, type_.lo, type_.hi)
    assert np.array_equal(replace(layer, arrays=strong).accumulate(codes), expected)
    assert (expected == type_.hi).any() and (expected == type_.lo).any()


def test_the_volts_at_the_cells_times_their_conductance_are_the_column_current():
    rng = np.random.default_rng(6)
    g = rng.uniform(0, 1e-3, (9, 4))
    ladders = segment(make_ladders(g, bit_line=rng.uniform(0, 90, (9, 4)), leak=g / 7, terminal=30.0), 0, 7)
    bits = rng.random((20, 7)) < 0.5
    on = ladders.leak + bits[:, :, None] * (ladders.conductance - ladders.leak)
    volts = cell_volts(ladders, bits)
    end = 1 - ladders.terminal * gate_currents(ladders, bits)
    found = (on * volts).sum(axis=1) + ladders.shunt * end
    assert np.allclose(found, gate_currents(ladders, bits), rtol=1e-12, atol=0)
    assert (np.diff(volts, axis=1) > 0).all()
    with pytest.raises(InputError, match="cell_volts"):
        cell_volts(ladders, np.full((1, 7), 2))


def test_too_narrow_a_converter_is_counted_and_named():
    network = load(Path(__file__).parents[2] / "bitstreams" / "digits-cnn" / "digits-cnn.loom").network
    images = np.random.default_rng(0).integers(0, 17, (12, 8, 8, 1), dtype=np.uint8)
    spec = ArraySpec(adc_bits=2, adc_range="calibrated", clip_share=0.2)
    built = build_network(plan_network(network, spec, images))
    run(built.network, images)
    total, clipped = built.conversions
    assert 0 < clipped < total
    assert built.clipped() == {}
    tight = replace(built.plan, spec=replace(spec, clip_share=1e-6))
    assert set(replace(built, plan=tight).clipped()) <= set(n.name for n in network.nodes)
    assert replace(built, plan=tight).clipped()


@pytest.mark.parametrize("device", [SRAM_8T, RERAM], ids=lambda d: d.name)
def test_variation_and_noise_follow_from_the_seed_alone(device):
    network = random_network(4, 3)
    codes = random_codes(network, 0, 20)
    spec = ArraySpec(rows=16, columns=48)
    device = replace(device, program_sigma=Quantity(0.3, "1", "test"), read_sigma=Quantity(0.3, "1", "test"))

    def logits(**physics):
        return run(build_network(plan_network(network, spec), Physics(device, **physics)).network, codes=codes).logits

    for switch in ("variation", "noise"):
        physics = {"rho": 1e-4, switch: True}
        assert np.array_equal(logits(seed=1, **physics), logits(seed=1, **physics))
        assert not np.array_equal(logits(seed=1, **physics), logits(seed=2, **physics))
    assert np.array_equal(logits(rho=1e-4, seed=1), logits(rho=1e-4, seed=2))


def test_noise_has_the_spread_of_the_cells_that_conduct():
    sigma = 0.05
    device = replace(SRAM_8T, read_sigma=Quantity(sigma, "1", "test"))
    layer, _, _ = small_layer(ArraySpec(adc_bits=None), Physics(device, rho=0.0, noise=True))
    cells = layer.arrays[0].cells
    bits = np.tile(np.arange(40) % 3 > 0, (4000, 1))  # rows that are off carry no noise
    counts = cells.readers()[0](bits)
    conducting = layer.arrays[0].placed.levels[bits[0]].sum(axis=0)
    assert np.abs(counts.mean(axis=0) - conducting).max() < 0.05
    busy = conducting > 4
    assert np.abs(counts.std(axis=0)[busy] / (sigma * np.sqrt(conducting[busy])) - 1).max() < 0.06


def test_a_branch_is_calibrated_with_the_images_that_are_routed_to_it():
    checked = 0
    for network in filter(lambda n: n.route is not None, map(random_network, range(30))):
        images = np.random.default_rng(0).integers(0, network.input.levels, (9, *network.input.shape), dtype=np.uint8)
        found = run(network, images, edges=network.edges)
        for (index, name), codes in layer_inputs(network, images).items():
            nodes = network.nodes if index is None else network.route.branches[index].nodes
            seen = found.edges[next(node for node in nodes if node.name == name).inputs[0]]
            own = found.branch == index
            if index is not None and own.any():
                checked += not own.all()
                seen = seen[own]
            assert np.array_equal(codes, seen)
    assert checked


def test_a_branch_that_no_image_reaches_is_calibrated_with_what_the_others_saw():
    network = next(n for n in map(random_network, range(99)) if n.route and len(n.input.shape) == 3)
    image = np.zeros((1, *network.input.shape), np.uint8)
    plan = plan_network(network, ArraySpec(rows=16, columns=48, order="greedy", gain=True), image)
    assert {index for index, _ in plan.layers} == {None, *range(len(network.route.branches))}
    assert all(layer.samples is not None for layer in plan.layers.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0}, "array: rows is 0; needed an integer in 1..4096"),
        ({"columns": 0}, "array: columns is 0"),
        ({"cell_bits": 9}, "array: cell_bits is 9; needed an integer in 1..8"),
        ({"cell_bits": True}, "array: cell_bits is True"),
        ({"active_rows": 129}, r"array: active_rows is 129; needed an integer in 1..128"),
        ({"adc_bits": 0}, "array: adc_bits is 0"),
        ({"adc_range": "wide"}, "array: adc_range 'wide'; needed one of full, calibrated"),
        ({"order": "random"}, "array: order 'random'; needed one of none, swann, greedy"),
        ({"clip_share": float("nan")}, "array: clip_share nan"),
    ],
)
def test_arrays_that_cannot_be_built_are_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        ArraySpec(**arguments)
    assert "\n" not in str(error.value)


def test_what_does_not_fit_the_network_or_device_is_refused_in_one_line(digits):
    network = digits.network
    for value in (-1e-3, float("nan"), float("inf")):
        with pytest.raises(InputError, match="physics: rho"):
            Physics(rho=value)
    with pytest.raises(InputError, match="conv1: 4 bits a cell; its weights have magnitudes of 3 bits"):
        plan_network(network, ArraySpec(cell_bits=4))
    with pytest.raises(InputError, match=r"conv1: an output takes 6 columns .* the array has 5"):
        plan_network(network, ArraySpec(columns=5))
    with pytest.raises(InputError, match="conv1: 2 bits a cell; 8t-sram keeps at most 1"):
        build_network(plan_network(network, ArraySpec(cell_bits=2)), Physics())
    for images in (None, digits.golden.inputs[:0]):
        with pytest.raises(InputError, match="conv1: no inputs to calibrate with; needed at least one image"):
            plan_network(network, ArraySpec(gain=True), images)


def test_arrays_refuse_a_network_with_time_steps_in_one_line():
    with pytest.raises(
        InputError, match=r"^random-2006-5: node '\w+' \(\w+\): arrays do not read time steps yet; [^\n]*$"
    ):
        plan_network(random_network(2006), ArraySpec())


def test_sums_that_float64_cannot_carry_are_refused():
    op = Dense(np.full((2, 4000), 32767), np.zeros(2, int), QType(-32767, 32767), 8)
    x, y = edges_of(op, (4000,), QType(0, 65535))
    codes = np.zeros((1, 4000), int)
    build_layer(plan_layer("fc", op, (x, y), LOSSLESS, codes, columns=False), None, np.random.default_rng(0))
    spec = replace(LOSSLESS, gain=True)
    with pytest.raises(InputError, match=r"fc: sums up to .* with 15 bits of fraction do not fit 53 bits"):
        build_layer(plan_layer("fc", op, (x, y), spec, codes, columns=False), None, np.random.default_rng(0))


def test_chunks_of_vectors_change_no_result(monkeypatch):
    layer, codes, _ = small_layer(ArraySpec(), Physics(rho=1e-3))
    whole = layer.accumulate(codes)
    monkeypatch.setattr("crossloom.sim.crossbar.layer._CHUNK_BYTES", 8 * 4 * 36 * 7)
    assert np.array_equal(layer.accumulate(codes), whole)


def peak_and_bound(images, side, channels):
    """Bytes at the highest while a 3x3 layer runs, and what patches, result and six chunks make."""
    rng = np.random.default_rng(0)
    op = conv(rng, QType(-7, 7), (channels, 3, 3, channels), pad=(1, 1, 1, 1))
    x, y = edges_of(op, (side, side, channels), QType(0, 15))
    plan = plan_layer("conv", op, (x, y), ArraySpec(), None, columns=False)
    layer = build_layer(plan, Physics(rho=1e-3), rng)
    codes = rng.integers(0, 16, (images, side, side, channels)).astype(np.float32)
    tracemalloc.start()
    layer.accumulate(codes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pixels = images * side * side
    return peak, pixels * channels * (9 + 2) + pixels * channels * (8 + 4) + 6 * _CHUNK_BYTES


def test_memory_is_patches_result_and_a_few_chunks_whatever_the_number_of_images(monkeypatch):
    small = 1 << 20
    monkeypatch.setattr("crossloom.sim.crossbar.layer._CHUNK_BYTES", small)
    for images in (4, 40):
        peak, bound = peak_and_bound(images, 12, 16)
        assert peak < bound - 6 * _CHUNK_BYTES + 6 * small


@pytest.mark.long
def test_a_whole_layer_of_cifar_size_takes_less_than_two_gibibytes():
    peak, bound = peak_and_bound(16, 32, 128)
    assert peak < bound < 2 << 30
