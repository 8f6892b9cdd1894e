"""The test images of a design: those it carries, those of its data set, or those that a user gives."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossloom.sim import Artifact, Golden, InputError, Network, batches, input_codes
from crossloom.sim.golden import digests, pixel_digests
from crossloom.sim.network import INPUT
from crossloom.sim.simulator import check_images
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray, IntArray

from .images import recordings_for


@dataclass(frozen=True, eq=False)
class TestImages:
    """Images uint8 (N, *shape), and for each the row of the golden digests that are its own, -1 where there is none.

    `labels` (N,) are the network's, None where they are not known; `vectors` is the number of rows.
    """

    images: AnyArray
    labels: AnyArray | None
    rows: IntArray
    vectors: int

    __test__ = False  # no test of pytest's, whatever its name

    @property
    def beyond(self) -> int:
        """How many of the images have no digests."""
        return int((self.rows < 0).sum())

    @property
    def missing(self) -> int:
        """How many rows of digests have no image here."""
        return self.vectors - len(np.unique(self.rows[self.rows >= 0]))

    def first(self, count: int) -> TestImages:
        """Return the first so many of them; raise InputError unless there are so many, and one or more."""
        if not 1 <= count <= len(self.images):
            raise InputError(
                f"--images {count}: there are {len(self.images):,}; needed 1 or more of them; leave it out"
            )
        labels = None if self.labels is None else self.labels[:count]
        return TestImages(self.images[:count], labels, self.rows[:count], self.vectors)


def test_images(artifact: Artifact, args: argparse.Namespace, labelled: bool = False) -> TestImages:
    """Return the images of --data, or else those that the golden digests were made with.

    `labelled`: those that the design carries will not do without their labels. Raises InputError or ConfigError where
    they are not at hand.
    """
    golden, network = artifact.golden, artifact.network
    if golden is None:
        raise InputError(f"{args.design}: carries no golden vectors of test images; export it with a test set")
    if args.data is not None:
        return _given(golden, network, args.data)
    images, labels = golden.inputs, golden.labels
    if images is None or (labelled and labels is None):
        # Here, as a stage is imported only where it is needed; this needs no torch.
        from crossloom.training.data.given import named_test_images

        source = network.input
        steps = source.steps if source.encoder == "events" else None
        found = named_test_images(golden.dataset, network.classes, args.data_dir, steps)
        images, labels = found.images, found.labels
    if len(images) != golden.vectors:
        needed = f"the {golden.vectors:,} of '{printable(golden.dataset)}' that the golden digests are of"
        raise InputError(f"test images: {len(images):,}; needed {needed}; give them by --data")
    return TestImages(images, labels, np.arange(golden.vectors), golden.vectors)


def test_set(artifact: Artifact, args: argparse.Namespace) -> tuple[AnyArray, AnyArray]:
    """Return the images that the golden digests were made with, in any order unless its encoder draws, and labels."""
    found = test_images(artifact, args, labelled=True)
    if found.beyond or found.missing:
        covered = f"{len(found.images) - found.beyond:,} of its {len(found.images):,} images"
        told = f"{covered} are of the {found.vectors:,} test images that the design has digests of"
        raise InputError(f"{printable(args.data, 400)}: {told}; needed all of these and no other; give them alone")
    if found.labels is None:
        found_in = f"{printable(args.data, 400)}: test images without labels of the design's classes"
        raise InputError(f"{found_in}; needed some; add them")
    if artifact.network.input.encoder != "rate":
        return found.images, found.labels
    order = np.argsort(found.rows)  # it draws by an image's number
    return found.images[order], found.labels[order]


def _given(golden: Golden, network: Network, data: str) -> TestImages:
    from crossloom.training.data.given import given_images

    shape = network.input.shape
    features = len(shape) == 1 or shape[:2] == (1, 1)
    recordings = recordings_for(network.input)
    given = given_images(Path(data), network.classes, features=features, recordings=recordings)
    if len(shape) == 1 and given.images.shape[1:3] == (1, 1):
        given = replace(given, images=given.images[:, 0, 0])
    whole = TestImages(given.images, given.labels, _rows(golden, network, given.images), golden.vectors)
    if given.tests is None:
        return whole
    first, count = given.tests[:1], len(given.tests)
    together = count and np.array_equal(given.tests, np.arange(count) + first)
    # Images side by side are a part of what is there, not a copy of it.
    rows = slice(int(first[0]), int(first[0]) + count) if together else given.tests
    images, labels = given.images[rows], None if given.labels is None else given.labels[rows]
    part = TestImages(images, labels, _rows(golden, network, images), golden.vectors)
    # The test part of a data set to train on, where the digests are of it: the rest was trained on.
    same = len(images) == golden.vectors and 2 * part.missing < golden.vectors
    return part if given.named or same else whole


def _rows(golden: Golden, network: Network, images: AnyArray) -> IntArray:
    """Return for each image the row of the digests whose input it is, -1 where there is none.

    As many images as there are rows, most of them in their places, are taken for these images in their order: one that
    was altered is a difference then, not an image without digests. Raises InputError for images of another shape.
    """
    places: dict[int, list[int]] = {}
    shown = golden.digests[:, golden.edges.index(INPUT)] if golden.pixels is None else golden.pixels
    for row, value in enumerate(shown.tolist()):
        places.setdefault(value, []).append(row)
    rows: list[int] = []
    images = check_images(network.input, images)
    for part in batches(network, len(images)):
        if golden.pixels is not None:
            known = pixel_digests(images[part])
        else:
            known = digests(network, {INPUT: input_codes(network.input, images[part])}, (INPUT,))[:, 0]
        for value in known.tolist():
            own = places.get(value, [-1])
            rows.append(own.pop(0) if len(own) > 1 else own[0])
    found = np.array(rows, dtype=np.int64)
    order = np.arange(golden.vectors)
    if len(found) == len(order) and 2 * int((found == order).sum()) > len(order):
        return order
    return found
