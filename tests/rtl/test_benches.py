"""Runs the cocotb benches under Verilator by cocotb's Python runner; each names its seed."""

import os
import random
import shutil
import time
from pathlib import Path

import cocotb
import pytest
from cocotb_tools.runner import get_results, get_runner

from crossloom.rtl.sources import sources_of
from crossloom.rtl.verilator.tools import verilator_environment, verilator_version
from crossloom.sim.cache import cache_folder, content_key

HERE = Path(__file__).parent
# imc_regs has no bench of its own: test_faults.py drives its every register and error through the tile's bus.
BENCHES = [
    ("popcount3", "testbench_arithmetic", "unroll", {"Width": 7}),
    ("compress63", "testbench_arithmetic", "compress", {"Width": 5}),
    ("popcount_and", "testbench_arithmetic", "popcount", {"Width": 64}),
    ("popcount_and", "testbench_arithmetic", "popcount", {"Width": 7}),
    ("imc_adc", "testbench_arithmetic", "adc", {}),
    ("imc_gain", "testbench_arithmetic", "gain", {"AccBits": 19}),
    ("imc_lane", "testbench_arithmetic", "lane", {"Rows": 32, "Groups": 4, "AccBits": 17}),
    ("imc_seq", "testbench_streams", "seq", {"Segments": 4, "Groups": 4}),
    ("imc_frame", "testbench_streams", "frame", {"Rows": 32}),
    ("imc_planes", "testbench_streams", "planes", {"Rows": 64}),
    ("imc_output", "testbench_streams", "output", {"Lanes": 8, "Groups": 2, "AccBits": 19}),
    ("imc_core", "testbench_streams", "core", {"Rows": 32, "Cols": 16, "Lanes": 8}),
    ("axil_bus", "testbench_axi", "bus", {}),
    ("imc_tile", "testbench_axi", "tile", {"Rows": 32, "Cols": 16, "Lanes": 8}),
]


def publish(made, place):
    """Move a finished folder to its place; another process may have been there first, with the same content."""
    aside = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.copytree(made, aside)
    try:
        aside.rename(place)
    except OSError:
        shutil.rmtree(aside)


@pytest.mark.parametrize(("top", "module", "test", "parameters"), BENCHES)
def test_bench(top, module, test, parameters, monkeypatch, tmp_path):
    seed = int(os.environ.get("COCOTB_RANDOM_SEED") or random.SystemRandom().randrange(2**31))
    print(f"{top} {parameters}: COCOTB_RANDOM_SEED={seed}")
    for name in ("PATH", "VERILATOR_ROOT", "MAKEFLAGS"):
        monkeypatch.setenv(name, verilator_environment()[name])
    monkeypatch.syspath_prepend(str(HERE))
    sources = sources_of(top)
    parts = [part for path in sources for part in (path.name, path.read_bytes())]
    # A bench holds the place of the cocotb that it was linked with.
    linked = (cocotb.__version__, str(Path(cocotb.__file__).parent))
    key = content_key(verilator_version(), *linked, top, repr(sorted(parameters.items())), *parts)
    build = cache_folder() / "benches" / key
    runner = get_runner("verilator")
    runtime = build.parent / f"runtime-{verilator_version()}"
    # A build is made aside and then renamed, so that one that is unfinished is never used.
    if not (build / top).is_file():
        # Verilator's run-time library is the same for all, cocotb's main (verilator.o) is not. make compiles again
        # what is older than the Makefile that Verilator is about to write, hence the hour.
        (tmp_path / "build").mkdir()
        for compiled in runtime.glob("*.o") if runtime.is_dir() else ():
            shutil.copyfile(compiled, tmp_path / "build" / compiled.name)
            os.utime(tmp_path / "build" / compiled.name, (time.time() + 3600,) * 2)
        runner.build(
            sources=sources,
            hdl_toplevel=top,
            parameters=parameters,
            build_dir=tmp_path / "build",
            build_args=["--assert", "--x-initial", "unique", "--x-assign", "unique", "-Wno-fatal", "-CFLAGS", "-O0"],
            always=True,
            timescale=("1ns", "1ps"),
        )
        build.parent.mkdir(exist_ok=True, mode=0o700)
        if not runtime.is_dir():
            (tmp_path / "runtime").mkdir()
            for compiled in (tmp_path / "build").glob("verilated*.o"):
                shutil.copyfile(compiled, tmp_path / "runtime" / compiled.name)
            publish(tmp_path / "runtime", runtime)
        publish(tmp_path / "build", build)
    results = runner.test(
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        test_module=module,
        testcase=test,
        build_dir=build,
        test_dir=tmp_path,
        results_xml=str(tmp_path / "results.xml"),
        seed=seed,
        plusargs=["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"],
        timescale=("1ns", "1ps"),
    )
    ran, failed = get_results(results)
    assert (ran, failed) == (1, 0), f"COCOTB_RANDOM_SEED={seed}"
