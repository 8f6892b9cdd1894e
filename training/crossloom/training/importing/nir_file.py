"""What a NIR file holds, as plain values: every limit checked before anything large is read, no link followed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from crossloom.sim import ForeignError, MissingExtraError
from crossloom.sim.text import printable

MAX_NIR_BYTES = 256 << 20
MAX_BYTES = 512 << 20
"""Of all arrays, unpacked."""
MAX_ENTRIES = 50_000
MAX_NESTING = 8
MAX_NAME = 200
FILTERS = {1, 2, 3, 4, 5, 6, 32000}
"""Of HDF5 itself and h5py's lzf; others are libraries that would have to be loaded."""
OLDEST, NEWEST = (0, 1), (1, 0, 9)
SINCE_RESET = (1, 0, 6)
"""The version from which on neurons carry v_reset."""

Value: TypeAlias = Any
"""An array, a string, or a mapping of more."""


@dataclass(frozen=True, eq=False)
class NirFile:
    """The graph of a file: nodes by name, each with its `type` and what it has; edges; its own metadata."""

    version: str
    nodes: Mapping[str, Mapping[str, Value]]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Value]


def need_nir() -> Any:
    """Return h5py; raise MissingExtraError, naming the extra, where it or nir is not installed."""
    try:
        import h5py
        import nir  # noqa: F401  # only whether it is there
    except ImportError as error:
        raise MissingExtraError(f"NIR: {error.name} is not installed; pip install 'crossloom[nir]'") from error
    return h5py


def read_nir(path: str | os.PathLike[str]) -> NirFile:
    """Return what a NIR file holds; raise ForeignError (one line) for anything that is none, or is too large."""
    h5py, shown = need_nir(), printable(Path(path), 400)
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ForeignError(f"{shown}: cannot be read ({why}); needed a .nir file; check the path") from None
    if size > MAX_NIR_BYTES:
        raise ForeignError(f"{shown}: {size:,} bytes; at most {MAX_NIR_BYTES:,} are read")
    try:
        with h5py.File(path, "r") as file:
            found = _Reader(h5py, shown).group("", file, 0)
    except ForeignError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        why = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ForeignError(f"{shown}: no HDF5 file that can be read ({printable(why)}); needed a .nir file") from None
    return _graph(shown, found)


class _Reader:
    """Goes through a file and counts what it has read."""

    def __init__(self, h5py: Any, shown: str) -> None:
        self.h5py, self.shown = h5py, shown
        self.entries = self.bytes = 0

    def group(self, where: str, group: Any, depth: int) -> dict[str, Value]:
        """Return a group's entries by name."""
        if depth > MAX_NESTING:
            raise ForeignError(f"{self.shown}: groups nested more than {MAX_NESTING} deep; no NIR graph is")
        self.entries += len(group)
        if self.entries > MAX_ENTRIES:
            raise ForeignError(
                f"{self.shown}: more than {MAX_ENTRIES:,} entries; no network that can be imported has so many"
            )
        found: dict[str, Value] = {}
        for name in group:
            if len(name) > MAX_NAME:
                raise ForeignError(f"{self.shown}: a name of {len(name)} characters; at most {MAX_NAME} are read")
            place = f"{where}/{name}"
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise ForeignError(f"{self.shown}: {printable(place)} is a link to elsewhere; needed the data itself")
            item = group[name]
            inner = isinstance(item, self.h5py.Group)
            found[name] = self.group(place, item, depth + 1) if inner else self.dataset(place, item)
        return found

    def dataset(self, where: str, item: Any) -> Value:
        """Return a dataset as an array, or a string; a table of strings as an object array of str."""
        place = f"{self.shown}: {printable(where)}"
        if not isinstance(item, self.h5py.Dataset) or item.shape is None:
            raise ForeignError(f"{place}: holds no values; needed a number, an array or a string")
        plain = item.id.get_create_plist()
        filters = {plain.get_filter(i)[0] for i in range(plain.get_nfilters())}
        if item.is_virtual or item.external or filters - FILTERS:
            raise ForeignError(
                f"{place}: its values lie outside the file or need a filter of others; needed plain ones"
            )
        text = self.h5py.check_string_dtype(item.dtype)
        if text is None and (item.dtype.kind not in "iufb" or item.dtype.itemsize > 8):
            raise ForeignError(f"{place}: {printable(item.dtype)} values; needed numbers or strings")
        width = 64 if text is not None and text.length is None else item.dtype.itemsize
        self.bytes += width * math.prod(item.shape)
        if self.bytes > MAX_BYTES or (item.chunks and width * math.prod(item.chunks) > MAX_BYTES):
            shape = " x ".join(map(str, item.shape))
            raise ForeignError(f"{place}: {shape} values make more than {MAX_BYTES:,} bytes; at most so many are read")
        if text is None:
            return np.asarray(item[()])
        values = item.asstr(errors="replace")[()]
        return values if isinstance(values, str) else np.asarray(values, dtype=object)


def _graph(shown: str, found: Mapping[str, Value]) -> NirFile:
    version, node = found.get("version"), found.get("node")
    if not isinstance(version, str) or not isinstance(node, dict) or node.get("type") != "NIRGraph":
        raise ForeignError(f"{shown}: an HDF5 file without a NIR graph; needed one that nir.write wrote")
    numbers = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", version)
    number = tuple(int(n) for n in numbers.groups() if n) if numbers else ()
    if not OLDEST <= number <= NEWEST:
        raise ForeignError(f"{shown}: written by nir {printable(version)[:40]}; this version reads nir 0.1 to 1.0")
    nodes, edges = node.get("nodes"), node.get("edges")
    if not isinstance(nodes, dict) or not isinstance(edges, np.ndarray) or edges.ndim != 2 or edges.shape[1] != 2:
        raise ForeignError(f"{shown}: a NIR graph without nodes or edges; needed both; write it again")
    for name, value in nodes.items():
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            raise ForeignError(f"{shown}: node {printable(name)!r} has no type; needed one; write it again")
        if kind not in ("IF", "LIF", "CubaLIF"):
            continue
        if ("v_reset" in value) != (number >= SINCE_RESET):
            there = "has a v_reset" if "v_reset" in value else "has no v_reset"
            raise ForeignError(
                f"{shown}: says nir {printable(version)}, but node {printable(name)!r} {there}, which nir writes from "
                "1.0.6 on; needed a file as nir wrote it"
            )
    pairs = tuple(dict.fromkeys((str(a), str(b)) for a, b in edges.tolist()))
    metadata = node.get("metadata", {})
    return NirFile(version, nodes, pairs, metadata if isinstance(metadata, dict) else {})
