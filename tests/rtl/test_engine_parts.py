"""Runs the cocotb benches of the engine's parts at several sizes, each with two seeds, and on Yosys' netlists."""

import numpy as np
import pytest
from benches import Bench, named, run_benches

from crossloom.rtl import RtlError, build_model, lint
from crossloom.rtl.compiler import engine_package
from crossloom.rtl.compiler.thresholds import threshold_table
from crossloom.rtl.sources import find_source
from crossloom.rtl.yosys.synth import netlist


def requant(lanes, acc, out, code, low, high):
    """Parameters of a requant."""
    return {"Lanes": lanes, "AccBits": acc, "OutBits": out, "CodeBits": code, "ShiftMin": low, "ShiftMax": high}


def width(bits, size_in, run_in, size_out, run_out):
    """Parameters of a width."""
    return {"FieldBits": bits, "In": size_in, "InRun": run_in, "Out": size_out, "OutRun": run_out}


def threshold(lanes, bits, depth, steps):
    """Parameters of a threshold whose first tables come from files."""
    return {"Lanes": lanes, "TBits": bits, "Depth": depth, "Steps": steps, "Init": "table"}


def post(lanes, bits, acc, code, low, high):
    """Parameters of a post, but for its thresholds."""
    sizes = {"Lanes": lanes, "XBits": bits, "AccBits": acc, "CodeBits": code}
    return sizes | {"ShiftMin": low, "ShiftMax": high, "PlaceBits": 9}


def neurons(lanes, acc, mem, guards, leaks, most, later, cells):
    """Parameters of neurons; of `mem`, guards and leaks the least and the most."""
    found = {"Lanes": lanes, "AccBits": acc, "MemMin": mem[0], "MemBits": mem[1], "GuardMin": guards[0]}
    found |= {"GuardMax": guards[1], "LeakMin": leaks[0], "LeakMax": leaks[1], "Most": most, "Later": later}
    return found | {"Cells": cells}


BENCHES = {
    "queue": [("skid", {"Bits": 9}), ("fifo", {"Bits": 9, "Depth": 5}), ("fifo", {"Bits": 1, "Depth": 2})],
    "cut": [
        # Beats to pixels, to a part of a pixel's channels, to a vector; parts of pixels to beats; scores.
        ("width", width(4, 16, 75, 3, 3)),
        ("width", width(4, 16, 48, 8, 3)),
        ("width", width(8, 8, 54, 4, 6)),
        ("width", width(1, 64, 40, 32, 40)),
        ("width", width(2, 5, 7, 32, 70)),
        ("width", width(64, 1, 3, 1, 3)),
    ],
    "guard": [("frame_guard", {"Bits": 16, "Beats": 6}), ("frame_guard", {"Bits": 64, "Beats": 1})],
    "requant": [
        ("requant", requant(8, 20, 4, 5, 0, 12)),
        ("requant", requant(3, 48, 32, 33, -16, 47)),
        ("requant", requant(3, 12, 4, 4, -3, 1)),
        ("requant", requant(1, 9, 1, 2, 5, 5)),
        ("requant", requant(2, 24, 8, 9, 2, 11)),
    ],
    "threshold": [("threshold", threshold(3, 12, 64, 4)), ("threshold", threshold(1, 3, 2, 1))],
    "post": [
        ("post", post(3, 4, 14, 5, -2, 6) | {"Tables": 32, "Steps": 3, "ScaleBits": 2}),
        ("post", post(2, 8, 20, 9, 0, 12) | {"Tables": 0, "Steps": 0, "ScaleBits": 1}),
        ("post", post(1, 4, 9, 5, 0, 5) | {"Tables": 2, "Steps": 1, "ScaleBits": 4}),
    ],
    "pool": [("pool", {"Lanes": 3, "XBits": 4})],
    "neurons": [
        ("neurons", neurons(3, 12, (5, 18), (0, 4), (0, 15), 5, 1, 4)),
        ("neurons", neurons(2, 10, (14, 14), (4, 4), (2, 2), 1, 0, 2)),
        ("neurons", neurons(1, 9, (4, 11), (0, 8), (0, 0), 1, 1, 1)),
        ("neurons", neurons(2, 20, (3, 12), (0, 0), (1, 4), 2, 1, 8)),
    ],
    "argmax": [("argmax", {"Bits": 48, "RowBits": 4}), ("argmax", {"Bits": 3, "RowBits": 16})],
}
CASES = [(test, top, parameters) for test, cases in BENCHES.items() for top, parameters in cases]
# Yosys is told no files of first thresholds.
NETLISTS = [
    (test, cases[0][0], {name: value for name, value in cases[0][1].items() if name != "Init"})
    for test, cases in BENCHES.items()
]
# Each as a top at the ends of its range.
LIMITS = [
    *((top, parameters) for _, top, parameters in CASES),
    ("skid", {"Bits": 1}),
    ("fifo", {"Bits": 64, "Depth": 1024}),
    ("pool", {"Lanes": 1, "XBits": 32}),
    ("pool", {"Lanes": 1, "XBits": 1}),
    ("argmax", {"Bits": 1, "RowBits": 1}),
    ("width", width(4, 3, 3, 16, 3072)),
    ("width", width(1, 64, 1000, 32, 100)),
    ("threshold", {"Lanes": 8, "Steps": 7, "Depth": 200}),
    ("requant", requant(1, 2, 1, 1, 47, 47)),
    ("requant", requant(2, 20, 4, 5, 0, 3)),
    ("requant", requant(2, 16, 16, 17, -16, -16)),
]


def bench(test, top, parameters, seed=0):
    """The bench of a module, with first thresholds where it reads some; those are there for one run alone."""
    module = "testbench_engine_streams" if test in ("queue", "cut", "guard") else "testbench_engine_arithmetic"
    module = "testbench_neurons" if test == "neurons" else module
    if "Init" not in parameters:
        return Bench(top, module, test, parameters, runs=2)
    rng = np.random.default_rng(seed)
    high = 1 << parameters["TBits"] - 1
    thresholds = np.sort(rng.integers(-high, high, (parameters["Lanes"], (1 << parameters["Steps"]) - 1)), axis=1)
    tables = enumerate(threshold_table(thresholds, parameters["TBits"]))
    files = {f"table{lane}.mem": "".join(f"{word % (2 * high):x}\n" for word in table) for lane, table in tables}
    return Bench(top, module, test, parameters, files)


ALL = [*(bench(*case) for case in CASES), *(bench(*case, 1) for case in CASES if "Init" in case[2])]


@pytest.mark.parametrize("benches", [ALL], ids=named)
def test_a_part_does_what_the_simulator_says(benches, monkeypatch, tmp_path):
    run_benches(benches, monkeypatch, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("test", "top", "parameters"), NETLISTS)
def test_its_netlist_does_so_too(test, top, parameters, monkeypatch, tmp_path):
    (tmp_path / "netlist").mkdir()
    files = netlist(top, parameters, tmp_path / "netlist")
    run_benches([bench(test, top, parameters)], monkeypatch, tmp_path, netlist=files)


@pytest.mark.parametrize(("top", "parameters"), LIMITS)
def test_a_part_is_clean_under_lint(top, parameters):
    lint(top, {name: f'"{value}"' if name == "Init" else value for name, value in parameters.items()})


@pytest.mark.parametrize(
    ("top", "parameters", "named"),
    [
        ("requant", {"ShiftMin": -17}, "shifts -17 to 12"),
        ("requant", {"ShiftMax": -1}, "shifts 0 to -1"),
        ("requant", {"CodeBits": 3}, "CodeBits is 3"),
        ("threshold", {"Steps": 9}, "Steps 9, Depth 256"),
        ("fifo", {"Depth": 1}, "Depth is 1"),
        ("frame_guard", {"Beats": 0}, "Beats is 0"),
        ("neurons", {"MemMin": 17}, "MemMin 17, MemBits 16"),
        ("neurons", {"GuardMin": 1}, "guards 1 to 0"),
        ("neurons", {"LeakMin": 1}, "leaks 1 to 0"),
    ],
)
def test_a_size_that_cannot_work_is_refused_by_name(top, parameters, named):
    with pytest.raises(RtlError, match=named):
        lint(top, parameters)


def test_the_package_is_what_the_simulator_says():
    written = find_source(engine_package.NAME).read_text(encoding="ascii")
    assert written == engine_package.systemverilog(), "run python -m crossloom.rtl.write_packages"


def watch(items):
    """Run stream_check over (valid, ready, data) of consecutive cycles."""
    with build_model("stream_check", {"Bits": 40}, optimize=0, clock="clk_i", reset="rst_ni") as model:
        for valid, ready, data in items:
            model.set("valid_i", valid)
            model.set("ready_i", ready)
            model.set("data_i", data)
            model.run(1)


def test_a_stream_that_keeps_its_promise_is_left_alone():
    item = 1 << 39
    watch([(0, 0, 1), (0, 1, 2), (1, 1, 3), (1, 1, 4), (1, 0, item), (1, 0, item), (1, 1, item), (1, 0, 5), (1, 1, 5)])
    watch([(1, 0, item), (1, 1, item), (0, 0, 0)])


@pytest.mark.parametrize(
    "items", [[(1, 0, 1 << 39), (1, 0, 0)], [(1, 0, 7), (0, 0, 7)], [(1, 1, 6), (1, 0, 7), (1, 0, 7), (1, 1, 6)]]
)
def test_an_item_that_changes_or_goes_while_it_waits_is_reported(items):
    with pytest.raises(RtlError, match=r"stream_check.*an assertion failed"):
        watch(items)


def test_a_threshold_that_no_word_holds_is_refused():
    assert threshold_table(np.array([[-4, 0]]), 3).tolist() == [[-4, 0, 3, 3]]
    for value in (4, -5):
        with pytest.raises(RtlError, match="words of 3 bits hold -4 to 3"):
            threshold_table(np.array([[value]]), 3)
