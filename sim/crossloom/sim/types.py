"""The integer types of stream edges, weights and accumulators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import NetworkError

IntArray: TypeAlias = npt.NDArray[np.signedinteger[Any]]
AnyArray: TypeAlias = npt.NDArray[Any]

MAX_CODE_BITS = 32
MAX_ACC_BITS = 48
MAX_FRAC = 64
# float64 carries every integer below this exactly; the simulator computes in nothing wider.
EXACT_FLOAT64 = 1 << 53
EXACT_FLOAT32 = 1 << 24

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_NETWORK_NAME = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
MAX_NAME = 64


class Rounding(str, Enum):
    """How Requant drops bits: towards minus infinity, or to nearest with ties up or to even."""

    FLOOR = "floor"
    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


def bits_of(lo: int, hi: int) -> int:
    """Width in bits of the narrowest two's complement (lo < 0) or unsigned type that holds lo..hi.

    >>> bits_of(0, 15), bits_of(-7, 7), bits_of(-8, 7), bits_of(0, 0)
    (4, 4, 4, 1)
    """
    if lo < 0:
        return max((-lo - 1).bit_length(), max(hi, 0).bit_length()) + 1
    return max(1, hi.bit_length())


def signed_bits(lo: int, hi: int) -> int:
    """Width in two's complement, sign bit included even where no value is negative: what hardware adds and compares in.

    >>> signed_bits(0, 15), signed_bits(-8, 7)
    (5, 4)
    """
    return bits_of(min(lo, -1), hi)


def code_dtype(lo: int, hi: int) -> np.dtype[Any]:
    """Return the smallest little-endian two's complement numpy dtype of 8, 16, 32 or 64 bits that holds lo..hi."""
    for size in (1, 2, 4):
        if -(1 << (8 * size - 1)) <= lo and hi < 1 << (8 * size - 1):
            return np.dtype(f"<i{size}")
    return np.dtype("<i8")


def check_int(where: str, value: object, lo: int, hi: int) -> int:
    """Return `value`; raise NetworkError unless it is a Python int (no bool, no numpy scalar) in lo..hi."""
    if isinstance(value, np.integer):  # it would wrap in bounds, and has no place in JSON
        raise NetworkError(f"{where}: found numpy's {value.dtype} {value}; needed a Python integer, int(...)")
    if isinstance(value, bool) or not isinstance(value, int) or not lo <= value <= hi:
        raise NetworkError(f"{where}: found {repr(value)[:80]}; needed an integer in {lo}..{hi}")
    return value


def check_identifier(where: str, name: object) -> str:
    """Return `name`; raise NetworkError unless it matches [a-z][a-z0-9_]* (it reaches SystemVerilog, C++ and Tcl)."""
    if not isinstance(name, str) or len(name) > MAX_NAME or not _IDENTIFIER.fullmatch(name):
        raise NetworkError(
            f"{where}: name {str(name)[:80]!r} is no identifier; needed [a-z][a-z0-9_]*, at most {MAX_NAME} characters"
        )
    return name


def check_network_name(name: object) -> str:
    """Return `name`; raise NetworkError unless it is identifier parts joined by single hyphens."""
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NETWORK_NAME.fullmatch(name):
        raise NetworkError(
            f"network: name {str(name)[:80]!r}; needed lower-case letters, digits and '_', parts joined by '-', "
            f"at most {MAX_NAME} characters"
        )
    return name


@dataclass(frozen=True)
class QType:
    """The codes lo..hi, each standing for `q * 2**-frac`.

    `frac` is one int for a stream edge; weights and accumulators may have one per output channel (a tuple).

    >>> QType(-7, 7, 3).bits, QType(-7, 7, 3).signed, QType(-1, 1).bits
    (4, True, 2)
    """

    lo: int
    hi: int
    frac: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        limit = 1 << (MAX_ACC_BITS - 1)
        check_int("type: lo", self.lo, -limit, limit - 1)
        check_int("type: hi", self.hi, self.lo, limit - 1)
        if isinstance(self.frac, tuple):
            if not self.frac:
                raise NetworkError("type: frac is an empty tuple; needed one int, or one per channel")
            for channel, frac in enumerate(self.frac):
                check_int(f"type: frac of channel {channel}", frac, -MAX_FRAC, MAX_FRAC)
        else:
            check_int("type: frac", self.frac, -MAX_FRAC, MAX_FRAC)

    @property
    def bits(self) -> int:
        """Width in bits."""
        return bits_of(self.lo, self.hi)

    @property
    def signed(self) -> bool:
        """Whether two's complement is needed."""
        return self.lo < 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest little-endian signed numpy dtype that holds every code."""
        return code_dtype(self.lo, self.hi)

    @property
    def common_frac(self) -> int | None:
        """The one frac of all channels, or None where they differ."""
        if isinstance(self.frac, int):
            return self.frac
        return self.frac[0] if len(set(self.frac)) == 1 else None

    def check(self, where: str, codes: AnyArray, error: type[ValueError] = NetworkError) -> None:
        """Raise `error` naming the first code of the integer array `codes` that is outside lo..hi."""
        bad = (codes < self.lo) | (codes > self.hi)
        if bad.any():
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
            raise error(f"{where}: code {int(codes[index])} at {list(index)}; the type holds {self.lo}..{self.hi}")


def frozen_ints(where: str, values: Any, shape: tuple[int | None, ...], dtype: str | np.dtype[Any]) -> IntArray:
    """Return a read-only C-order copy of an integer array; None in `shape` matches any positive length."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise NetworkError(f"{where}: dtype {array.dtype}; needed integers")
    if array.ndim != len(shape) or any(
        n < 1 or (want not in (None, n)) for n, want in zip(array.shape, shape, strict=True)
    ):
        wanted = ", ".join("n" if n is None else str(n) for n in shape)
        raise NetworkError(f"{where}: shape {list(array.shape)}; needed [{wanted}]")
    info = np.iinfo(dtype)
    if array.size and (int(array.min()) < info.min or int(array.max()) > info.max):
        raise NetworkError(f"{where}: a value does not fit {np.dtype(dtype).name}")
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.setflags(write=False)
    return copy
