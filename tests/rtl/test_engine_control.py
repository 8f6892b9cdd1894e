"""Runs the cocotb benches of what steers the engine, each with two seeds, on programs of shipped networks."""

import json
import re

import pytest
import test_benches
from bench_engine_control import shipped

from crossloom.rtl import find_sources
from crossloom.rtl.core import core_parameters, write_program

# Where a module reads its program at the start of a run: in the folder of that run.
HERE = '"./"'
CASES = [
    ("constants", {"Branches": 4, "Init": HERE}, "digits-sha"),
    ("loader", {"Rows": 8, "Lanes": 4, "Banks": 4, "XBits": 4, "FeatureBits": 10}, None),
    ("loader", {"Rows": 3, "Lanes": 1, "Banks": 1, "XBits": 9, "FeatureBits": 7}, None),
    ("scores", {"Lanes": 4, "AccBits": 20, "Words": 6}, None),
    ("scores", {"Lanes": 3, "AccBits": 48, "Words": 4}, None),
    ("core_regs", {"Init": HERE, "ClipBits": 3}, "digits-sha"),
    ("sequencer", {"FeatureBits": 10, "WeightBits": 12, "Init": HERE}, "digits-sha"),
    ("drain", {"FeatureBits": 10, "ParamBits": 8, "TableBits": 8, "Init": HERE}, "digits-sha"),
    ("quantizer", {"Init": HERE}, "digits-sha"),
    ("core", {}, "digits-cnn"),
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


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("top", "parameters", "design"), CASES)
def test_a_module_does_what_its_model_says(top, parameters, design, number, monkeypatch, tmp_path):
    given = dict(parameters)
    if design:
        _, compiled = shipped(design)
        write_program(compiled, tmp_path)
        if top == "constants":
            given["Branches"] = len(compiled.banks)
        if top == "sequencer":
            given |= {"Sweeps": len(compiled.sweeps), "Segments": len(compiled.segments)}
        if top in ("drain", "quantizer"):
            # Those that the module has; Verilator refuses others.
            text = (find_sources() / f"{top}.sv").read_text(encoding="ascii")
            given |= {n: v for n, v in core_parameters(compiled).items() if re.search(rf"parameter .*\b{n} +=", text)}
        if top == "core":
            given = core_parameters(compiled)
            read_program(monkeypatch)
    monkeypatch.setenv("BENCH_PARAMETERS", json.dumps(given))
    test_benches.test_bench(top, "bench_engine_control", top, given, monkeypatch, tmp_path)
