"""Many recordings of one camera in one `.npz`, with labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError

from ..arrays import read_npz
from ..files import shown
from .atis import TIME_BASE
from .recording import Recording

EVENTS = ("offset", "dt", "x", "y", "p", "size")
EXTRAS = ("label", "label_inferred", "split", "index")


@dataclass(frozen=True, eq=False)
class Packed:
    """Recordings of one sensor, one after another in the arrays of a `.npz`: `len(packed)`, `packed.recording(k)`.

    Recording k is the events offset[k] to offset[k + 1]; `dt` is the time in microseconds since the event before, of
    a first event since the recording's start; `extras` has an entry a recording: `label`, `split` (0 training, 1 test)
    and `index`, as far as the file has them.
    """

    source: str
    height: int
    width: int
    arrays: dict[str, npt.NDArray[Any]]
    extras: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["offset"]) - 1

    def recording(self, index: int) -> Recording:
        """Return one recording, checked; raises ConfigError (one line) where its events are none."""
        first, last = (int(offset) for offset in self.arrays["offset"][index : index + 2])
        t = self.arrays["dt"][first:last].cumsum(dtype=np.int64)
        x, y, p = (self.arrays[name][first:last] for name in ("x", "y", "p"))
        return Recording(f"{self.source}: recording {index}", self.height, self.width, t, x, y, p, TIME_BASE)


def read_packed(path: Path) -> Packed:
    """Return the recordings of a `.npz` with the arrays `offset`, `dt`, `x`, `y`, `p` and `size` (width, height).

    Nothing is unpickled. Raises ConfigError (one line); the events are checked when a recording is taken.
    """
    where = shown(path)
    arrays = read_npz(path, (*EVENTS, *EXTRAS))
    for name in EVENTS:
        if name not in arrays:
            raise ConfigError(f"{where}: no array {name!r}; needed {', '.join(EVENTS)}; add it")
        if arrays[name].dtype.kind not in "iub" or arrays[name].ndim != 1:
            found = f"{name} is {arrays[name].dtype} of shape {list(arrays[name].shape)}"
            raise ConfigError(f"{where}: {found}; needed integers in one dimension; convert it")
    offset, size = arrays["offset"].astype(np.int64), arrays.pop("size")
    count = len(arrays["x"])
    if len(offset) < 2 or offset[0] != 0 or offset[-1] != count or (np.diff(offset) < 0).any():
        needed = f"needed 0 to the {count} events, never decreasing, one more than recordings"
        raise ConfigError(f"{where}: offset are no boundaries of recordings; {needed}; correct it")
    if {len(arrays[name]) for name in ("dt", "x", "y", "p")} != {count} or len(size) != 2:
        found = ", ".join(f"{len(arrays[name])} {name}" for name in ("dt", "x", "y", "p"))
        raise ConfigError(
            f"{where}: {found}, size of {len(size)}; needed one an event, size (width, height); correct it"
        )
    extras = {name: arrays.pop(name) for name in EXTRAS if name in arrays}
    for name, values in extras.items():
        if values.dtype.kind not in "iu" or values.shape != (len(offset) - 1,):
            found = f"{name} is {values.dtype} of shape {list(values.shape)}"
            raise ConfigError(f"{where}: {found}; needed {len(offset) - 1} integers, one a recording; correct it")
    odd = ~np.isin(extras.get("split", 0), (0, 1))
    if odd.any():
        found = f"split of recording {int(np.argmax(odd))} is neither 0 nor 1"
        raise ConfigError(f"{where}: {found}; needed 0 for training, 1 for test; correct it")
    return Packed(where, int(size[1]), int(size[0]), {**arrays, "offset": offset}, extras)
