"""Runs the cocotb benches of what steers the engine, on programs of shipped and random networks."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import testbench_core_regs
import testbench_engine_control
import testbench_engine_program
from benches import Bench, named, run_benches
from test_engine_networks import FOLDINGS, SIZES
from testbench_engine_program import program, program_text

from crossloom.rtl.compiler.program import Folding
from crossloom.rtl.core.contents import core_parameters, write_program
from crossloom.rtl.sources import find_source

SHA, CNN = (program_text(design, Folding(8, 8, 2, 4)) for design in ("digits-sha", "digits-cnn"))
# The sums double in network 8; 17 reads a weight again in several blocks; 9 has one pixel. All have branches but 8.
TAPS = [program_text(8, FOLDINGS[0]), program_text(17, Folding(6, 4, 2, 2)), program_text(9, FOLDINGS[1])]
# Thresholds of 1, 4 and 6 steps in banks, some counted twice; both parts of a threshold's word; then a single pixel.
PAIRS = [program_text(seed, Folding(6, 4, 2, 2), replace(SIZES, acc_bits=40)) for seed in (1, 14)]
SINGLE = program_text(9, FOLDINGS[1], SIZES)
# Neurons, in banks first: sums held or of every step, each kind of quantizer behind them, resets a step later.
SPIKING = [program_text(seed, Folding(6, 4, 2, 2)) for seed in (2002, 2049)]
SPACE = {"FeatureBits": 10, "WeightBits": 13}
ADDRESSES = {"FeatureBits": 10, "ParamBits": 8, "TableBits": 11, "NeuronBits": 5}
BANKS = {
    "Weights": 5,
    "WeightParts": 3,
    "Params": 4,
    "ParamParts": 2,
    "Tables": 6,
    "TableParts": 4,
    "Neurons": 3,
    "NeuronParts": 2,
}
BANKS |= {"Branches": 3, "Capacity": 5}
PARTS = [
    *[("constants", {}, SHA)] * 2,
    ("loader", {"Rows": 8, "Lanes": 4, "Ways": 4, "XBits": 4, "FeatureBits": 10}),
    ("loader", {"Rows": 3, "Lanes": 1, "Ways": 1, "XBits": 9, "FeatureBits": 7}),
    ("scores", {"Lanes": 4, "AccBits": 20, "Words": 6}),
    ("scores", {"Lanes": 3, "AccBits": 48, "Words": 4}),
    *[("core_regs", BANKS | {"ClipBits": 3, "SpikeBits": 4}, SHA)] * 2,
    ("sequencer", SPACE, SHA),
    *[("sequencer", SPACE | {"Sweeps": SIZES.sweeps, "Segments": SIZES.segments}, text) for text in TAPS],
    ("sequencer", SPACE, SPIKING[1]),
    *[("drain", ADDRESSES, text) for text in (SHA, *PAIRS, SINGLE, *SPIKING)],
    *[("quantizer", {}, text) for text in (SHA, *PAIRS, SINGLE, *SPIKING)],
]
# In a process each, for a cycle of the larger ones takes long.
CASES = [PARTS, [("engine", {}, CNN), ("engine", {}, SHA)], [("core", {}, CNN)]]


MODULES = testbench_engine_program, testbench_core_regs, testbench_engine_control


def bench(top, parameters, text=""):
    """The bench of a module, with a program where it reads one: what a run writes into it is there for the next."""
    module = next(module.__name__ for module in MODULES if hasattr(module, top))
    if not text:
        return Bench(top, module, top, parameters, runs=2)
    compiled = program(text)
    with tempfile.TemporaryDirectory() as folder:
        files = {path.name: path.read_text(encoding="ascii") for path in write_program(compiled, Path(folder))}
    # Those that the module has; Verilator refuses others.
    source = find_source(top).read_text(encoding="ascii")
    has = {name for name in re.findall(r"^ +parameter .*\b(\w+) +=", source, re.M)}
    given = {name: value for name, value in core_parameters(compiled).items() if name in has}
    return Bench(top, module, top, given | parameters | {"Init": ""}, files, program=text)


GROUPS = [[bench(*case) for case in cases] for cases in CASES]


@pytest.mark.parametrize("benches", GROUPS, ids=named)
def test_a_module_does_what_its_model_says(benches, monkeypatch, tmp_path):
    run_benches(benches, monkeypatch, tmp_path)
