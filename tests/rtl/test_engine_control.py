"""Runs the cocotb benches of what steers the engine, on programs of shipped and random networks."""

import json
import re
from dataclasses import replace

import pytest
import test_benches
import testbench_engine_program
from test_engine_networks import FOLDINGS, SIZES
from testbench_engine_program import program, program_text

from crossloom.rtl.compiler.program import Folding
from crossloom.rtl.core.contents import core_parameters, write_program
from crossloom.rtl.sources import find_source

# Where a module reads its program at the start of a run: in the folder of that run. Without this by +program=, as a
# built core does, so that one build runs many programs.
HERE = '"./"'
SHA, CNN = (program_text(design, Folding(8, 8, 2, 4)) for design in ("digits-sha", "digits-cnn"))
# The sums double in network 8; 17 reads a weight again in several blocks; 9 has one pixel. All have branches but 8.
TAPS = [program_text(8, FOLDINGS[0]), program_text(17, Folding(6, 4, 2, 2)), program_text(9, FOLDINGS[1])]
# Thresholds of 1, 4 and 6 steps in banks, some counted twice; both parts of a threshold's word; then a single pixel.
PAIRS = [program_text(seed, Folding(6, 4, 2, 2), replace(SIZES, acc_bits=40)) for seed in (1, 14)]
SINGLE = program_text(9, FOLDINGS[1], SIZES)
SPACE = {"FeatureBits": 10, "WeightBits": 13}
ADDRESSES = {"FeatureBits": 10, "ParamBits": 8, "TableBits": 11}
BANKS = {"Weights": 5, "WeightParts": 3, "Params": 4, "ParamParts": 2, "Tables": 6, "TableParts": 4}
BANKS |= {"Branches": 3, "Capacity": 5}
CASES = [
    ("constants", {"Init": HERE}, [SHA, SHA]),
    ("loader", {"Rows": 8, "Lanes": 4, "Ways": 4, "XBits": 4, "FeatureBits": 10}, [None, None]),
    ("loader", {"Rows": 3, "Lanes": 1, "Ways": 1, "XBits": 9, "FeatureBits": 7}, [None, None]),
    ("scores", {"Lanes": 4, "AccBits": 20, "Words": 6}, [None, None]),
    ("scores", {"Lanes": 3, "AccBits": 48, "Words": 4}, [None, None]),
    ("core_regs", BANKS | {"Init": HERE, "ClipBits": 3}, [SHA, SHA]),
    ("sequencer", SPACE | {"Init": HERE}, [SHA]),
    ("sequencer", SPACE | {"Sweeps": SIZES.sweeps, "Segments": SIZES.segments}, TAPS),
    ("drain", ADDRESSES | {"Init": HERE}, [SHA]),
    ("drain", ADDRESSES, PAIRS),
    ("drain", ADDRESSES, [SINGLE]),
    ("quantizer", {"Init": HERE}, [SHA]),
    ("quantizer", {}, PAIRS),
    ("quantizer", {}, [SINGLE]),
    ("engine", {}, [CNN, SHA]),
    ("core", {}, [CNN, CNN]),
]
RUNS = [
    pytest.param(top, parameters, text, id=f"{top}-{case}-{number}")
    for case, (top, parameters, texts) in enumerate(CASES)
    for number, text in enumerate(texts, 1)
]


def read_program(monkeypatch):
    """Let a run read its program by +program=, as a built core does."""
    made = test_benches.get_runner

    def runner_of(name):
        runner = made(name)
        test = runner.test
        runner.test = lambda **how: test(**how | {"plusargs": [*how["plusargs"], "+program=./"]})
        return runner

    monkeypatch.setattr(test_benches, "get_runner", runner_of)


@pytest.mark.parametrize(("top", "parameters", "text"), RUNS)
def test_a_module_does_what_its_model_says(top, parameters, text, monkeypatch, tmp_path):
    given = dict(parameters)
    if text:
        compiled = program(text)
        write_program(compiled, tmp_path)
        monkeypatch.setenv("BENCH_PROGRAM", text)
        if "Init" not in parameters:
            read_program(monkeypatch)
        # Those that the module has; Verilator refuses others.
        source = find_source(top).read_text(encoding="ascii")
        has = {name for name in re.findall(r"^ +parameter .*\b(\w+) +=", source, re.M)}
        given = {name: value for name, value in core_parameters(compiled).items() if name in has} | given
    monkeypatch.setenv("BENCH_PARAMETERS", json.dumps(given))
    module = "testbench_engine_program" if hasattr(testbench_engine_program, top) else "testbench_engine_control"
    test_benches.test_bench(top, module, top, given, monkeypatch, tmp_path)
