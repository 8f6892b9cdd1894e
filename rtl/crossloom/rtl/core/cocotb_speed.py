"""The same frames through the same core in cocotb and in the Verilated library, to compare their speed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim.errors import MissingExtraError
from crossloom.sim.frames import Beats
from crossloom.sim.programs import run_program

from ..compiler.program import Program
from ..errors import RtlError
from ..registers.core_map import CORE, IDENTITY
from ..sources import sources_of
from ..verilator.build import BEHAVIOURAL
from ..verilator.tools import verilator_environment
from .contents import TOP, core_parameters, write_program
from .driver import CoreRun
from .simulation import CoreModel

_STUB = "crossloom_frames"
_FOLDER = "CROSSLOOM_FRAMES"
_ROUNDS = 5  # of all frames in cocotb
_RUNS = 60  # of all frames in the library before cocotb, and again after it: about as long


@dataclass(frozen=True)
class Speed:
    """Processor seconds for the same frames, without building and starting, on one core each; of the fastest round."""

    frames: int
    cycles: int
    cocotb_s: float
    verilated_s: float

    @property
    def speedup(self) -> float:
        """How many times faster the library is."""
        return self.cocotb_s / self.verilated_s


def compare_speed(program: Program, frames: Beats, optimize: int = 2) -> Speed:
    """Time frames (N, beats) in both; RtlError where their results differ.

    Both simulate the same form of the core, with its assertions, compiled at the same level; cocotb drives every port
    through cocotbext-axi. Both repeat the frames for seconds and the fastest round counts, as the machine's other work
    makes rounds slower only; the library runs before and after cocotb.
    """
    for name in ("cocotb_tools", "cocotbext.axi"):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise MissingExtraError(f"{name}: not installed; needed to compare with; pip install 'crossloom[rtl]'")
    with contextlib.closing(CoreModel(program, optimize=optimize)) as model:
        before, _ = _time_library(model, frames)
        seconds, results = _time_cocotb(program, frames, optimize)
        after, run = _time_library(model, frames)
    if not np.array_equal(results, run.beats):
        raise RtlError("the core in cocotb: other results than in the library; correct the core")
    first, last = run.clocked()
    cycles = int(last[-1] - first[0] + 1)
    return Speed(len(frames), cycles, seconds, min(before + after))


def _time_library(model: CoreModel, frames: Beats) -> tuple[list[float], CoreRun]:
    """Processor seconds of some runs, and the last one."""
    times = []
    for _ in range(_RUNS):
        start = time.process_time()
        run = model.run_beats(frames)
        times.append(time.process_time() - start)
    return times, run


def _time_cocotb(program: Program, frames: Beats, optimize: int) -> tuple[float, Beats]:
    """Processor seconds of the fastest round, and results."""
    with tempfile.TemporaryDirectory(prefix="crossloom-cocotb-") as work:
        folder = Path(work)
        (folder / "program").mkdir()
        write_program(program, folder / "program")
        np.save(folder / "frames.npy", frames)
        (folder / "parameters.json").write_text(json.dumps(core_parameters(program)), encoding="ascii")
        stub = f"import cocotb\nfrom {__name__} import frames\nframes = cocotb.test()(frames)\n"
        (folder / f"{_STUB}.py").write_text(stub, encoding="ascii")
        environment = verilator_environment() | {_FOLDER: work, "TMPDIR": work, "PYTHONPATH": os.pathsep.join(sys.path)}
        # As the library: what runs once is compiled quickly (of a VPI model, that is a very long function).
        environment["MAKEFLAGS"] += f" OPT_FAST=-O{optimize} OPT_GLOBAL=-O1 OPT_SLOW=-O0"
        run_program(
            [sys.executable, "-m", __name__],
            where="the core in cocotb",
            error=RtlError,
            environment=environment,
            cwd=folder,
        )
        if not (folder / "results.npy").is_file():
            raise RtlError("the core in cocotb: it ended without results; run the benches of the core")
        seconds = float((folder / "seconds").read_text(encoding="ascii"))
        return seconds, np.load(folder / "results.npy", allow_pickle=False)


async def frames(dut: Any) -> None:
    """Read a register, send every frame again and again, keep the results and how long the fastest round took."""
    from cocotb.clock import Clock
    from cocotb.triggers import ClockCycles
    from cocotbext.axi import (  # type: ignore[import-untyped]  # it has no types
        AxiLiteBus,
        AxiLiteMaster,
        AxiStreamBus,
        AxiStreamFrame,
        AxiStreamSink,
        AxiStreamSource,
    )

    folder = Path(os.environ[_FOLDER])
    data = np.load(folder / "frames.npy", allow_pickle=False)
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, unit="ns").start()
    await ClockCycles(dut.aclk, 4)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, False)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, False)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, False)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 4)
    found = int.from_bytes((await master.read(CORE.offset("ID"), 4)).data, "little")
    assert found == IDENTITY, f"ID reads {found:#x}"
    seconds = []
    for _ in range(_ROUNDS):
        start, results = time.process_time(), []
        for frame in data:
            await source.send(AxiStreamFrame(frame.tobytes()))
        for _ in data:
            received = await sink.recv()
            results.append(np.frombuffer(bytes(received.tdata), "<u8"))
        seconds.append(time.process_time() - start)
    (folder / "seconds").write_text(str(min(seconds)), encoding="ascii")
    np.save(folder / "results.npy", np.stack(results))


def main() -> None:
    """Build and run the core by cocotb's runner, in the folder that the environment names."""
    from cocotb_tools.runner import get_runner

    folder = Path(os.environ[_FOLDER])
    sys.path.insert(0, str(folder))
    parameters = json.loads((folder / "parameters.json").read_text(encoding="ascii"))
    runner = get_runner("verilator")
    runner.build(
        sources=sources_of(TOP),
        hdl_toplevel=TOP,
        parameters=parameters,
        build_dir=folder / "build",
        build_args=["--assert", "--x-initial", "unique", "--x-assign", "unique", "-Wno-fatal", f"-D{BEHAVIOURAL}"],
        timescale=("1ns", "1ps"),
    )
    runner.test(
        hdl_toplevel=TOP,
        hdl_toplevel_lang="verilog",
        test_module=_STUB,
        build_dir=folder / "build",
        test_dir=folder,
        plusargs=[f"+program={folder}/program/"],
        timescale=("1ns", "1ps"),
    )


if __name__ == "__main__":
    main()
