"""Runs cocotb benches under Verilator: many modules side by side in one top, built once, in one process.

To start a simulator, and to compile its headers, takes longer than most benches.
"""

import json
import os
import random
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cocotb
from cocotb_tools.runner import get_runner

from crossloom.rtl.sources import find_source, sources_of
from crossloom.rtl.verilator.tools import verilator_environment, verilator_version
from crossloom.sim.cache import cache_folder, content_key

HERE = Path(__file__).parent
TOP = "benches"
# A module's parameters and ports; in the ports, commas stand between names and nowhere else.
HEADER = re.compile(r"^module (\w+) #\((.*?)\n\) \((.*?)\n\);", re.M | re.S)
PLAIN = re.compile(r"^module (\w+) \((.*?)\n\);", re.M | re.S)


@dataclass(frozen=True)
class Bench:
    """A module with its parameters, the bench that drives it, and how often: each run has a seed of its own.

    `files` are what the module and its bench read, by name; a parameter Init is where, within their folder.
    """

    top: str
    module: str
    test: str
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    runs: int = 1
    program: str = ""


def header(top):
    """The parameters and the ports of a module, as text without comments."""
    text = re.sub(r"//.*", "", find_source(top).read_text(encoding="ascii"))
    if found := HEADER.search(text):
        return found[2], found[3]
    return "", PLAIN.search(text)[2]


def instance(number, bench):
    """Parameters, ports and the instance of a bench's module, their names with a prefix; and its clock and reset."""
    parameters, ports = header(bench.top)
    prefix, given = f"b{number}_", dict(bench.parameters)
    if "Init" in given:
        given["Init"] = f'"../b{number}/{given["Init"]}"'
    settable = re.findall(r"\bparameter\b[^=,]*?(\w+)\s*=", parameters)
    assert set(given) <= set(settable), f"{bench.top} has no {set(given) - set(settable)}"
    for name, value in given.items():
        wide = f"64'd{value}" if isinstance(value, int) and value >= 1 << 31 else value
        parameters = re.sub(rf"(\bparameter\b[^=,]*?\b{name}\s*=)(?:\([^)]*\)|[^,(\n])*", rf"\g<1> {wide}", parameters)
    names = re.findall(r"(\w+)\s*(?=,|\s*$)", ports)
    local = re.findall(r"\b(?:parameter|localparam)\b[^=,]*?(\w+)\s*=", parameters)
    rename = re.compile(rf"(?<![\w:$'.])({'|'.join([*local, *names])})\b(?!::)")
    parameters, ports = (rename.sub(rf"{prefix}\1", text) for text in (parameters, ports))
    settings = ", ".join(f".{name}({prefix}{name})" for name in settable)
    wires = ", ".join(f".{name}({prefix}{name})" for name in names)
    body = f"  {bench.top} #({settings}) u_{number} ({wires});" if settable else f"  {bench.top} u_{number} ({wires});"
    rest = [f"{prefix}{name}" for name in names if name in ("clk_i", "rst_ni", "aclk", "aresetn")]
    return parameters, ports, body, rest


def wrapper(benches):
    """A top with the module of every bench side by side, and the names of its clocks and resets."""
    parts = [instance(number, bench) for number, bench in enumerate(benches)]
    parameters = ",".join(part[0] for part in parts if part[0].strip())
    ports = ",".join(part[1] for part in parts)
    head = f"module {TOP} #({parameters}\n) ({ports}\n);" if parameters else f"module {TOP} ({ports}\n);"
    body = [head, *(part[2] for part in parts), "endmodule", ""]
    return "\n".join(body), [name for part in parts for name in part[3]]


def publish(made, place):
    """Move a finished folder to its place; another process may have been there first, with the same content."""
    aside = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.copytree(made, aside)
    try:
        aside.rename(place)
    except OSError:
        shutil.rmtree(aside)


def build(runner, top, sources, folder, optimize):
    """The folder of a built top, from the cache where it was built before."""
    parts = [part for path in sources for part in (path.name, path.read_bytes())]
    # A bench holds the place of the cocotb that it was linked with.
    linked = (cocotb.__version__, str(Path(cocotb.__file__).parent))
    key = content_key(verilator_version(), *linked, top, f"O{optimize}", *parts)
    place = cache_folder() / "benches" / key
    # A build is made aside and then renamed, so that one that is unfinished is never used.
    if not (place / top).is_file():
        # Verilator's run-time library is the same for all, cocotb's main (verilator.o) is not. make compiles again
        # what is older than the Makefile that Verilator is about to write, hence the hour.
        runtime = place.parent / f"runtime-{verilator_version()}"
        folder.mkdir()
        for compiled in runtime.glob("*.o") if runtime.is_dir() else ():
            shutil.copyfile(compiled, folder / compiled.name)
            os.utime(folder / compiled.name, (time.time() + 3600,) * 2)
        runner.build(
            sources=sources,
            hdl_toplevel=top,
            build_dir=folder,
            build_args=["--assert", "--x-initial", "unique", "--x-assign", "unique", "-Wno-fatal"],
            always=True,
            timescale=("1ns", "1ps"),
        )
        place.parent.mkdir(exist_ok=True, mode=0o700)
        if not runtime.is_dir():
            kept = folder.with_name("runtime")
            kept.mkdir()
            for compiled in folder.glob("verilated*.o"):
                shutil.copyfile(compiled, kept / compiled.name)
            publish(kept, runtime)
        publish(folder, place)
    return place


def named(benches):
    """The modules of benches, as the name of a test that runs them all."""
    return "".join(f"{top}-" for top in dict.fromkeys(bench.top for bench in benches))


def run_benches(benches, monkeypatch, folder, *, netlist=(), optimize=0):
    """Build and run benches in one process, whose seed is named, and require that all pass.

    A `netlist` is of the only bench's module with its parameters: sources whose ports are no longer what they were.
    """
    seed = int(os.environ.get("COCOTB_RANDOM_SEED") or random.SystemRandom().randrange(2**31))
    # One file of C++ for all of a model: to read Verilator's headers takes longest.
    environment, flags = verilator_environment(), f"VM_PARALLEL_BUILDS=0 OPT_FAST=-O{optimize} OPT_GLOBAL=-O0"
    environment["MAKEFLAGS"] += f" {flags}"
    for name in ("PATH", "VERILATOR_ROOT", "MAKEFLAGS"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.syspath_prepend(str(HERE))
    where = folder / "run"
    where.mkdir()
    rest, top = [], TOP
    if netlist:
        sources, top = list(netlist), benches[0].top
    else:
        text, rest = wrapper(benches)
        (folder / f"{TOP}.sv").write_text(text, encoding="ascii")
        sources = list(dict.fromkeys(path for bench in benches for path in sources_of(bench.top)))
        # A package comes before what uses it.
        sources = [*sorted(sources, key=lambda path: not path.stem.endswith("_pkg")), folder / f"{TOP}.sv"]
    for number, bench in enumerate(benches):
        (where / f"b{number}").mkdir()
        for name, content in bench.files.items():
            (where / f"b{number}" / name).write_text(content, encoding="ascii")
    said = [{**vars(bench), "files": None, "prefix": "" if netlist else f"b{n}_"} for n, bench in enumerate(benches)]
    monkeypatch.setenv("BENCHES", json.dumps({"benches": said, "rest": rest}))
    runner = get_runner("verilator")
    built = build(runner, top, sources, folder / "build", optimize)
    results = runner.test(
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        test_module="testbench_main",
        build_dir=built,
        test_dir=where,
        results_xml=str(folder / "results.xml"),
        seed=seed,
        plusargs=["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"],
        timescale=("1ns", "1ps"),
    )
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case.get("name") for case in cases if {"failure", "error"} & {part.tag for part in case}]
    assert (len(cases), failed) == (sum(bench.runs for bench in benches), []), f"COCOTB_RANDOM_SEED={seed}"
