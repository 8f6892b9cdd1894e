"""Two movers between memory and a model's streams, as a DMA has them: beats move whatever else lets the clock run."""

import ctypes

from ..errors import RtlError
from .model import Model


class Mover(ctypes.Structure):
    """One direction: `done` of `bytes` at an address are moved; memory ends after `reach`; `fault` says why it ended.

    In about `pause` of 256 cycles the memory is not ready.

    The harness reads and writes the same fields.
    """

    _fields_ = (
        ("at", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("bytes", "reach", "done", "busy", "fault", "pause", "offered")),
    )


class Movers:
    """The movers of a model: `send` feeds its stream, `take` empties it; they drive its streams from now on.

    Raises RtlError for a model without the streams.
    """

    UNREACHABLE, TOO_LONG = 1, 2  # what a fault says

    def __init__(self, model: Model, source: str = "s_axis_t", sink: str = "m_axis_t") -> None:
        self.model = model
        self.send, self.take = model.attach(source, sink, Mover)

    def start(self, mover: Mover, at: int, reach: int, size: int) -> None:
        """Move `size` bytes from or to memory at an address of this process; beyond `reach` bytes there is a fault.

        The memory must live until the mover has stopped.
        """
        if not self.model.is_open:  # of a closed model nothing may be written
            raise RtlError(f"{self.model.top}: the model is closed; make a new one")
        mover.at, mover.bytes, mover.reach = at, size, reach
        mover.done = mover.fault = mover.offered = 0
        mover.busy = 1

    def stop(self, mover: Mover) -> None:
        """Leave the rest."""
        if self.model.is_open:
            mover.busy = 0

    def run(self, mover: Mover, limit: int) -> None:
        """Let the clock run until a mover stops, or the other one finds a fault, at most `limit` cycles."""
        self.model.move(int(mover is self.take), limit)
