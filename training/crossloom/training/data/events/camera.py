"""A model of an event camera that watches an image move, as N-MNIST was recorded; all in integers but its tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError

from ..labelled import Images, Ints
from .binning import MOST
from .recording import Recording

IntArray = npt.NDArray[np.int32]

WEIGHT = 64
"""Sum of the weights of a pixel's row or column: 255 * 64 * 64 < 2^24, so float32 products are exact."""

FOLD = 1024
"""Steps of a logarithmic level in a factor of e."""

TIME_BASE = "the start of the movement"


@dataclass(frozen=True)
class Saccade:
    """One movement: from `start` to `end` microseconds, to an offset of (`right`, `down`) sensor pixels."""

    start: int
    end: int
    right: float
    down: float


@dataclass(frozen=True)
class CameraModel:
    """A camera of side x side pixels before square images that move; the defaults are fitted to N-MNIST's recordings.

    A pixel sees the image through a triangle as wide as two of its own pixels and compares the logarithm of what it
    sees, ln(1 + value / `dark`), with the level at its last event: `threshold` higher is an event "brighter", lower
    one "darker", and moves that level by the threshold. Thresholds of the pixels differ with the standard deviation
    `mismatch` (a share), the same for every recording of one `seed`; no pixel fires twice within `refractory`
    microseconds; `noise` are the events a second of a pixel that sees nothing. Image pixels are `scale` sensor pixels
    large, and the image's centre starts `right`, `down` sensor pixels from the sensor's. Each of the `saccades`
    accelerates and slows down again: 3u^2 - 2u^3 of the way at the share u of its time. Movement is sampled every
    `sample` microseconds, events between samples are interpolated.

    `inverted`: the image is shown dark on bright, with bright surroundings. In N-MNIST's recordings events "brighter"
    trail the movement: digits were dark, or the polarity is the opposite of what the format says. Dark digits explain
    the numbers of events better.

    Sources: log-intensity thresholds as in P. Lichtsteiner and others, "A 128x128 120 dB 15 us latency asynchronous
    temporal contrast vision sensor", JSSC 2008; saccades as in G. Orchard and others, "Converting Static Image Datasets
    to Spiking Neuromorphic Datasets Using Saccades", 2015.
    """

    seed: int = 1
    side: int = 34
    threshold: float = 0.445
    mismatch: float = 0.1
    dark: float = 10.0
    inverted: bool = True
    refractory: int = 2_000
    noise: float = 0.4
    scale: float = 1.0
    right: float = -3.4
    down: float = -1.7
    saccades: tuple[Saccade, ...] = (
        Saccade(8_000, 86_000, 3.1, 5.8),
        Saccade(106_000, 190_000, 6.6, 0.0),
        Saccade(220_000, 298_000, 0.0, 0.0),
    )
    duration: int = 310_000
    sample: int = 4_000

    @cached_property
    def levels(self) -> IntArray:
        """Logarithmic levels, in 1/FOLD, of what a pixel sees, in quarters of an image value (0..1020)."""
        table: IntArray = np.rint(FOLD * np.log1p(np.arange(4 * 255 + 1) / (4 * self.dark))).astype(np.int32)
        return table[::-1] if self.inverted else table

    @cached_property
    def thresholds(self) -> IntArray:
        """Thresholds (2, side * side) of the pixels, darker before brighter, in 1/FOLD, at least a third of it."""
        spread = np.random.default_rng([self.seed, 0]).normal(1.0, self.mismatch, (2, self.side**2))
        found: IntArray = np.rint(FOLD * self.threshold * np.maximum(spread, 1 / 3)).astype(np.int32)
        return found

    def position(self, t: int) -> tuple[float, float]:
        """Return how far (right, down), in sensor pixels, the image's centre is from the sensor's at a time in us."""
        at, t = (0.0, 0.0), t % self.duration
        for saccade in self.saccades:
            u = min(max((t - saccade.start) / (saccade.end - saccade.start), 0.0), 1.0)
            way = u * u * (3 - 2 * u)
            at = at[0] + way * (saccade.right - at[0]), at[1] + way * (saccade.down - at[1])
        return self.right + at[0], self.down + at[1]

    def optics(self, pixels: int, shift: float) -> npt.NDArray[np.float32]:
        """Return the weights (side, pixels) of an image moved by `shift`: whole numbers, at most WEIGHT in a row."""
        sensor = np.arange(self.side)[:, None] - (self.side - 1) / 2 - shift
        image = (np.arange(pixels)[None] - (pixels - 1) / 2) * self.scale
        weights = np.maximum(0, 1 - np.abs(sensor - image)) * self.scale
        parts = np.floor(WEIGHT * weights / np.maximum(weights.sum(1, keepdims=True), 1))
        return np.asarray(parts, np.float32)

    def watch(self, images: Images, indices: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Return the events (image, t, pixel, p) of a recording of each image, those of one image in no order.

        `images` uint8 (N, S, S); `indices` (N,) number the recordings: equal seed, index and image give equal
        events, whatever the other images are. Times are in microseconds, `pixel` is y * side + x, p is 1 for brighter.
        """
        if images.ndim != 3 or images.shape[1] != images.shape[2] or images.dtype != np.uint8:
            found = f"images are {images.dtype} of shape {list(images.shape)}"
            raise ConfigError(f"event camera: {found}; needed uint8 (N, S, S); convert them")
        if len(indices) != len(images):
            found = f"{len(indices)} indices for {len(images)} images"
            raise ConfigError(f"event camera: {found}; needed one an image; correct them")
        noise, charge = self._chance(indices)
        parts = [noise, *self._moving(images, charge)]
        image, t, pixel, p = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return image, t, pixel, p

    def record(self, image: Images, index: int) -> Recording:
        """Return the recording number `index`, of one image uint8 (S, S)."""
        _, t, pixel, p = self.watch(image[None], np.array([index]))
        order = np.lexsort((p, pixel, t))
        y, x = np.divmod(pixel[order], self.side)
        return Recording(f"recording {index}", self.side, self.side, t[order], x, y, p[order], TIME_BASE)

    def counts(
        self, images: Images, indices: Ints, steps: int, bin_us: int, most: int = MOST
    ) -> tuple[Images, int, int]:
        """Return the counts (N, steps, side, side, 2) of bins from 0 on, and how many events are saturated and outside.

        The same counts as `bin_by_time(record(...), steps, bin_us, 0, most)` of every recording.
        """
        image, t, pixel, p = self.watch(images, indices)
        bins = t // bin_us
        inside = bins < steps
        cell = ((image * steps + bins) * self.side**2 + pixel) * 2 + p
        shape = len(images), steps, self.side, self.side, 2
        found = np.bincount(cell[inside], minlength=int(np.prod(shape)))
        saturated = int(np.maximum(found - most, 0).sum())
        return np.minimum(found, most).astype(np.uint8).reshape(shape), saturated, int((~inside).sum())

    def _seen(self, columns: npt.NDArray[np.float32], size: int, t: int) -> IntArray:
        """Return the logarithmic levels (side, N, side) that the pixels see at a time, of images as (S, N * S)."""
        right, down = self.position(t)
        rows = self.optics(size, down) @ columns
        values = rows.reshape(-1, size) @ self.optics(size, right).T
        index = values.astype(np.int32) >> 10  # of 255 * WEIGHT^2 to quarters of 255
        return self.levels.take(index).reshape(self.side, -1, self.side)

    def _moving(self, images: Images, charge: IntArray) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
        """Yield the events of the movement, sample by sample, of pixels that start with a charge in 0..65535.

        The last movement before the recording is watched too, as it leaves pixels near one of their two thresholds.
        """
        count, size, side = len(images), images.shape[1], self.side
        columns = images.astype(np.float32).transpose(1, 0, 2).reshape(size, -1)  # one product for all images
        lead = self.saccades[-1].start - self.duration
        before = self._seen(columns, size, lead)
        darker, brighter = self.thresholds.reshape(2, side, 1, side)
        level = before - brighter + 1 + (charge.reshape(-1, side, side).swapaxes(0, 1) * (darker + brighter - 1) >> 16)
        ready = np.full(level.shape, lead, np.int32)
        waiting = False
        for start in [*range(lead, 0, self.sample), *range(0, self.duration, self.sample)]:
            end = min(start + self.sample, self.duration if start >= 0 else 0)
            if self.position(start) == self.position(end) and not waiting:
                continue
            now = self._seen(columns, size, end)
            change = now - level
            waiting = False
            far = np.flatnonzero((change >= brighter) | (change <= -darker))
            while len(far):
                y, rest = np.divmod(far, count * side)
                image, x = np.divmod(rest, side)
                seen, last, held = now.take(far), before.take(far), level.take(far)
                p = (seen > held).astype(np.int64)
                up, down = brighter[y, 0, x], darker[y, 0, x]
                crossed = held + np.where(p, up, -down)
                step = seen - last
                # Where the pixel was kept waiting beyond the level, its time is that at which it may fire.
                late = (crossed - last) * (end - start) // np.where(step == 0, 1, step)
                t = np.maximum(start + np.clip(np.where(step == 0, 0, late), 0, end - start), ready.take(far))
                fires = t < end
                waiting |= not fires.all()
                level.flat[far[fires]] = crossed[fires]
                ready.flat[far[fires]] = t[fires] + self.refractory
                if start >= 0:
                    yield image[fires], t[fires].astype(np.int64), (y * side + x)[fires], p[fires]
                left = seen - crossed
                far = far[fires & ((left >= up) | (left <= -down))]
            before = now

    def _chance(self, indices: Ints) -> tuple[tuple[Ints, Ints, Ints, Ints], IntArray]:
        """Return the noise events and the charges (N, side * side) of the recordings, each from its own generator."""
        mean = self.noise * self.side**2 * self.duration / 1e6
        rngs = [np.random.default_rng([self.seed, 1, int(index)]) for index in indices]
        charge = np.stack([rng.integers(0, 1 << 16, self.side**2, np.int32) for rng in rngs])
        counts = [int(rng.poisson(mean)) for rng in rngs]
        t, pixel, p = (
            np.concatenate([rng.integers(0, limit, count) for rng, count in zip(rngs, counts, strict=True)])
            for limit in (self.duration, self.side**2, 2)
        )
        return (np.repeat(np.arange(len(counts)), counts), t, pixel, p), charge
