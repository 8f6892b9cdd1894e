"""Integer arrays as `.npy` bytes that do not depend on the numpy version, and their strict reader."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .errors import ArtifactError
from .types import AnyArray

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(\|i1|\|u1|<[iu][248])', 'fortran_order': False, 'shape': \(((?:\d{1,9}, )*\d{1,9},?|)\), \} *\n"
)
MAX_DIMS = 8


def npy_bytes(array: AnyArray) -> bytes:
    r"""Return a version 1.0 `.npy` file: C order, little-endian integers of 1 to 8 bytes, header padded to 64 bytes.

    >>> npy_bytes(np.arange(3, dtype="<i2"))[:8]
    b'\x93NUMPY\x01\x00'
    """
    little: AnyArray = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return b"".join((npy_header(array), little.data.cast("B") if little.size else b""))


def npy_header(array: AnyArray) -> bytes:
    """Return what stands before the codes in the `.npy` file of an array."""
    if array.dtype.kind not in "iu":
        raise ArtifactError(f"npy: dtype {array.dtype}; artifacts hold integer arrays only")
    shape = ", ".join(str(n) for n in array.shape) + ("," if array.ndim == 1 else "")
    descr = array.dtype.newbyteorder("<").str
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}".encode()
    header += b" " * (-(len(_MAGIC) + 2 + len(header) + 1) % 64) + b"\n"
    return _MAGIC + len(header).to_bytes(2, "little") + header


def npy_array(where: str, data: bytes | memoryview) -> Any:
    """Return the read-only array of `npy_bytes`; raise ArtifactError for anything else, before any allocation."""
    size = int.from_bytes(data[8:10], "little")
    header = _HEADER.fullmatch(data[10 : 10 + size])
    if data[:8] != _MAGIC or header is None:
        raise ArtifactError(f"{where}: no integer array in the form that Crossloom writes")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(n) for n in header[2].replace(b",", b" ").split())
    body = len(data) - 10 - size
    count = 1
    for n in shape:
        count *= n
    if len(shape) > MAX_DIMS or count * dtype.itemsize != body:
        raise ArtifactError(
            f"{where}: shape {list(shape)} of {dtype.name} needs {count * dtype.itemsize} bytes; the entry holds {body}"
        )
    return np.frombuffer(data, dtype, offset=10 + size).reshape(shape)
