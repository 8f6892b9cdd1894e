"""docs/engine.md says what the core has: registers, counters, fields, and the figures of the cycle model."""

import json
import re
from pathlib import Path

from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.rtl.estimate.pipeline import streaming
from crossloom.rtl.registers.core_map import CORE
from crossloom.rtl.sources import sources_sha256
from crossloom.sim.shapes import cifar_sha_shape, cifar_shape

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")


def test_every_register_is_listed_with_its_address_access_and_fields():
    told = {name: (int(at, 16), access, text) for name, at, access, text in re.findall(
        r"^\| (\w+)(?: to _7)? \| 0x(\w+) \| (\w+) \| (.*) \|$", TEXT, re.M
    )}  # fmt: skip
    registers = [r for r in CORE.registers if not re.search(r"_[1-7]$", r.name)]
    assert set(told) == {r.name for r in registers}
    for register in registers:
        at, access, text = told[register.name]
        assert (at, access) == (register.offset, register.access), register.name
        assert text.startswith(register.text)
        assert all(field.name in text for field in register.fields), register.name


def test_the_cycles_told_are_those_of_the_models():
    for network in (cifar_shape(), cifar_sha_shape()):
        cycles, ideal = image_cycles(compile_network(network, Folding(32, 32, 2, 16, 220))), streaming(network, 2048)
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{network.name}`"))
        assert f"{cycles.latency:,} and {cycles.interval:,} cycles (modelled)" in row
        assert f"{ideal.latency:,} and {ideal.interval:,} cycles (estimated)" in row


def test_the_figures_told_are_those_that_were_measured():
    found = json.loads((ROOT / "benchmarks" / "rtl.json").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| `([\w-]+)`, (\d+)x(\d+)x(\d+)x(\d+)\S* \| (.*)", TEXT, re.M)
    assert {row[0] for row in rows} == {
        name for name in found if isinstance(found[name], dict) and "layers" in found[name]
    }
    for name, rows_, cols, pix, lanes, told in rows:
        data = found[name]
        folding = data["folding"]
        assert [int(n) for n in (rows_, cols, pix, lanes)] == [folding[k] for k in ("rows", "cols", "pix", "lanes")]
        assert f"{data['latency_cycles']:,} and {data['interval_cycles']:,} cycles" in told
        assert data["differences"] == 0
        assert data["sources_sha256"] == sources_sha256("core"), "the core has changed: run `crossloom bench rtl` again"
        if "lut" in data:
            assert f"{data['lut']:,} LUT, {data['ff']:,} FF, {data['bram36']:g} BRAM36, {data['dsp']} DSP" in told
            assert f"{data['logic_ns']:.2f} ns" in told
    assert f"{found['speedup_over_cocotb']} times as fast" in TEXT.replace("\n", " ")
