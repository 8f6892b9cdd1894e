"""What `pynq` does that the driver works around: if it changes, so may the driver (docs/board.md)."""

import numpy as np
import pytest

from crossloom.host.board import virtual_board
from crossloom.host.board.attach import attach
from crossloom.sim.board import Region


@pytest.fixture
def loaded(overlay):
    """The package's view of digits-sha on a virtual board of its own."""
    board = virtual_board()
    found, _ = attach(overlay, board)
    yield found
    board.clear()


def test_a_channel_after_an_error_says_that_it_was_not_started(loaded):
    memory, dma = loaded.device.memory, loaded.dma
    buffer = loaded.device.allocate((8,), np.uint64)
    memory.broken = Region(buffer.physical_address, 8)
    dma.sendchannel.transfer(buffer)
    while not dma.sendchannel.error:
        pass
    memory.broken = None
    for call in (dma.sendchannel.wait, lambda: dma.sendchannel.transfer(buffer)):
        with pytest.raises(RuntimeError, match="DMA channel not started"):
            call()
    assert not hasattr(dma.sendchannel, "reset")


def test_an_overlay_that_was_not_downloaded_is_loaded(overlay):
    from pynq import Overlay

    board = virtual_board()
    assert Overlay(str(overlay.bit), download=False).is_loaded() and board.model is None


def test_a_strided_view_sends_the_bytes_after_its_first_element(loaded):
    buffer = loaded.device.allocate((16,), np.uint64)
    view = buffer[::2]
    assert view.nbytes == 64 and view.physical_address == buffer.physical_address
    loaded.dma.sendchannel.transfer(view)
    assert loaded.dma.mmio.read(0x28) == 64


def test_clocks_keep_the_first_device_and_an_fclk_its_source(loaded):
    from pynq import Clocks

    first = Clocks._instance
    board = virtual_board()
    assert Clocks.fclk1_mhz == 100 and Clocks._instance is first
    source = 3 << 4  # the DDR PLL
    before = board.clocks.read(0x180)
    try:
        board.clocks.write(0x180, before & ~(3 << 4) | source)
        with pytest.warns(UserWarning, match="closest possible"):
            Clocks.fclk1_mhz = 100
        assert board.clocks.read(0x180) & 3 << 4 == source
        assert board.clocks.fclk_mhz(1) == pytest.approx(Clocks.fclk1_mhz)
    finally:
        board.clocks.write(0x180, before)
