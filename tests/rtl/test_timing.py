"""The longest path of a netlist is the one that a pencil finds, and what it cannot know is refused."""

import pytest

from crossloom.rtl import RtlError
from crossloom.rtl.yosys.timing import longest_path


def design(cells, inputs=(), outputs=()):
    """A flat netlist of (type, pins, parameters); every pin's nets are a list of numbers."""
    ports = {f"i{net}": {"direction": "input", "bits": [net]} for net in inputs}
    ports |= {f"o{net}": {"direction": "output", "bits": [net]} for net in outputs}
    made = {
        f"u{n}": {"type": kind, "connections": pins, "parameters": parameters}
        for n, (kind, pins, parameters) in enumerate(cells)
    }
    return {"modules": {"top": {"ports": ports, "cells": made, "attributes": {"top": "1"}}}}


def ff(d, q, **pins):
    return ("FDRE", {"C": [1], "D": [d], "Q": [q], **pins}, {})


def lut(inputs, out):
    return (f"LUT{len(inputs)}", {f"I{k}": [net] for k, net in enumerate(inputs)} | {"O": [out]}, {})


def path(cells, inputs=(), outputs=()):
    found = longest_path(design(cells, inputs, outputs), "top")
    return found.ns, [step.cell for step in found.steps]


def test_two_luts_between_registers():
    # 0.518 + 2 * 0.124 + setup 0.10; the shorter way through net 5 alone does not count.
    cells = [ff(2, 3), ff(2, 5), lut([3, "0"], 4), lut([4, 5], 6), ff(6, 7)]
    assert path(cells) == (pytest.approx(0.866), ["FDRE", "LUT2", "LUT2", "FDRE"])


def test_a_path_from_a_port_to_a_port():
    assert path([lut([2], 3)], inputs=[2], outputs=[3]) == (pytest.approx(0.124), ["port", "LUT1", "port"])


def test_an_enable_and_a_reset_have_setups_of_their_own():
    assert path([ff(2, 3), ff("0", 4, CE=[3])])[0] == pytest.approx(0.518 + 0.21)
    assert path([ff(2, 3), ff("0", 4, R=[3])])[0] == pytest.approx(0.518 + 0.53)


def test_a_carry_chain_goes_from_the_lowest_bit_to_the_highest_sum():
    low = {"S": [3, "0", "0", "0"], "DI": ["0"] * 4, "CO": [10, 11, 12, 13], "O": [20, 21, 22, 23], "CI": ["0"]}
    high = {"S": ["0"] * 4, "DI": ["0"] * 4, "CI": [13], "CO": [14, 15, 16, 17], "O": [24, 25, 26, 27]}
    cells = [ff(2, 3), ("CARRY4", low, {}), ("CARRY4", high, {}), ff(25, 30)]
    # S[0] to CO[3] 0.508, CI to O[1] 0.334
    assert path(cells) == (pytest.approx(0.518 + 0.508 + 0.334 + 0.10), ["FDRE", "CARRY4", "CARRY4", "FDRE"])


def test_an_output_of_a_double_lut_has_only_the_inputs_that_change_it():
    # The ternary adder: O5 is the majority of I0, I1, I2; I3 reaches O6 alone.
    pins = {"I0": ["0"], "I1": ["0"], "I2": ["0"], "I3": [3], "I4": ["0"], "I5": ["1"], "O5": [4], "O6": [5]}
    given = {"INIT": f"{0x69966996E8E8E8E8:064b}"}
    assert path([ff(2, 3), ("LUT6_2", pins, given), ff(5, 6)])[0] == pytest.approx(0.518 + 0.124 + 0.10)
    assert path([ff(2, 3), ("LUT6_2", {**pins, "I3": ["0"], "I0": [3]}, given), ff(4, 6)])[0] == pytest.approx(0.945)
    assert path([ff("0", 3), ("LUT6_2", pins, given), ff(4, 6)])[0] == pytest.approx(0.10)


DSP = {"USE_MULT": "MULTIPLY", "USE_DPORT": "FALSE", "AREG": 0, "BREG": 0, "CREG": 0, "MREG": 0, "PREG": 0}


def test_a_multiplier_is_as_slow_as_its_registers_let_it():
    pins = {"A": [3], "B": ["0"], "C": ["0"], "PCIN": ["0"], "P": [5], "CLK": [1]}
    through = path([ff(2, 3), ("DSP48E1", pins, DSP), ff(5, 6)])
    assert through == (pytest.approx(0.518 + 2.823 * 1.37 + 0.10, abs=2e-3), ["FDRE", "DSP48E1", "FDRE"])
    product = DSP | {"MREG": 1}
    assert path([ff(2, 3), ("DSP48E1", pins, product)])[0] == pytest.approx(0.518 + 1.416 * 1.37, abs=2e-3)
    assert path([("DSP48E1", {**pins, "A": ["0"]}, product), ff(5, 6)])[0] == pytest.approx(2.389, abs=2e-3)
    every = DSP | {"AREG": 1, "MREG": 1, "PREG": f"{1:032b}"}
    assert path([("DSP48E1", {**pins, "A": ["0"]}, every), ff(5, 6)])[0] == pytest.approx(0.329 * 1.37 + 0.1, abs=2e-3)
    assert path([ff(2, 3), ("DSP48E1", pins, every)])[0] == pytest.approx(0.518 + 0.254 * 1.37, abs=2e-3)


def test_a_cascade_of_multipliers_adds_up():
    first = {"A": ["0"], "B": ["0"], "C": ["0"], "PCIN": ["0"], "PCOUT": [5], "CLK": [1]}
    second = {"A": ["0"], "B": ["0"], "C": ["0"], "PCIN": [5], "P": [6], "CLK": [1]}
    chain = [("DSP48E1", first, DSP | {"MREG": 1}), ("DSP48E1", second, DSP | {"MREG": 1, "PREG": 1})]
    assert path(chain) == (pytest.approx((1.819 + 1.025) * 1.37, abs=2e-3), ["DSP48E1", "DSP48E1"])


def test_a_block_memory_with_an_output_register_is_quicker():
    pins = {"ADDRARDADDR": [3], "DOADO": [4], "CLKARDCLK": [1]}
    for register, delay in ((0, 2.46), (1, 0.89)):
        cells = [("RAMB36E1", pins, {"DOA_REG": register, "DOB_REG": 1}), ff(4, 5)]
        assert path(cells)[0] == pytest.approx(delay + 0.10)
    assert path([ff(2, 3), ("RAMB36E1", pins, {"DOA_REG": 1})])[0] == pytest.approx(0.518 + 0.57)


def test_a_distributed_memory_is_read_through_its_own_address():
    pins = {"ADDRA": [3], "ADDRD": [7], "DOA": [4], "DIA": ["0"], "WE": ["0"], "WCLK": [1]}
    assert path([ff(2, 3), ("RAM32M", pins, {}), lut([4], 5), ff(5, 6)])[0] == pytest.approx(1.32 + 0.124 + 0.10)
    deep = [lut([3], 10), lut([10], 11), lut([11], 12), lut([12], 13), lut([13], 14), lut([14], 15), lut([15], 16)]
    cells = [ff(2, 3), *deep, ("RAM32M", {**pins, "ADDRA": [16]}, {}), ff(4, 6)]
    assert path(cells)[0] == pytest.approx(0.518 + 8 * 0.124 + 0.10)


def test_a_loop_of_logic_is_refused_by_name():
    with pytest.raises(RtlError, match="a loop of logic through u"):
        path([lut([3, 4], 5), lut([5], 4), ff(5, 6)])


def test_a_cell_of_unknown_delay_is_refused_by_name():
    with pytest.raises(RtlError, match="cell u0 is a 'MYSTERY' of unknown delay"):
        path([("MYSTERY", {}, {})])


def test_a_long_chain_needs_no_recursion():
    cells = [ff(2, 3), *(lut([net], net + 1) for net in range(3, 5003)), ff(5003, 1)]
    assert path(cells)[0] == pytest.approx(0.518 + 5000 * 0.124 + 0.10)
