"""The AXI DMA's registers are what PG021 says of direct register mode, without a core behind them."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pynq", reason="pynq needs Python 3.10 to 3.12: pip install 'crossloom[board]'")

from crossloom.host.board.virtual.axi_dma import ACCESS_CYCLES, AxiDma
from crossloom.host.board.virtual.memory import Memory
from crossloom.sim.board import Region
from crossloom.sim.board.dma_registers import RESERVED_CONTROL, Channel, Control, Offset, Status
from crossloom.sim.errors import DeviceError

MEMORY = Region(0x1000, 0x4000)


class Movers:
    """Movers without beats: a test says how a transfer goes on."""

    UNREACHABLE, TOO_LONG = 1, 2

    def __init__(self):
        self.send, self.take = (SimpleNamespace(busy=0, fault=0, done=0) for _ in range(2))
        self.ends = {}

    def start(self, mover, at, reach, size):
        mover.busy, mover.fault, mover.done = 1, 0, 0
        mover.reach, mover.bytes = reach, size

    def stop(self, mover):
        mover.busy = 0

    def run(self, mover, limit):
        mover.done, mover.fault, mover.busy = self.ends.get(id(mover), (mover.bytes, 0, 0))

    def end(self, mover, done, fault=0, busy=0):
        """How the next look finds it."""
        self.ends[id(mover)] = done, fault, busy


@pytest.fixture
def movers():
    return Movers()


@pytest.fixture
def dma(movers):
    return AxiDma(movers, Memory(MEMORY, MEMORY.start), length_bits=14)


CHANNELS = list(Channel)


def started(dma, channel, address=MEMORY.start, length=64):
    dma.write(channel + Offset.CONTROL, Control.RUN)
    dma.write(channel + Offset.ADDRESS, address)
    dma.write(channel + Offset.LENGTH, length)


def status(dma, channel):
    return Status(dma.read(channel + Offset.STATUS))


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_is_halted_and_not_idle_until_it_runs(dma, channel):
    assert status(dma, channel) == Status.HALTED
    assert dma.read(channel + Offset.CONTROL) == RESERVED_CONTROL
    dma.write(channel + Offset.CONTROL, Control.RUN)
    assert status(dma, channel) == Status(0)
    assert dma.read(channel + Offset.CONTROL) == RESERVED_CONTROL | Control.RUN


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_end_of_a_transfer_is_idle_with_an_interrupt_that_a_one_clears(dma, channel):
    started(dma, channel)
    assert status(dma, channel) == Status.IDLE | Status.DONE
    dma.write(channel + Offset.STATUS, Status.ERROR)
    assert status(dma, channel) == Status.IDLE | Status.DONE
    dma.write(channel + Offset.STATUS, Status.DONE)
    assert status(dma, channel) == Status.IDLE


def test_a_transfer_that_goes_on_is_neither_idle_nor_halted(dma, movers):
    started(dma, Channel.S2MM)
    movers.end(movers.take, 8, busy=1)
    assert status(dma, Channel.S2MM) == Status(0)
    assert dma.read(Channel.S2MM + Offset.LENGTH) == 64


def test_the_length_says_what_was_received_and_what_was_sent(dma, movers):
    started(dma, Channel.S2MM, length=4096)
    movers.end(movers.take, 40)
    status(dma, Channel.S2MM)
    assert dma.read(Channel.S2MM + Offset.LENGTH) == 40
    started(dma, Channel.MM2S, length=4096)
    status(dma, Channel.MM2S)
    assert dma.read(Channel.MM2S + Offset.LENGTH) == 4096


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    ("length", "moved"), [(0, None), (1 << 14, None), ((1 << 14) - 1, 0x3FFF), ((1 << 20) + 64, 64)]
)
def test_the_length_register_has_so_many_bits_and_zero_starts_nothing(dma, movers, channel, length, moved):
    mover = movers.send if channel is Channel.MM2S else movers.take
    started(dma, channel, length=length)
    assert (mover.bytes if mover.busy else None) == moved
    if moved is None:
        assert status(dma, channel) == Status(0)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_halted_channel_starts_nothing(dma, movers, channel):
    dma.write(channel + Offset.LENGTH, 64)
    assert not movers.send.busy and not movers.take.busy
    assert status(dma, channel) == Status.HALTED


@pytest.mark.parametrize(
    ("channel", "fault", "cause"),
    [
        (Channel.MM2S, Movers.UNREACHABLE, Status.DECODE),
        (Channel.S2MM, Movers.UNREACHABLE, Status.DECODE),
        (Channel.S2MM, Movers.TOO_LONG, Status.INTERNAL),
    ],
)
def test_an_error_halts_the_channel_until_a_reset(dma, movers, channel, fault, cause):
    mover = movers.send if channel is Channel.MM2S else movers.take
    started(dma, channel)
    movers.end(mover, 8, fault)
    assert status(dma, channel) == Status.HALTED | Status.ERROR | cause
    assert dma.read(channel + Offset.CONTROL) == RESERVED_CONTROL
    dma.write(channel + Offset.STATUS, 0xFFFFFFFF)  # the interrupt goes, the cause stays
    dma.write(channel + Offset.CONTROL, Control.RUN)
    assert status(dma, channel) == Status.HALTED | cause
    dma.write(channel + Offset.LENGTH, 64)
    assert not mover.busy
    dma.write(channel + Offset.CONTROL, Control.RESET)
    assert status(dma, channel) == Status.HALTED
    movers.ends.clear()
    started(dma, channel)
    assert status(dma, channel) == Status.IDLE | Status.DONE


def test_memory_that_answers_with_an_error_is_a_slave_error(movers):
    memory = Memory(MEMORY, MEMORY.start)
    memory.broken = Region(MEMORY.start + 0x100, 8)
    dma = AxiDma(movers, memory)
    started(dma, Channel.MM2S, length=0x200)
    assert movers.send.reach == 0x100
    movers.end(movers.send, 0x100, Movers.UNREACHABLE)
    assert status(dma, Channel.MM2S) == Status.HALTED | Status.ERROR | Status.SLAVE


@pytest.mark.parametrize("through", CHANNELS)
def test_a_reset_of_one_channel_resets_both(dma, movers, through):
    for channel in CHANNELS:
        started(dma, channel)
    dma.write(through + Offset.CONTROL, Control.RESET)
    assert not movers.send.busy and not movers.take.busy
    for channel in CHANNELS:
        assert status(dma, channel) == Status.HALTED
        assert dma.read(channel + Offset.CONTROL) == RESERVED_CONTROL
        assert dma.read(channel + Offset.ADDRESS) == dma.read(channel + Offset.LENGTH) == 0


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_stopped_channel_leaves_its_transfer(dma, movers, channel):
    started(dma, channel)
    dma.write(channel + Offset.CONTROL, 0)
    assert not movers.send.busy and not movers.take.busy
    assert status(dma, channel) == Status.HALTED


@pytest.mark.parametrize("address", [MEMORY.start + 1, MEMORY.start + 4])
@pytest.mark.parametrize("channel", CHANNELS)
def test_an_unaligned_start_is_refused(dma, channel, address):
    with pytest.raises(DeviceError, match=rf"{channel.name}: address {address:#x}; without data realignment"):
        started(dma, channel, address)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_length_written_while_a_transfer_runs_is_refused(dma, movers, channel):
    started(dma, channel)
    with pytest.raises(DeviceError, match=f"{channel.name}: LENGTH written while a transfer runs"):
        dma.write(channel + Offset.LENGTH, 8)


@pytest.mark.parametrize("address", [0, MEMORY.start - 8, MEMORY.end + 1])
def test_no_memory_at_the_address_is_a_decode_error(dma, movers, address):
    started(dma, Channel.MM2S, address - address % 8)
    assert movers.send.reach == 0
    movers.end(movers.send, 0, Movers.UNREACHABLE)
    assert status(dma, Channel.MM2S) & Status.DECODE


def test_a_look_at_a_quiet_channel_takes_time_too(dma):
    before = dma.waited
    dma.read(Channel.MM2S + Offset.STATUS)
    assert dma.waited == before + ACCESS_CYCLES


def test_other_offsets_read_zero_and_keep_nothing(dma):
    for offset in (0x08, 0x0C, 0x10, 0x2C, 0x38, 0x5C):
        dma.write(offset, 0xFFFFFFFF)
        assert dma.read(offset) == 0


def test_host_and_dma_see_different_bytes_until_flushed():
    memory = Memory(MEMORY, MEMORY.start)
    made = memory.allocate(64)
    made.host[:] = np.arange(64)
    at = made.address - MEMORY.start
    assert not memory.cells[at : at + 64].any()
    memory.flush(made, 8, 8)
    assert memory.cells[at : at + 64].tolist() == [0] * 8 + list(range(8, 16)) + [0] * 48
    memory.cells[at : at + 64] = 7
    assert made.host.tolist() == list(range(64))
    memory.invalidate(made, 0, 16)
    assert made.host.tolist() == [7] * 16 + list(range(16, 64))


def test_buffers_do_not_overlap_and_their_room_comes_back():
    memory = Memory(Region(0, 0x10000), 0x4000)
    first, second = memory.allocate(5000), memory.allocate(1)
    assert (first.address, second.address) == (0x4000, 0x6000)
    memory.free(first)
    assert memory.allocate(8192).address == 0x4000
    with pytest.raises(DeviceError, match="no room for a buffer of 65,536 bytes"):
        memory.allocate(0x10000)
    memory.free(first)  # a second time does nothing
    assert memory.allocate(4096).address == 0x7000
