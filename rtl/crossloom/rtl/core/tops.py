"""The two tops of a generated core: `top` in SystemVerilog, and a wrapper in Verilog for Vivado's block designs."""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.program import Program
from ..sources import find_source
from .contents import core_parameters

WRAPPER = "crossloom_core"
_TRACES = (
    *("tap_valid_o", "tap_sweep_o", "trace_valid_o", "trace_sweep_o", "trace_chunk_o", "trace_y_o", "trace_x_o"),
    *("trace_time_o", "trace_raw_o", "trace_membrane_o", "trace_code_o"),
)
_BUSES = {"s_axi": "aximm", "s_axis": "axis", "m_axis": "axis"}
# AMD's attributes (UG994, "HDL Parameters for Interface Inference"): VLNV, interface, signal; then parameters.
_INFO = {"aclk": "signal:clock:1.0 aclk CLK", "aresetn": "signal:reset:1.0 aresetn RST"}
_PARAMETER = {
    "aclk": f"ASSOCIATED_BUSIF {':'.join(_BUSES)}, ASSOCIATED_RESET aresetn",
    "aresetn": "POLARITY ACTIVE_LOW",
    "s_axi_awvalid": "PROTOCOL AXI4LITE",
}


@dataclass(frozen=True)
class Port:
    """A port: `input` or `output`, its range such as `[31:0]` or nothing for one bit, its name."""

    direction: str
    range: str
    name: str

    def declaration(self, kind: str) -> str:
        """The port in a module's header, as a `logic` or a `wire`."""
        return f"  {self.direction:<6} {kind} {self.range}{' ' if self.range else ''}{self.name}"


def top_ports() -> list[Port]:
    """The ports that a top has: those of `core` but for the traces."""
    found = []
    for line in find_source("core").read_text(encoding="ascii").splitlines():
        words = line.strip().rstrip(",").split()
        if len(words) >= 3 and words[0] in ("input", "output") and words[1] == "logic" and words[-1] not in _TRACES:
            found.append(Port(words[0], words[2] if len(words) > 3 else "", words[-1]))
    return found


def top_source(compiled: Program, memories: str) -> str:
    """A module `top` with AXI4-Stream and AXI4-Lite alone: `core` with its parameters, memories from a folder."""
    ports = top_ports()
    settings = [f".{name}({_value(name, value)})" for name, value in core_parameters(compiled).items()]
    settings.append(f'.Init("{memories}/")')
    lines = [
        f"// {compiled.network.name}: a core for its structure, with its weights. Written by crossloom.",
        f"// Memories are read from {memories}/ in the folder where the tool runs.",
        "module top (",
        ",\n".join(port.declaration("logic") for port in ports),
        ");",
        "  // What only a simulation looks at.",
        "  // verilator lint_off PINCONNECTEMPTY",
        "  core #(",
        ",\n".join(f"    {setting}" for setting in settings),
        "  ) u_core (",
        ",\n".join([*_connections(ports), *(f"    .{name}()" for name in _TRACES)]),
        "  );",
        "  // verilator lint_on PINCONNECTEMPTY",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def wrapper_source(name: str) -> str:
    """A module `crossloom_core` in Verilog-2001 around `top`, its ports marked as AMD's tools infer interfaces."""
    ports = top_ports()
    lines = [
        f"// {name}: `top` for Vivado's block designs, which add no module of SystemVerilog. Written by crossloom.",
        "// Verilog-2001. The attributes name the interfaces, and the clock and reset that they belong to.",
        f"module {WRAPPER} (",
        ",\n".join(_attributes(port.name) + port.declaration("wire") for port in ports),
        ");",
        "  top u_top (",
        ",\n".join(_connections(ports)),
        "  );",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def _connections(ports: list[Port]) -> list[str]:
    return [f"    .{port.name}({port.name})" for port in ports]


def _attributes(name: str) -> str:
    """The lines before a port's declaration that say which signal of which interface it is."""
    bus, _, signal = name.rpartition("_")
    info = _INFO.get(name) or f"interface:{_BUSES[bus]}:1.0 {bus} {signal.upper()}"
    said = f'  (* X_INTERFACE_INFO = "xilinx.com:{info}" *)\n'
    return said + (f'  (* X_INTERFACE_PARAMETER = "{_PARAMETER[name]}" *)\n' if name in _PARAMETER else "")


def _value(name: str, value: int) -> str:
    return f"1'b{value}" if name in ("Doubling", "Signed") else str(value)
