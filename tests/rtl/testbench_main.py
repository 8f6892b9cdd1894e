"""The benches that BENCHES names, as tests of one simulator; see benches.py."""

import importlib
import json
import os
from pathlib import Path

import cocotb
from cocotb.handle import Immediate


class Part:
    """The ports of one of the modules in a top, by their own names."""

    def __init__(self, dut, prefix):
        self._dut, self._prefix = dut, prefix

    def __getattr__(self, name):
        """A port, kept for the next time; what starts with an underscore is the top's."""
        if name.startswith("_"):
            return getattr(self._dut, name)
        port = getattr(self._dut, f"{self._prefix}{name}")
        self.__dict__[name] = port
        return port

    def __dir__(self):
        """The ports' names, among which cocotb's buses look for theirs."""
        return [name.removeprefix(self._prefix) for name in dir(self._dut) if name.startswith(self._prefix)]


def made(number, bench, run, rest):
    """A test that runs a bench in the folder of its files."""
    driven = getattr(importlib.import_module(bench["module"]), bench["test"])

    async def test(dut):
        # A clock of unknown value may be an edge, also one of a module whose turn has not come.
        if (number, run) == (0, 0):
            for name in rest:
                getattr(dut, name).value = Immediate(0)
        os.environ["BENCH_PARAMETERS"] = json.dumps(bench["parameters"])
        os.environ["BENCH_PROGRAM"] = bench["program"]
        os.chdir(HOME / f"b{number}")
        await driven.func(Part(dut, bench["prefix"]))

    limit = dict(zip(("timeout_time", "timeout_unit"), driven.timeout or (), strict=False))
    return cocotb.test(name=f"{bench['top']}-{number}-{run + 1}", **limit)(test)


HOME = Path.cwd()
# Nothing where doctests are looked for.
SAID = json.loads(os.environ.get("BENCHES", '{"benches": []}'))
for _number, _bench in enumerate(SAID["benches"]):
    for _run in range(_bench["runs"]):
        globals()[f"test_{_number}_{_run}"] = made(_number, _bench, _run, SAID["rest"])
