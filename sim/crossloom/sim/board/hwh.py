"""Writes the hardware handoff (`.hwh`) of a core beside a DMA: what the `pynq` package reads of a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from ..chip import XC7Z020
from .dma_registers import Channel, Control, Offset, Status
from .system import CORE, DMA, DMA_PARAMETERS, DMA_VLNV, MEMORY, PS_VLNV, Region, clock_divisors

DESIGN = "crossloom"
PS_NAME, DMA_NAME, CORE_NAME = "ps7", "dma", "core"
_AXI, _AXIS = "xilinx.com:interface:aximm:1.0", "xilinx.com:interface:axis:1.0"
ACCESS = {"ro": "read-only", "wo": "write-only", "rw": "read-write", "w1c": "read-write"}


@dataclass(frozen=True)
class HwhRegister:
    """A 32-bit register: byte offset; access ro, wo, rw or w1c; `fields` of (name, lowest bit, width, text)."""

    name: str
    offset: int
    access: str
    text: str
    fields: tuple[tuple[str, int, int, str], ...] = ()


@dataclass(frozen=True)
class HwhCore:
    """A core: its VLNV, the names of its AXI4-Lite and AXI4-Stream ports, its registers."""

    vlnv: str
    control: str
    stream_in: str
    stream_out: str
    registers: Sequence[HwhRegister]


def write_hwh(core: HwhCore, clock_mhz: float) -> bytes:
    """The `.hwh` of a core with a DMA on HP0 and FCLK0 at the clock; the same bytes for the same core."""
    root = ElementTree.Element("EDKSYSTEM", EDWVERSION="1.2")
    part, package = XC7Z020.part[: XC7Z020.part.index("clg")], XC7Z020.part[XC7Z020.part.index("clg") :]
    info = {"ARCH": "zynq", "DEVICE": part.removeprefix("xc"), "NAME": DESIGN, "PACKAGE": package.partition("-")[0]}
    ElementTree.SubElement(root, "SYSTEMINFO", info)
    ElementTree.SubElement(root, "EXTERNALPORTS")
    modules = ElementTree.SubElement(root, "MODULES")
    _processor(modules, core, clock_mhz)
    _dma(modules)
    _core(modules, core)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _module(parent: ElementTree.Element, name: str, kind: str, vlnv: str) -> ElementTree.Element:
    given = {"FULLNAME": f"/{name}", "INSTANCE": name, "MODTYPE": kind, "VLNV": vlnv, "IS_ENABLE": "1"}
    return ElementTree.SubElement(parent, "MODULE", given)


def _parameters(module: ElementTree.Element, values: Mapping[str, str]) -> None:
    parent = ElementTree.SubElement(module, "PARAMETERS")
    for name, value in values.items():
        ElementTree.SubElement(parent, "PARAMETER", NAME=name, VALUE=value)


def _ports(module: ElementTree.Element, ports: Sequence[tuple[str, str, str]]) -> None:
    """Bus interfaces of (name, type, VLNV)."""
    parent = ElementTree.SubElement(module, "BUSINTERFACES")
    for name, kind, vlnv in ports:
        ElementTree.SubElement(parent, "BUSINTERFACE", NAME=name, TYPE=kind, VLNV=vlnv)


def _range(parent: ElementTree.Element, region: Region, name: str, master: str, slave: str, kind: str) -> None:
    given = {"BASENAME": "C_BASEADDR", "HIGHNAME": "C_HIGHADDR", "ADDRESSBLOCK": "Reg" if kind == "REGISTER" else slave}
    given |= {"BASEVALUE": f"0x{region.start:08X}", "HIGHVALUE": f"0x{region.end:08X}", "INSTANCE": name}
    given |= {"MASTERBUSINTERFACE": master, "SLAVEBUSINTERFACE": slave, "MEMTYPE": kind}
    ElementTree.SubElement(parent, "MEMRANGE", given)


def _processor(modules: ElementTree.Element, core: HwhCore, clock_mhz: float) -> None:
    module = _module(modules, PS_NAME, "processing_system7", PS_VLNV)
    first, second = clock_divisors(clock_mhz)
    values: dict[str, str] = {}
    for clock in range(4):
        own = (first, second) if clock == 0 else clock_divisors(100)
        values |= {
            f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC": "IO PLL",
            f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR0": str(own[0]),
            f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR1": str(own[1]),
            f"PCW_FPGA_FCLK{clock}_ENABLE": str(int(clock == 0)),
        }
    _parameters(module, values | {"PCW_FPGA0_PERIPHERAL_FREQMHZ": f"{clock_mhz:g}"})
    _ports(module, [("M_AXI_GP0", "MASTER", _AXI), ("S_AXI_HP0", "SLAVE", _AXI)])
    memory = ElementTree.SubElement(module, "MEMORYMAP")
    _range(memory, DMA, DMA_NAME, "M_AXI_GP0", "S_AXI_LITE", "REGISTER")
    _range(memory, CORE, CORE_NAME, "M_AXI_GP0", core.control, "REGISTER")


def _dma_registers() -> list[HwhRegister]:
    bits = {Offset.CONTROL: Control, Offset.STATUS: Status}
    return [
        HwhRegister(
            f"{channel.name}_{offset.name}",
            channel + offset,
            "rw",
            "",
            tuple((bit.name or "", bit.bit_length() - 1, 1, "") for bit in bits.get(offset, ())),
        )
        for channel in Channel
        for offset in Offset
    ]


def _dma(modules: ElementTree.Element) -> None:
    module = _module(modules, DMA_NAME, "axi_dma", DMA_VLNV)
    _registers(module, "S_AXI_LITE", DMA, _dma_registers())
    _parameters(module, DMA_PARAMETERS)
    streams = [("M_AXIS_MM2S", "INITIATOR", _AXIS), ("S_AXIS_S2MM", "TARGET", _AXIS)]
    memory = [(f"M_AXI_{name}", "MASTER", _AXI) for name in ("MM2S", "S2MM")]
    _ports(module, [("S_AXI_LITE", "SLAVE", _AXI), *memory, *streams])
    ranges = ElementTree.SubElement(module, "MEMORYMAP")
    for master, _, _ in memory:
        _range(ranges, MEMORY, PS_NAME, master, "S_AXI_HP0", "MEMORY")


def _core(modules: ElementTree.Element, core: HwhCore) -> None:
    module = _module(modules, CORE_NAME, core.vlnv.split(":")[2], core.vlnv)
    _registers(module, core.control, CORE, core.registers)
    streams = [(core.stream_in, "TARGET", _AXIS), (core.stream_out, "INITIATOR", _AXIS)]
    _ports(module, [(core.control, "SLAVE", _AXI), *streams])


def _registers(module: ElementTree.Element, port: str, region: Region, entries: Sequence[HwhRegister]) -> None:
    blocks = ElementTree.SubElement(module, "ADDRESSBLOCKS")
    block = ElementTree.SubElement(blocks, "ADDRESSBLOCK", ACCESS="", INTERFACE=port, NAME="Reg")
    block.attrib |= {"RANGE": str(region.size), "USAGE": "register"}
    registers = ElementTree.SubElement(block, "REGISTERS")
    for register in entries:
        entry = ElementTree.SubElement(registers, "REGISTER", NAME=register.name)
        access = ACCESS[register.access]
        described = {"DESCRIPTION": register.text, "ADDRESS_OFFSET": f"0x{register.offset:x}", "SIZE": "32"}
        _properties(entry, described | {"ACCESS": access, "IS_ENABLED": "true"})
        fields = ElementTree.SubElement(entry, "FIELDS") if register.fields else None
        for name, low, width, text in register.fields:
            assert fields is not None
            field = ElementTree.SubElement(fields, "FIELD", NAME=name)
            place = {"BIT_OFFSET": str(low), "BIT_WIDTH": str(width)}
            _properties(field, {"DESCRIPTION": text, **place, "ACCESS": access})


def _properties(parent: ElementTree.Element, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, "PROPERTY", NAME=name, VALUE=value)
