"""A core behind the `pynq` package: the driver, and a virtual PYNQ-Z2 for those without the board."""

from __future__ import annotations

from typing import Any


def virtual_board() -> Any:
    """A virtual PYNQ-Z2, from now on the device that `pynq` uses where none is named.

    MissingExtraError without `crossloom[board]`.
    """
    from .attach import import_pynq

    pynq = import_pynq()
    from .virtual.device import VirtualBoard

    board = VirtualBoard()
    pynq.Device.active_device = board
    return board
