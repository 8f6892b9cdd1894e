"""Recordings in the binary format of N-MNIST, 40 bits an event, as the ATIS camera's software wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossloom.sim.errors import ConfigError

from ..files import check_file, shown
from .recording import Recording

SENSOR = (34, 34)
"""Height and width of N-MNIST's recordings; the files do not say it."""

EVENT_BYTES = 5
OVERFLOW_ROW = 240
OVERFLOW_US = 1 << 13
TIME_BASE = "the start of the recording"


def read_bin(path: Path, size: tuple[int, int] = SENSOR) -> Recording:
    """Return the recording of a `.bin` file of N-MNIST.

    An event is x, y, then a bit of polarity (1: brighter) and 23 bits of microseconds since the start, the highest
    byte first. An event with y = 240 is none: it says that the clock of the camera overflowed, and adds 2^13
    microseconds to every later time (G. Orchard's event-Python, which the authors of N-MNIST published with it; tonic
    reads it so too, SpikingJelly takes the marker for an event). Raises ConfigError (one line).
    """
    needed = "needed a .bin file of N-MNIST"
    check_file(path, f"{needed}; check the path")
    data = np.fromfile(path, np.uint8)
    if len(data) % EVENT_BYTES:
        raise ConfigError(
            f"{shown(path)}: {len(data)} bytes, no multiple of 5; {needed}, 5 bytes an event; copy it again"
        )
    x, y, high, middle, low = data.reshape(-1, EVENT_BYTES).astype(np.int64).T
    marker = y == OVERFLOW_ROW
    t = ((high & 127) << 16 | middle << 8 | low) + OVERFLOW_US * np.cumsum(marker)
    t, x, y, p = (values[~marker] for values in (t, x, y, high >> 7))
    return Recording(shown(path), *size, t, x, y, p, TIME_BASE)
