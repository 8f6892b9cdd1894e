"""The hardware handoff of a core: its registers in the words of `pynq`."""

from crossloom.sim.board import RTL_VLNV, HwhCore, HwhRegister, write_hwh

from ..registers.core_map import CORE


def hwh_core() -> HwhCore:
    """The core as a block design and its handoff know it: VLNV, ports, every register and its bits."""
    registers = [
        HwhRegister(
            entry.name,
            entry.offset,
            entry.access,
            entry.text,
            tuple((field.name, field.low, field.width, field.text) for field in entry.fields),
        )
        for entry in CORE.registers
    ]
    return HwhCore(RTL_VLNV, "s_axi", "s_axis", "m_axis", registers)


def handoff(clock_mhz: float) -> bytes:
    """The `.hwh` of a core beside its DMA, with every register and its bits; InputError for a clock out of range."""
    return write_hwh(hwh_core(), clock_mhz)
