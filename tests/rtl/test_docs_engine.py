"""docs/engine.md says what the core has: registers, counters, fields, and what the cycle model says."""

import re
from pathlib import Path

from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.rtl.estimate.pipeline import streaming
from crossloom.rtl.registers.core_map import CORE
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
