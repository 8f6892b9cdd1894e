"""`Accelerator`: a design, opened on a device, that turns images into predictions."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from crossloom.sim import Artifact, DeviceError, InputError, Network, Result, batches, input_codes, load
from crossloom.sim.result import joined
from crossloom.sim.simulator import check_images
from crossloom.sim.types import AnyArray, IntArray

from .backends import open_backend
from .designs import find_design, find_overlay
from .images import image_batches

_BATCH = 64  # of a stream, where the device has no size of its own
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Answers for N images: `result` from the back end named `backend`.

    `origin` says what the figures are ("simulated", "measured"); `classes` are the names of the labels.
    """

    result: Result
    origin: str
    backend: str
    classes: tuple[str, ...]

    @property
    def labels(self) -> IntArray:
        """Indices into `classes`, int64 (N,)."""
        return self.result.labels

    @property
    def coarse(self) -> IntArray | None:
        """The super-class that ran, int64 (N,); None for a flat network."""
        return self.result.branch

    @property
    def scores(self) -> AnyArray:
        """Logits int64 (N, classes), one scale within a branch; classes of branches that did not run are masked."""
        return self.result.scores

    @property
    def macs(self) -> IntArray:
        """Multiply-accumulates really done for each image, int64 (N,)."""
        return self.result.macs

    @property
    def cycles(self) -> IntArray | None:
        """Clock cycles of each image by itself, int64 (N,); None where nothing clocked ran."""
        return self.result.cycles

    @property
    def names(self) -> list[str]:
        """The class name of each image."""
        return [self.classes[label] for label in self.labels]

    def top_k(self, k: int) -> AnyArray:
        """Return int64 (N, k) class indices, best first, ties to the lowest index; masked past a branch's classes."""
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= len(self.classes):
            raise InputError(f"top_k: k is {k!r}; needed 1 to {len(self.classes)}")
        scores = np.ma.asarray(self.scores)
        absent = np.ma.getmaskarray(scores)
        # Absent classes sort behind every real score, whatever its value.
        order = np.lexsort((-scores.filled(0), absent))[:, :k]
        return np.ma.MaskedArray(order, mask=np.take_along_axis(absent, order, axis=1))


class Accelerator:
    """A design on a device.

    `design`: name of a shipped design, or path of a `.loom` file. `device`: "auto" or a back end's name. For the board
    and the virtual board: `overlay` is a `.bit` (default: the one beside the design; the virtual board makes its own),
    `frames` go in one DMA transfer (default 256; with 1, `Prediction.cycles` are each image's own).
    Raises ArtifactError, InputError or DeviceError, one line each.

    >>> acc = Accelerator("digits-cnn")
    >>> acc.backend
    'integer'
    """

    def __init__(
        self,
        design: str | os.PathLike[str],
        device: str = "auto",
        *,
        overlay: str | os.PathLike[str] | None = None,
        frames: int | None = None,
    ) -> None:
        found = find_design(design)
        self.artifact: Artifact = load(found)
        bit = find_overlay(found, device, overlay)
        self._backend, self.reason = open_backend(self.network, device, bit, frames)
        # What is missing or refused shows now, not with the first images.
        self._backend.run(np.zeros((0, *self.network.input.edge.image_shape), np.int64))
        if device == "auto":
            _log.info("%s: %s", self.network.name, self.reason)

    @property
    def network(self) -> Network:
        """The network that runs."""
        return self.artifact.network

    @property
    def backend(self) -> str:
        """Name of the back end that runs; `reason` says why this one."""
        return self._backend.name

    def __call__(self, images: AnyArray, index: int = 0) -> Prediction:
        """Classify images: uint8 (N, H, W, C) below the design's levels, or floats in 0..1; (N, H, W) for one channel.

        Of events (N, steps, H, W, C). `index` is the number of the first image in its set, from which encoder "rate"
        draws spikes. Raises InputError for another shape, dtype, NaN or a value out of range.
        """
        network = self.network
        images = check_images(network.input, images)
        parts = [
            self._backend.run(input_codes(network.input, images[rows], index + rows.start))
            for rows in batches(network, len(images))
        ]
        return Prediction(joined(parts), self._backend.origin, self._backend.name, self.network.classes)

    def stream(self, images: Iterable[Any] | str | os.PathLike[str], batch: int | None = None) -> Iterator[Prediction]:
        """Classify images one after another from any iterable, or the pictures of a folder by name, in constant memory.

        An item is an image as `__call__` takes it, without the first axis, or the path of one. A Prediction comes for
        every `batch` of them (default: what one transfer takes, else 64) and for the rest; a board computes one while
        the next is read. Raises InputError for an item that is no image of this design.
        """
        size = batch or getattr(self._backend, "frames", _BATCH)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"stream: batch is {batch!r}; needed 1 or more")
        given = self.network.input
        parts = enumerate(image_batches(images, size, given))
        codes = (input_codes(given, part, number * size) for number, part in parts)
        for found in self._backend.stream(codes):
            yield Prediction(found, self._backend.origin, self._backend.name, self.network.classes)

    def load(self, design: str | os.PathLike[str]) -> None:
        """Go on with another design of the same structure and trunk, such as one with a grown class.

        On a board its coarse head and branches are written into the banks of the core that is there. Raises
        DeviceError where only a new core would do, and on devices without banks to write.
        """
        other = load(find_design(design))
        rewrite = getattr(self._backend, "load", None)
        if rewrite is None:
            raise DeviceError(f"device {self.backend!r}: has no banks to write; open another Accelerator")
        rewrite(other.network)
        self.artifact = other

    @property
    def counters(self) -> dict[str, int]:
        """What the core counted since it was opened (frames, errors, cycles, stalls, saturations); empty elsewhere."""
        counted = getattr(self._backend, "counters", None)
        return counted() if counted else {}

    @property
    def identities(self) -> dict[str, str]:
        """What a core says of itself: STRUCTURE and FIXED that it was built for, WEIGHTS in it; empty elsewhere."""
        identities = getattr(self._backend, "identities", None)
        return identities() if identities else {}

    @property
    def rewrite_s(self) -> float | None:
        """Seconds that the host took to write the banks; None where they were not written."""
        return getattr(self._backend, "rewrite_s", None)

    def close(self) -> None:
        """Give the device back."""
        self._backend.close()

    def __enter__(self) -> Accelerator:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the device back."""
        self.close()
