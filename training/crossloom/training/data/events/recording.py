"""A recording of an event camera, and the checks that every source of events shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError

from ..labelled import MAX_SIDE

Times = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint16]
Polarities = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Recording:
    """Events in the order of their times: `t` int64 microseconds, `x`, `y` uint16 pixels, `p` uint8, each (events,).

    The pixel (0, 0) is the upper left one: `x` grows to the right below `width`, `y` downwards below `height`. `p` is 1
    where the pixel became brighter, 0 where it became darker. `time_base` says what `t` counts from. `source` names
    the recording in messages. Integers and booleans of any type are taken; the arrays are read-only. Raises ConfigError
    (one line) where there are no events, or any of this does not hold.
    """

    source: str
    height: int
    width: int
    t: Times
    x: Pixels
    y: Pixels
    p: Polarities
    time_base: str

    def __post_init__(self) -> None:
        where, size = self.source, (self.height, self.width)
        if any(isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= MAX_SIDE for side in size):
            raise ConfigError(f"{where}: a sensor of size {size}; needed (height, width), 1..{MAX_SIDE}; correct it")
        arrays = {name: np.asarray(getattr(self, name)) for name in ("t", "x", "y", "p")}
        _check_arrays(where, arrays)
        _check_times(where, arrays["t"])
        for name, side, limit in (("x", "width", self.width), ("y", "height", self.height)):
            _check_range(where, name, arrays[name], limit, f"as the sensor's {side} is {limit}", "give its real size")
        _check_range(where, "p", arrays["p"], 2, "as 1 is brighter and 0 darker", "map the polarities")
        for name, kind in (("t", np.int64), ("x", np.uint16), ("y", np.uint16), ("p", np.uint8)):
            view = np.ascontiguousarray(arrays[name], dtype=kind).view()
            view.setflags(write=False)
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.t)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sensor."""
        return self.height, self.width


def _check_arrays(where: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Raise ConfigError unless the arrays are integers or booleans, and equally many in one dimension."""
    for name, array in arrays.items():
        if array.dtype.kind not in "iub" or array.ndim != 1:
            found = f"{name} is {array.dtype} of shape {list(array.shape)}"
            raise ConfigError(f"{where}: {found}; needed integers, one an event; convert it")
    counts = {len(array) for array in arrays.values()}
    if len(counts) > 1:
        found = ", ".join(f"{len(array)} {name}" for name, array in arrays.items())
        raise ConfigError(f"{where}: {found}; needed one of each an event; correct the arrays")
    if counts == {0}:
        raise ConfigError(f"{where}: no events; needed at least one; leave the recording out")


def _check_times(where: str, times: npt.NDArray[Any]) -> None:
    """Raise ConfigError unless the times never go back and lie in 0..2^62."""
    if int(times.min()) < 0 or int(times.max()) > 1 << 62:
        found = f"times {int(times.min())} to {int(times.max())}"
        raise ConfigError(f"{where}: {found}; needed microseconds 0..2^62; correct the time base")
    back = np.flatnonzero(times[1:] < times[:-1])
    if len(back):
        i = int(back[0]) + 1
        found = f"event {i} at {int(times[i])} us follows one at {int(times[i - 1])} us"
        raise ConfigError(f"{where}: {found}; needed events in the order of their times; sort them, stably")


def _check_range(where: str, name: str, values: npt.NDArray[Any], limit: int, why: str, advice: str) -> None:
    bad = np.flatnonzero((values < 0) | (values >= limit))
    if len(bad):
        i = int(bad[0])
        raise ConfigError(f"{where}: event {i} has {name} {int(values[i])}; needed 0..{limit - 1}, {why}; {advice}")


def check_size(recording: Recording, size: tuple[int, int] | None) -> Recording:
    """Return the recording; raise ConfigError unless its sensor has this (height, width), where one is asked for."""
    if size is not None and recording.size != size:
        found = f"a sensor of {recording.height} x {recording.width} pixels"
        advice = "take a recording of that camera, or train on this size"
        raise ConfigError(f"{recording.source}: {found}; needed {size[0]} x {size[1]}; {advice}")
    return recording
