"""Counts of a recording: its events by pixel and polarity in bins of time, or of equal numbers of events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossloom.sim.errors import ConfigError

from ..labelled import MAX_BYTES, Images, Ints
from .recording import Recording

MOST = 255
"""The largest count that a byte can hold."""


@dataclass(frozen=True, eq=False)
class Binned:
    """Counts (steps, H, W, 2) uint8, the last axis by polarity: [..., 0] darker, [..., 1] brighter.

    Every event is in one count: `counts.sum() + saturated + outside` is the number of events. `saturated` counts the
    events above the largest count of their pixel, `outside` those before the first bin or after the last.
    """

    counts: Images
    saturated: int
    outside: int


def bin_by_time(
    recording: Recording, steps: int, bin_us: int | None = None, start: int | None = None, most: int = MOST
) -> Binned:
    """Count events in `steps` bins of time: equal ones over the recording, or of `bin_us` microseconds each.

    Bins start at `start` (the first event unless given). Equal bins reach to the last event, which is in the last
    bin; they differ by less than a microsecond. Bin k of fixed length is start + k * bin_us <= t < start + (k + 1) *
    bin_us. Counts stop at `most`, 1..255. Raises ConfigError for what is no number of bins, or counts over 4 GiB.
    """
    start = int(recording.t[0]) if start is None else start
    if bin_us is None and start > recording.t[-1]:
        found = f"bins from {start} us, after the last event at {int(recording.t[-1])} us"
        raise ConfigError(f"{recording.source}: {found}; needed an earlier start; correct it")
    if bin_us is not None and bin_us < 1:
        raise ConfigError(f"{recording.source}: bins of {bin_us} us; needed at least 1; correct it")
    _check(recording, steps, most)
    since = recording.t - start
    # Floor division: what lies before the start falls into bins below 0.
    bins = since * steps // (int(since[-1]) + 1) if bin_us is None else since // bin_us
    return _count(recording, bins, steps, most)


def bin_by_count(recording: Recording, steps: int, most: int = MOST) -> Binned:
    """Count events in `steps` bins of equally many events each, in the order of their times, give or take one.

    Raises as `bin_by_time`.
    """
    _check(recording, steps, most)
    return _count(recording, np.arange(len(recording), dtype=np.int64) * steps // len(recording), steps, most)


def _check(recording: Recording, steps: int, most: int) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"{recording.source}: {steps!r} bins; needed an integer of at least 1; correct it")
    if not 1 <= most <= MOST:
        raise ConfigError(f"{recording.source}: counts up to {most}; needed 1..{MOST}; correct it")
    if steps * recording.height * recording.width * 2 > MAX_BYTES:
        found = f"{steps} bins of {recording.height} x {recording.width} x 2 counts"
        raise ConfigError(f"{recording.source}: {found}; needed at most {MAX_BYTES >> 30} GiB; take fewer bins")


def _count(recording: Recording, bins: Ints, steps: int, most: int) -> Binned:
    """Count events whose bins (events,) never decrease; those below 0 or from `steps` on are outside."""
    height, width = recording.size
    cell = (recording.y.astype(np.int64) * width + recording.x) * 2 + recording.p
    edges = np.searchsorted(bins, np.arange(steps + 1))
    counts = np.zeros((steps, height * width * 2), np.uint8)
    saturated = 0
    for bin_counts, first, last in zip(counts, edges[:-1], edges[1:], strict=True):  # one bin at a time in memory
        events = np.bincount(cell[first:last], minlength=len(bin_counts))
        bin_counts[:] = np.minimum(events, most)
        saturated += int(np.maximum(events - most, 0).sum())
    outside = len(recording) - int(edges[-1] - edges[0])
    return Binned(counts.reshape(steps, height, width, 2), saturated, outside)
