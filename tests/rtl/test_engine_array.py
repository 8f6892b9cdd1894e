"""Runs the cocotb benches of the engine's array, memories and window at several sizes, each with two seeds."""

import random

import pytest
from benches import Bench, named, run_benches

from crossloom.rtl import RtlError, lint


def sizes(names, *cases):
    """Parameters of some cases by name."""
    return [dict(zip(names.split(), case, strict=True)) for case in cases]


BENCHES = {
    "delay": sizes("Bits Cycles", (9, 0), (9, 5)),
    "add3": sizes("Bits OutBits", (4, 5)),
    "sum_level": sizes("Count Bits OutBits", (8, 4, 6)),
    # A level more than needed, and one, two or three in a sum; nothing to sum.
    "sum_tree": sizes("Count Bits Max OutBits Levels", (10, 4, 13, 8, 4), (1, 5, 31, 5, 0)),
    "array_pair": sizes("XBits WBits", (4, 5), (1, 1)),
    "array_chain": sizes("Rows XBits WBits FieldBits", (4, 4, 4, 10), (3, 2, 1, 11)),
    "array_column": sizes(
        "Pairs Pix XBits WBits Chains ChainRows FieldBits SumBits Partial Levels",
        (4, 2, 4, 4, 2, 4, 10, 12, 4, 2),
        (5, 1, 3, 5, 0, 0, 1, 12, 6, 2),
        (0, 2, 4, 4, 2, 4, 10, 11, 4, 1),
    ),
    "array": sizes("Rows Cols Pix XBits WBits Dsp", (5, 3, 2, 2, 3, 4)),
    "accumulate": sizes("Cols Pix SumBits XSumBits AccBits Doubling", (3, 2, 8, 5, 12, 1), (1, 1, 6, 4, 9, 0)),
    "pooling": sizes("Rows Pix XBits", (3, 2, 4)),
    "feature_memory": sizes("Rows Lanes Ways XBits Words", (6, 2, 4, 3, 5), (3, 3, 1, 4, 8)),
    "wide_memory": [
        {"Bits": 80, "Words": 12, "Latency": 2, "Init": "table"},
        {"Bits": 36, "Words": 4, "Latency": 1},
    ],
    "window": sizes("Rows Pix XBits FeatureBits Unroll", (8, 2, 4, 6, 0), (7, 2, 3, 6, 3), (4, 1, 2, 7, 0)),
}
CASES = [(top, parameters) for top, cases in BENCHES.items() for parameters in cases]


def bench(top, parameters, seed=0):
    """The bench of a module, with its first words where it reads some; those are there for one run alone."""
    if "Init" not in parameters:
        return Bench(top, "testbench_engine_array", top, parameters, runs=2)
    rng = random.Random(seed)
    words = "".join(f"{rng.getrandbits(parameters['Bits']):x}\n" for _ in range(parameters["Words"]))
    return Bench(top, "testbench_engine_array", top, parameters, {"tablememory.mem": words})


ALL = [*(bench(*case) for case in CASES), *(bench(*case, 1) for case in CASES if "Init" in case[1])]


@pytest.mark.parametrize("benches", [ALL], ids=named)
def test_a_part_of_the_array_does_what_its_model_says(benches, monkeypatch, tmp_path):
    run_benches(benches, monkeypatch, tmp_path)


@pytest.mark.parametrize(("top", "parameters"), CASES)
def test_a_part_of_the_array_is_clean_under_lint(top, parameters):
    # Verilator takes no 64-bit number and no file from here.
    lint(top, {name: value for name, value in parameters.items() if name not in ("Max", "Init")})


@pytest.mark.parametrize(
    ("top", "parameters", "named"),
    [
        ("add3", {"OutBits": 12}, "OutBits is 12"),
        ("array_chain", {"FieldBits": 11}, "4 by 4 bits in fields of 11"),
        ("sum_tree", {"Count": 10, "Levels": 1}, "Levels is 1; 3 are needed"),
    ],
)
def test_a_size_that_cannot_work_is_refused_by_name(top, parameters, named):
    with pytest.raises(RtlError, match=named):
        lint(top, parameters)
