"""Gate mode: the ladder recurrence and its table of bits against the nodal two-rail golden model."""

import numpy as np
import pytest
from nodal import ladder_currents

from crossloom.sim import InputError
from crossloom.sim.crossbar import gate_currents, make_ladders, prepare

TOLERANCE = 1e-9


def golden(conductance, leak, x, bit_line, source_line, terminal, volt):
    on = leak + x[:, None] * (conductance - leak)
    return ladder_currents(on, bit_line, source_line, terminal, volt)


def assert_agrees(found, expected):
    assert np.array_equal(found == 0, expected == 0)
    assert np.max(np.abs(found - expected) / np.where(expected == 0, 1, np.abs(expected))) <= TOLERANCE


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (8, 5), (9, 5), (23, 17), (130, 20)])
@pytest.mark.parametrize("ohm", [0.0, 1e-3, 5.0, 1e3])
def test_bits_and_graded_inputs_agree_with_the_nodal_two_rail_solution(shape, ohm):
    rng = np.random.default_rng(1)
    g = 10 ** rng.uniform(-9, -3, shape)
    g[rng.random(shape) < 0.1] = 0
    for leak, terminal in ((0.0, 0.0), (1e-10, 30.0)):
        ladders = make_ladders(g, bit_line=ohm, source_line=ohm / 2, leak=leak, terminal=terminal)
        bits = rng.random((70, shape[0])) < 0.5
        bits[0] = False
        graded = rng.random((2, shape[0]))
        tables = [None, prepare(ladders, 4), prepare(ladders, 8)]
        found = [gate_currents(ladders, bits, volt=0.1, table=table) for table in tables]
        for case in range(2):
            expected = golden(g, leak, bits[case], ohm, ohm / 2, terminal, 0.1)
            for currents in found:
                assert_agrees(currents[case], expected)
            expected = golden(g, leak, graded[case], ohm, ohm / 2, terminal, 0.1)
            assert_agrees(gate_currents(ladders, graded, volt=0.1)[case], expected)


@pytest.mark.parametrize("rows", range(1, 18))
def test_every_number_of_rows_gives_the_same_through_every_table_and_the_recurrence(rows):
    rng = np.random.default_rng(rows)
    ladders = make_ladders(rng.uniform(1e-6, 1e-3, (rows, 3)), bit_line=rng.uniform(0, 100, (rows, 3)), leak=1e-7)
    bits = rng.random((200, rows)) < 0.5
    stepped = np.concatenate([gate_currents(ladders, part) for part in np.array_split(bits, 10)])
    for size in (4, 8):
        assert np.abs(gate_currents(ladders, bits, table=prepare(ladders, size)) / stepped - 1).max() < 1e-12


def test_full_size_columns_agree_with_the_nodal_two_rail_solution():
    rng = np.random.default_rng(2)
    g = np.where(rng.random((256, 192)) < 0.5, 40e-6, 4e-9)
    ladders = make_ladders(g, bit_line=2.5, source_line=2.5)
    bits = rng.random((64, 256)) < 0.5
    assert_agrees(gate_currents(ladders, bits)[0], golden(g, 0.0, bits[0], 2.5, 2.5, 0.0, 1.0))


def test_segments_and_terminals_that_differ_agree_with_the_nodal_two_rail_solution():
    rng = np.random.default_rng(3)
    g = 10 ** rng.uniform(-7, -4, (30, 8))
    bit, source = rng.choice([0, 3.0, 70.0], (2, 30, 8))
    terminal = rng.choice([0, 500.0], 8)
    ladders = make_ladders(g, bit_line=bit, source_line=source, terminal=terminal)
    x = rng.random((80, 30)) < 0.7
    assert_agrees(gate_currents(ladders, x)[5], golden(g, 0.0, x[5], bit, source, terminal, 1.0))


def test_without_wire_resistance_the_column_is_a_sum():
    rng = np.random.default_rng(4)
    g = rng.uniform(1e-6, 1e-4, (20, 7))
    bits = rng.random((100, 20)) < 0.5
    expected = bits @ g
    assert np.abs(gate_currents(make_ladders(g), bits) - expected).max() <= 1e-14 * expected.max()


def test_a_cell_far_from_the_sense_end_carries_less():
    g = np.full((3, 1), 1e-3)
    found = gate_currents(make_ladders(g, bit_line=100.0), np.eye(3))[:, 0]
    assert found[0] < found[1] < found[2]


def test_the_largest_resistances_and_conductances_allowed_stay_finite():
    for ladders in (make_ladders(np.full((32, 2), 1e3), bit_line=5e11, source_line=5e11),):
        bits = np.ones((100, 32), bool)
        for size in (4, 8):
            found = gate_currents(ladders, bits, table=prepare(ladders, size))
            assert np.isfinite(found).all() and (found > 0).all()


def test_integers_booleans_and_floats_of_the_same_bits_give_the_same_currents():
    rng = np.random.default_rng(5)
    ladders = make_ladders(rng.uniform(0, 1e-4, (10, 4)), bit_line=10.0)
    bits = rng.random((100, 10)) < 0.5
    expected = gate_currents(ladders, bits)
    for dtype in (np.uint8, np.int64, np.float32, np.float64):
        assert np.array_equal(gate_currents(ladders, bits.astype(dtype)), expected)


def test_threads_do_not_change_a_bit_of_the_result():
    rng = np.random.default_rng(6)
    ladders = make_ladders(rng.uniform(0, 1e-4, (40, 30)), bit_line=10.0)
    bits, graded = rng.random((997, 40)) < 0.5, rng.random((97, 40))
    for inputs in (bits, graded):
        alone = gate_currents(ladders, inputs)
        for workers in (2, 3):
            assert np.array_equal(gate_currents(ladders, inputs, workers=workers), alone)


def test_a_batch_past_one_chunk_and_past_the_large_table_equals_its_parts():
    rng = np.random.default_rng(7)
    ladders = make_ladders(rng.uniform(0, 1e-4, (16, 40)), bit_line=10.0)
    bits = rng.random((5000, 16)) < 0.5
    whole = gate_currents(ladders, bits)
    parts = np.concatenate([gate_currents(ladders, part) for part in np.array_split(bits, 100)])
    assert np.abs(whole - parts).max() <= 1e-13 * whole.max()


def test_one_vector_gives_one_vector_and_no_vectors_give_none():
    ladders = make_ladders(np.full((3, 2), 1e-6))
    assert gate_currents(ladders, [1, 0, 1]).tolist() == [2e-6, 2e-6]
    assert gate_currents(ladders, np.zeros((0, 3), bool), table=prepare(ladders)).shape == (0, 2)
    assert gate_currents(ladders, np.zeros((0, 3)), workers=2).shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"conductance": [[-1.0]]}, "ladders: conductance: found -1.0"),
        ({"conductance": np.zeros((3, 0))}, r"ladders: conductance: shape \[3, 0\]"),
        ({"conductance": [[1.0]], "bit_line": np.nan}, "ladders: bit_line: found nan"),
        ({"conductance": [[1.0]], "source_line": -1}, "ladders: source_line: found -1.0"),
        (
            {"conductance": [[1.0]], "leak": [[1.0, 2.0]]},
            r"ladders: leak: shape \[1, 2\]; needed one number or \[1, 1\]",
        ),
        ({"conductance": [[1.0]], "terminal": -2}, "ladders: terminal: found -2.0"),
    ],
)
def test_bad_ladders_are_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        make_ladders(**arguments)
    assert "\n" not in str(error.value)


def test_bad_inputs_are_refused_in_one_line():
    ladders = make_ladders(np.full((2, 2), 1e-6))
    for inputs, message in (
        ([[0.5, 1.5]], r"input 1.5 at \[0, 1\]; needed 0..1"),
        ([[-1, 0]], "input -1.0"),
        ([[np.nan, 0]], "found nan"),
        ([0, 1, 1], r"shape \[3\]; needed \[2\]"),
    ):
        with pytest.raises(InputError, match=message):
            gate_currents(ladders, inputs)
    with pytest.raises(InputError, match="read voltage nan"):
        gate_currents(ladders, [0, 1], volt=float("nan"))
    with pytest.raises(InputError, match="other ladders"):
        gate_currents(ladders, [0, 1], table=prepare(make_ladders([[1.0], [1.0]])))
    with pytest.raises(InputError, match="5 bits"):
        prepare(ladders, 5)
    with pytest.raises(InputError, match="0 workers"):
        gate_currents(ladders, [0, 1], workers=0)
