"""Golden vectors: the codes of every edge that every other implementation is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ArtifactError, InputError
from .network import Network
from .simulator import run
from .types import AnyArray, IntArray, QType

DIGEST = "blake2b-64"
FULL_IMAGES = 4
# Fewer travel with all their codes where these would take more; one always does.
MAX_FULL_BYTES = 64 << 20
# Test images up to this size travel in the artifact; larger sets are named and read from where the user has them.
MAX_INPUT_BYTES = 1 << 20


def digest(codes: AnyArray, type_: QType) -> np.uint64:
    """64-bit BLAKE2b (little-endian) of one image's codes, C order, in the smallest signed dtype of their type."""
    raw = np.ascontiguousarray(codes, dtype=type_.dtype).data
    return np.uint64(int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little"))


def digests(network: Network, edges: Mapping[str, AnyArray], names: tuple[str, ...]) -> AnyArray:
    """Return uint64 (N, len(names)): the digest of each image's codes on each named edge."""
    types = {name: network.edges[name].type for name in names}
    count = len(edges[names[0]])
    columns = [[digest(image, types[name]) for image in edges[name]] for name in names]
    return np.array(columns, dtype=np.uint64).reshape(len(names), count).T


@dataclass(frozen=True, eq=False)
class Golden:
    """Codes and digests of a stated test set.

    `dataset`: its name and split; `images` uint8 (F, *shape) with `codes` of every edge, F 1 to 4; `digests` uint64 (N,
    edges) in the order of `edges`; `inputs` uint8 (N, *shape) and `labels` int64 (N,) where the set is small enough to
    travel along. `pixels` uint64 (N,): of encoder "rate" the digest of each image's values, as its codes depend on its
    number too, so that the image is not known by them.
    """

    dataset: str
    edges: tuple[str, ...]
    images: AnyArray
    codes: Mapping[str, AnyArray]
    digests: AnyArray
    inputs: AnyArray | None = None
    labels: AnyArray | None = None
    pixels: AnyArray | None = None

    @property
    def vectors(self) -> int:
        """Number of images with digests."""
        return len(self.digests)

    def encode(self, weights: str) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return the JSON index, bound to the weights it was made with, and the arrays by entry name."""
        arrays = {"images": self.images, "digests": self.digests.astype("<u8")}
        arrays.update({f"codes.{name}": array for name, array in self.codes.items()})
        if self.inputs is not None:
            arrays["inputs"] = self.inputs
        if self.labels is not None:
            arrays["labels"] = self.labels.astype("<i8")
        if self.pixels is not None:
            arrays["pixels"] = self.pixels.astype("<u8")
        index = {"dataset": self.dataset, "digest": DIGEST, "edges": list(self.edges), "weights_sha256": weights}
        return index, arrays

    @staticmethod
    def decode(index: object, arrays: Mapping[str, AnyArray], network: Network, weights: str) -> Golden:
        """Return what `encode` gave; raise ArtifactError where it does not fit the network beside it."""
        where = "golden/index.json"
        keys = {"dataset", "digest", "edges", "weights_sha256"}
        if not isinstance(index, dict) or index.keys() != keys or not isinstance(index["dataset"], str):
            raise ArtifactError(f"{where}: needed exactly the keys {', '.join(sorted(keys))}")
        if index["digest"] != DIGEST:
            raise ArtifactError(f"{where}: digest {str(index['digest'])[:40]!r}; this version knows {DIGEST}")
        if index["weights_sha256"] != weights:
            raise ArtifactError(f"{where}: made with other weights than this network's; export it again")
        if index["edges"] != list(network.edges):
            raise ArtifactError(f"{where}: its edges are not the network's, in execution order")
        rest = dict(arrays)
        shape = network.input.image_shape
        images = _golden_array(rest, "images", "|u1", (None, *shape))
        codes = {}
        for name, edge in network.edges.items():
            codes[name] = _golden_array(rest, f"codes.{name}", edge.type.dtype.str, (len(images), *edge.image_shape))
        found = _golden_array(rest, "digests", "<u8", (None, len(network.edges)))
        if not 1 <= len(images) <= min(len(found), FULL_IMAGES):
            raise ArtifactError(
                f"{where}: {len(images)} images in full of {len(found)}; needed 1 to {FULL_IMAGES}, each with digests"
            )
        inputs = _golden_array(rest, "inputs", "|u1", (len(found), *shape)) if "inputs" in rest else None
        labels = _golden_array(rest, "labels", "<i8", (len(found),)) if "labels" in rest else None
        pixels = _golden_array(rest, "pixels", "<u8", (len(found),)) if network.input.encoder == "rate" else None
        if rest:
            raise ArtifactError(f"golden/{min(rest)}.npy has no place in an artifact")
        return Golden(index["dataset"], tuple(index["edges"]), images, codes, found, inputs, labels, pixels)


def _golden_array(arrays: dict[str, AnyArray], name: str, dtype: str, shape: tuple[int | None, ...]) -> AnyArray:
    if name not in arrays:
        raise ArtifactError(f"golden/{name}.npy is missing")
    array = arrays.pop(name)
    fits = array.ndim == len(shape) and all(want in (None, n) for n, want in zip(array.shape, shape, strict=True))
    if array.dtype.str != dtype or not fits:
        raise ArtifactError(f"golden/{name}.npy: {array.dtype.str} {list(array.shape)} does not fit the network's edge")
    return array


def make_golden(
    network: Network,
    dataset: str,
    images: AnyArray,
    labels: AnyArray | None = None,
    progress: Callable[[int], None] | None = None,
) -> Golden:
    """Run the integer simulator over the test images uint8 (N, *shape) and keep what the others must reproduce.

    Raises InputError for other images, none, or `labels` that are not one integer each.
    """
    if len(images) == 0:
        raise InputError("golden: no images; needed at least one")
    shape = network.input.image_shape
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        raise InputError(
            f"golden: images {images.dtype} {list(images.shape)}; needed uint8 (N, {', '.join(map(str, shape))})"
        )
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise InputError(f"golden: labels {labels.dtype} {list(labels.shape)}; needed one integer per image")
    names = tuple(network.edges)
    whole = np.ascontiguousarray(images[: min(max(1, MAX_FULL_BYTES // _codes_bytes(network)), FULL_IMAGES)])
    return Golden(
        dataset,
        names,
        whole,
        run(network, whole, edges=names).edges,
        simulated_digests(network, images, progress),
        np.ascontiguousarray(images) if images.nbytes <= MAX_INPUT_BYTES else None,
        labels if images.nbytes <= MAX_INPUT_BYTES else None,
        pixel_digests(images) if network.input.encoder == "rate" else None,
    )


def pixel_digests(images: AnyArray) -> AnyArray:
    """Return the digests uint64 (N,) of the values of images uint8 (N, *shape)."""
    return np.array([digest(image, QType(-128, 127)) for image in images.view(np.int8)], np.uint64)


def _codes_bytes(network: Network) -> int:
    """Bytes of one image's codes on every edge."""
    return sum(edge.image_size * edge.type.dtype.itemsize for edge in network.edges.values())


def golden_bytes(network: Network, images: int) -> int:
    """Bytes that the golden vectors of a number of test images take at least: codes in full, and digests."""
    each = _codes_bytes(network)
    return each * min(max(1, MAX_FULL_BYTES // each), FULL_IMAGES, images) + 8 * images * len(network.edges)


def simulated_digests(
    network: Network,
    images: AnyArray,
    progress: Callable[[int], None] | None = None,
    index: int | IntArray = 0,
) -> AnyArray:
    """Return the integer simulator's digests, uint64 (N, edges), no edge being kept; `progress` gets images done.

    `index` as in `run`.
    """
    columns = {name: column for column, name in enumerate(network.edges)}
    found = np.zeros((len(images), len(columns)), np.uint64)

    def sink(name: str, rows: IntArray, codes: AnyArray) -> None:
        found[rows, columns[name]] = [digest(image, network.edges[name].type) for image in codes]

    run(network, images, edges=columns, sink=sink, progress=progress, index=index)
    return found
