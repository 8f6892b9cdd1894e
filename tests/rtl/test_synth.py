"""Synthesis: what Yosys makes still computes the same, and the tile keeps to its share of the chip.

Long: at its first run on a machine Yosys compiles itself for a minute.
"""

import random

import pytest

from crossloom.rtl import RtlError, build_model, synthesize
from crossloom.rtl.yosys.synth import count_cells, netlist

FULL = {"Rows": 128, "Cols": 128, "Lanes": 32}


def clip(value, low, high):
    return min(max(value, low), high)


def adc(model, rng):
    scale, offset, top = rng.randrange(65536), rng.randrange(-(2**31), 2**31), rng.randrange(256)
    if rng.random() < 0.7:
        scale, offset = rng.randrange(2048), rng.randrange(-(2**22), 2**22)
    t = rng.choice([0, 65535, rng.randrange(65536)])
    for name, value in (("scale_i", scale), ("offset_i", offset & 0xFFFFFFFF), ("top_i", top), ("t_i", t)):
        model.set(name, value)
    model.run(4)
    return model.get("code_o"), clip((t * scale + offset) >> 16, 0, top)


def gain(model, rng):
    acc, factor = rng.randrange(-(2**18), 2**18), rng.randrange(65536)
    for name, value in (("acc_i", acc & (1 << 19) - 1), ("gain_i", factor), ("en_i", 1)):
        model.set(name, value)
    model.run(4)
    return model.get("y_o"), clip((acc * factor + 2**14) >> 15, -(2**15), 2**15 - 1) & 0xFFFF


def popcount(model, rng):
    a, b = (rng.getrandbits(128) | rng.choice([0, rng.getrandbits(128)]) for _ in range(2))
    model.set("a_i", a)
    model.set("b_i", b)
    model.run(3)
    return model.get("count_o"), (a & b).bit_count()


@pytest.mark.long
@pytest.mark.parametrize(
    ("top", "parameters", "case"),
    [("imc_adc", {}, adc), ("imc_gain", {"AccBits": 19}, gain), ("popcount_and", {"Width": 128}, popcount)],
)
def test_the_netlist_computes_the_same(top, parameters, case, tmp_path):
    sources = netlist(top, parameters, tmp_path)
    rng = random.Random(1)
    with build_model(top, sources=sources, optimize=0, clock="clk_i", reset=None) as model:
        for _ in range(1000):
            found, expected = case(model, rng)
            assert found == expected


@pytest.mark.long
def test_the_tile_keeps_to_its_share_of_the_chip():
    report = synthesize("imc_tile", FULL)
    print(report)
    share = report.share()
    assert share["lut"] <= 0.30
    assert share["bram36"] <= 0.50
    # What the source promises: a table a lane in block RAM, a DSP a lane and four for the gains.
    assert (report.bram36, report.dsp) == (16, 36)


def test_a_cell_of_unknown_cost_is_refused():
    assert count_cells({"LUT6": 2, "RAM32M": 1, "FDRE": 3, "RAMB18E1": 1, "DSP48E1": 4, "CARRY4": 9}, "x") == {
        "lut": 6,
        "ff": 3,
        "bram36": 0.5,
        "dsp": 4,
    }
    with pytest.raises(RtlError, match="'MYSTERY'"):
        count_cells({"MYSTERY": 1}, "x")
