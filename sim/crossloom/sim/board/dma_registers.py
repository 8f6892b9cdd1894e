"""The registers of the AXI DMA of Xilinx in direct register mode (PG021 7.1, "Register Space")."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Channel(IntEnum):
    """Where a channel's registers begin: memory to stream (MM2S), stream to memory (S2MM)."""

    MM2S = 0x00
    S2MM = 0x30


class Offset(IntEnum):
    """Of a register within its channel, in bytes."""

    CONTROL = 0x00  # DMACR
    STATUS = 0x04  # DMASR
    ADDRESS = 0x18  # SA, DA
    ADDRESS_HIGH = 0x1C
    LENGTH = 0x28


class Control(IntFlag):
    """Bits of DMACR."""

    RUN = 1 << 0
    RESET = 1 << 2  # of both channels; clears itself
    IRQ_DONE = 1 << 12
    IRQ_ERROR = 1 << 14


class Status(IntFlag):
    """Bits of DMASR; the interrupts are cleared by writing 1."""

    HALTED = 1 << 0
    IDLE = 1 << 1
    INTERNAL = 1 << 4  # S2MM: the packet is longer than LENGTH
    SLAVE = 1 << 5  # the memory answered with an error
    DECODE = 1 << 6  # no memory there
    DONE = 1 << 12
    ERROR = 1 << 14


ERRORS = Status.INTERNAL | Status.SLAVE | Status.DECODE
RESERVED_CONTROL = 0x0001_0002  # what DMACR reads beside its bits: one interrupt a transfer, and a reserved bit
