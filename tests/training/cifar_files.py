"""Tiny files of CIFAR's format: pickles of protocol 2 as Python 2 wrote them, with the classes of the real sets."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.training.data.cifar import CIFAR10, CIFAR100

PIXELS = 3 * 32 * 32
COARSE = [f"group {k}" for k in range(20)]


def pickled(value: Any) -> bytes:
    """A pickle of protocol 2 with 8-bit strings."""
    return b"\x80\x02" + _ops(value) + b"."


def _ops(value: Any) -> bytes:
    if isinstance(value, str):
        data = value.encode("latin-1")
        return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_ops, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_ops(key) + _ops(item) for key, item in value.items()) + b"u"
    assert isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = _ops(value.shape[0]) + _ops(value.shape[1]) + b"\x86"
    return made + b"(K\x01" + shape + kind + b"\x89" + _ops(value.tobytes().decode("latin-1")) + b"tb"


def pixels(seed: int, count: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, PIXELS), dtype=np.uint8)


def write_cifar10(folder: Path, each: int = 20) -> None:
    """Five training batches and a test batch of `each` images, every class in turn."""
    place = folder / "cifar-10-batches-py"
    place.mkdir(parents=True, exist_ok=True)
    labels = [k % 10 for k in range(each)]
    for seed, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        batch = {"batch_label": name, "labels": labels, "data": pixels(seed, each)}
        (place / name).write_bytes(pickled(batch))
    meta = {"num_cases_per_batch": each, "label_names": list(CIFAR10.classes), "num_vis": PIXELS}
    (place / "batches.meta").write_bytes(pickled(meta))


def write_cifar100(folder: Path) -> None:
    """Four training images and a test image of each class; five classes in a row are one super-class."""
    place = folder / "cifar-100-python"
    place.mkdir(parents=True, exist_ok=True)
    for seed, (name, each) in enumerate((("train", 4), ("test", 1))):
        fine = list(range(100)) * each
        batch = {"fine_labels": fine, "coarse_labels": [k // 5 for k in fine], "data": pixels(seed, len(fine))}
        (place / name).write_bytes(pickled(batch))
    meta = {"fine_label_names": list(CIFAR100.classes), "coarse_label_names": COARSE}
    (place / "meta").write_bytes(pickled(meta))
