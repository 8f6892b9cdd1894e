"""The `.loom` artifact: a deterministic, hashed, strictly read zip of a network and what was measured of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from .errors import ArtifactError, NetworkError
from .golden import Golden, golden_bytes
from .identity import canonical_json, weights_sha256
from .network import Network
from .npy import npy_array, npy_bytes, npy_header
from .schema import decode, encode
from .text import printable
from .types import AnyArray

MAX_FILE_BYTES = 256 << 20
MAX_JSON_BYTES = 32 << 20  # 65,536 class names of 80 characters fit
MAX_ENTRIES = 65_535  # what the container counts
MAX_NESTING = 32
_HASH_CHARS = 64
_FIXED_BYTES = 30 + 46  # of an entry's header and of its line in the directory, beside its name in both
_END_BYTES = 22 + _HASH_CHARS
_ENTRY = re.compile(r"(network|info)\.json|golden/index\.json|(tensors|golden)/[a-z0-9_.]{1,200}\.npy")


# A string, to its end or the text's, or a bracket: it never fails half-way, so that time grows with the length alone.
_TOKENS = re.compile(rb'"(?:[^"\\]+|\\.)*\\?(?:"|\Z)|[][{}]', re.DOTALL)


@dataclass(frozen=True, eq=False)
class Artifact:
    """A network with what lies outside its identity.

    `info`: JSON object of measured results, data set, seed and configuration, each figure with its origin.
    `sha256`: hash of the whole file as read or written (hex), "" before it is saved.
    """

    network: Network
    info: Mapping[str, Any] = field(default_factory=dict)
    golden: Golden | None = None
    sha256: str = ""


def to_bytes(artifact: Artifact) -> bytes:
    """Return the artifact's file: the same bytes for the same content, on any machine and numpy."""
    return b"".join(_pieces(artifact))


def _pieces(artifact: Artifact) -> Iterator[bytes]:
    """Yield the bytes of the artifact's file, one entry at a time in memory; raise ArtifactError before the first."""
    network, arrays = encode(artifact.network)
    entries: dict[str, bytes | AnyArray] = {"network.json": _json_bytes("network.json", network)}
    entries["info.json"] = _json_bytes("info.json", dict(artifact.info))
    entries |= {f"tensors/{name}.npy": array for name, array in arrays.items()}
    if artifact.golden is not None:
        index, golden_arrays = artifact.golden.encode(weights_sha256(artifact.network))
        entries["golden/index.json"] = _json_bytes("golden/index.json", index)
        entries |= {f"golden/{name}.npy": array for name, array in golden_arrays.items()}
    if len(entries) > MAX_ENTRIES:
        raise ArtifactError(
            f"artifact: {len(entries):,} entries; at most {MAX_ENTRIES:,} are supported; take fewer layers or branches"
        )
    size = sum(_FIXED_BYTES + 2 * len(name) + _size(value) for name, value in entries.items()) + _END_BYTES
    if size > MAX_FILE_BYTES:
        raise ArtifactError(
            f"artifact: {size:,} bytes; at most {MAX_FILE_BYTES:,} are supported; take smaller layers or fewer images"
        )
    yield from _zip_pieces(entries)


def check_size(network: Network, images: int = 0) -> None:
    """Raise ArtifactError where the file of a network with golden vectors of `images` test images is too large.

    For before the work: by shapes and types alone, so that another network with the same ones is told the same.
    """
    tensors = sum(array.nbytes for array in encode(network)[1].values())
    golden = golden_bytes(network, images) if images else 0
    if tensors + golden > MAX_FILE_BYTES:
        raise ArtifactError(
            f"{network.name}: {tensors:,} bytes of weights and {golden:,} of golden vectors; an artifact has at most "
            f"{MAX_FILE_BYTES:,}; take smaller layers or fewer test images"
        )


def save(artifact: Artifact, path: str | os.PathLike[str]) -> Artifact:
    """Write the artifact to `path` in one step and return it with its hash.

    The old file stays whole until the new one is on disk: a full disk or a kill leaves it as it was.
    Raises ArtifactError when the file cannot be written.
    """
    target, temporary, digest = Path(path), None, hashlib.sha256()
    pieces = _pieces(artifact)
    first = next(pieces)  # raises what cannot be written at all, before there is a file
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            for piece in chain((first,), pieces):
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
        temporary = None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise ArtifactError(
            f"{printable(target, 400)}: cannot be written ({_reason(error)}); nothing was changed"
        ) from error
    finally:  # an interrupt, too, leaves nothing behind
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
    return Artifact(artifact.network, artifact.info, artifact.golden, digest.hexdigest())


def load(path: str | os.PathLike[str]) -> Artifact:
    """Read and check an artifact; raise ArtifactError (one line) for anything but what `save` writes."""
    source = Path(path)
    try:
        with source.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{printable(source, 400)}: cannot be read ({_reason(error)}); needed a .loom file; check the path"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ArtifactError(f"{printable(source, 400)}: over {MAX_FILE_BYTES} bytes; no artifact is that large")
    try:
        return from_bytes(data)
    except (ArtifactError, NetworkError) as error:
        raise ArtifactError(f"{printable(source, 400)}: {error}") from error


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def from_bytes(data: bytes) -> Artifact:
    """Return the artifact in `data`: hash first, then the container, then every entry."""
    body, trailer = memoryview(data)[:-_HASH_CHARS], data[-_HASH_CHARS:]
    if len(data) < _END_BYTES or hashlib.sha256(body).hexdigest().encode() != trailer:
        raise ArtifactError(
            "not a whole .loom file: the SHA-256 at its end does not match "
            "(truncated, altered, re-zipped, or something else); fetch or export it again"
        )
    entries = _unzip(data)
    for name in ("network.json", "info.json"):
        if name not in entries:
            raise ArtifactError(f"entry {name} is missing")
    arrays = {name: npy_array(name, raw) for name, raw in entries.items() if name.endswith(".npy")}
    tensors = {n[len("tensors/") : -len(".npy")]: a for n, a in arrays.items() if n.startswith("tensors/")}
    network = decode(_json("network.json", bytes(entries["network.json"])), tensors)
    info = _json("info.json", bytes(entries["info.json"]))
    if not isinstance(info, dict):
        raise ArtifactError("info.json: needed an object")
    golden = _golden(network, entries, arrays)
    artifact = Artifact(network, info, golden, hashlib.sha256(data).hexdigest())
    # One content, one file: bytes between entries, other spellings of the same JSON or array do not survive this.
    again = hashlib.sha256()
    for piece in _pieces(artifact):
        again.update(piece)
    if again.hexdigest() != artifact.sha256:
        raise ArtifactError("the file is not in the one form that Crossloom writes; export it again")
    return artifact


def _golden(network: Network, entries: Mapping[str, memoryview], arrays: Mapping[str, AnyArray]) -> Golden | None:
    # Copies, which are aligned and leave the file's bytes to be freed.
    found = {n[len("golden/") : -len(".npy")]: _copy(a) for n, a in arrays.items() if n.startswith("golden/")}
    if "golden/index.json" not in entries:
        if found:
            raise ArtifactError("golden/index.json is missing beside golden arrays")
        return None
    index = _json("golden/index.json", bytes(entries["golden/index.json"]))
    return Golden.decode(index, found, network, weights_sha256(network))


def _copy(array: AnyArray) -> AnyArray:
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def _size(value: bytes | AnyArray) -> int:
    return len(value) if isinstance(value, bytes) else len(npy_header(value)) + value.nbytes


def _zip_pieces(entries: Mapping[str, bytes | AnyArray]) -> Iterator[bytes]:
    """Stored entries in sorted order with fixed headers; the archive's comment is the SHA-256 of all before it."""
    digest, at, directory = hashlib.sha256(), 0, bytearray()
    for name in sorted(entries):
        value, raw_name = entries[name], name.encode()
        data = value if isinstance(value, bytes) else npy_bytes(value)
        # version 2.0, UTF-8 flag, stored, 1980-01-01 00:00
        common = (
            b"\x14\x00\x00\x08\x00\x00\x00\x00\x21\x00"
            + zlib.crc32(data).to_bytes(4, "little")
            + 2 * len(data).to_bytes(4, "little")
            + len(raw_name).to_bytes(2, "little")
            + b"\0\0"
        )
        directory += b"PK\x01\x02\x14\x00" + common + bytes(10) + at.to_bytes(4, "little") + raw_name
        for piece in (b"PK\x03\x04" + common + raw_name, data):
            digest.update(piece)
            at += len(piece)
            yield piece
    end = b"PK\x05\x06" + bytes(4) + 2 * len(entries).to_bytes(2, "little")
    end += len(directory).to_bytes(4, "little") + at.to_bytes(4, "little")
    end += _HASH_CHARS.to_bytes(2, "little")
    rest = bytes(directory) + end
    digest.update(rest)
    yield rest + digest.hexdigest().encode()


def _unzip(data: bytes) -> dict[str, memoryview]:
    """Read the entries of `_zip_pieces`: no compression, no duplicate; `from_bytes` finds what else hides."""
    entries: dict[str, memoryview] = {}
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        stored, size, name_size = (
            int.from_bytes(data[at + a : at + b], "little") for a, b in ((18, 22), (22, 26), (26, 28))
        )
        start = at + 30 + name_size
        name = data[at + 30 : start].decode("ascii", "replace")
        if not _ENTRY.fullmatch(name):
            raise ArtifactError(f"entry {name[:80]!r} has no place in an artifact")
        if name in entries:
            raise ArtifactError(f"entry {name!r} stands twice")
        if data[at + 8 : at + 10] != b"\0\0" or stored != size:
            raise ArtifactError(f"entry {name!r} is compressed; artifacts store entries as they are")
        room = len(data) - start if name.endswith(".npy") else min(MAX_JSON_BYTES, len(data) - start)
        if size > room:
            raise ArtifactError(f"entry {name!r} claims {size} bytes; at most {room} fit")
        if len(entries) == MAX_ENTRIES:
            raise ArtifactError(f"more than {MAX_ENTRIES} entries")
        entries[name] = memoryview(data)[start : start + size]
        at = start + size
    return entries


def _json_bytes(where: str, value: object) -> bytes:
    """Return the canonical form; raise ArtifactError for what `_json` would refuse to read back."""
    try:
        raw = canonical_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{where}: {error}; needed plain JSON: strings, finite numbers, lists, objects") from error
    if len(raw) > MAX_JSON_BYTES:
        raise ArtifactError(f"{where}: {len(raw)} bytes; at most {MAX_JSON_BYTES} are supported")
    _json(where, raw)
    return raw


def _json(where: str, raw: bytes) -> Any:
    """Parse strict JSON: no duplicate key, NaN, huge number or deep nesting."""
    depth = 0
    for token in _TOKENS.finditer(raw):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > MAX_NESTING:
            raise ArtifactError(f"{where}: nested deeper than {MAX_NESTING} levels")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        plain = dict(pairs)
        if len(plain) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice = next(key for key in counts if counts[key] > 1)
            raise ArtifactError(f"{where}: key {twice[:40]!r} stands twice")
        return plain

    def constant(text: str) -> Any:
        raise ArtifactError(f"{where}: {text} is no number")

    def real(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ArtifactError(f"{where}: {text[:40]} is out of range")
        return value

    def integer(text: str) -> int:
        if len(text) > 20:
            raise ArtifactError(f"{where}: number of {len(text)} digits")
        return int(text)

    try:
        return json.loads(raw, object_pairs_hook=unique, parse_constant=constant, parse_int=integer, parse_float=real)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ArtifactError(f"{where}: not JSON ({error})") from error
