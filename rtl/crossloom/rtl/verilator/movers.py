"""Two movers between memory and a model's streams, as a DMA has them: beats move whatever else lets the clock run."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RtlError
from .model import Model

UNREACHABLE, TOO_LONG = 1, 2  # faults


class Mover(ctypes.Structure):
    """One direction: `done` of `bytes` at an address are moved; memory ends after `reach`; `fault` says why it ended.

    The harness reads and writes the same fields.
    """

    _fields_ = (
        ("at", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("bytes", "reach", "done", "busy", "fault")),
    )


class Movers:
    """The movers of a model: `send` feeds its stream, `take` empties it; they drive its streams from now on.

    Raises RtlError for a model without the streams.
    """

    def __init__(self, model: Model, source: str = "s_axis_t", sink: str = "m_axis_t") -> None:
        self.model = model
        self.send, self.take = model.attach(source, sink, Mover)

    def start(self, mover: Mover, memory: NDArray[Any], bytes_: int) -> None:
        """Move bytes from or to memory, a uint8 array that may be shorter: what is beyond it is a fault.

        The memory must live until the mover has stopped.
        """
        _ = self.model.cycle  # of a closed model nothing may be written
        if memory.dtype != np.uint8 or not memory.flags.c_contiguous:
            raise RtlError(f"{self.model.top}: memory of {memory.dtype}; contiguous bytes are needed")
        mover.at, mover.bytes, mover.reach = memory.ctypes.data, bytes_, len(memory)
        mover.done = mover.fault = 0
        mover.busy = 1

    def stop(self, mover: Mover) -> None:
        """Leave the rest."""
        _ = self.model.cycle
        mover.busy = 0

    def run(self, limit: int) -> None:
        """Let the clock run until a mover that is busy stops, at most `limit` cycles."""
        self.model.move(limit)
