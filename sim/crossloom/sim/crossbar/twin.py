"""The digital twin of a tile: the integer model that `rtl/src/imc_tile.sv` equals bit for bit.

For inputs x (rows,), one-bit cells W (rows, columns), planes b and segments s:

    count[b, s, c] = sum over r of plane_b(x[permutation[r]]) * mask[s, r] * W[r, c]
    t[b, s, c]     = table[c, s * 2**field + min(count, 2**field - 1)]
    code[b, s, c]  = clip((t * adc_scale + adc_offset) >> 16, 0, adc_top)            (>> is a floor)
    acc[c]         = sum over b, s of w_b * code[b, s, c]
    y[c]           = clip((acc * gain[c] + 2**14) >> 15, -2**15, 2**15 - 1)          (halves round up)

w_b = 2**b, except that the top plane of two's complement inputs counts -2**(bits - 1).
A table has 2 * rows entries a column, `2**field` for each segment: field = log2(2 * rows) - ceil(log2(segments)).
Arrays in, arrays out: nothing here knows where tables and gains come from.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

TABLE_FRACTION = 7  # bits after the point of a plain table: entry = count * 2**7
CODE_BITS = 8
GAIN_ONE = 1 << 15
_CHUNK = 1 << 24  # counts held at once


@dataclass(frozen=True)
class TwinConfig:
    """Everything that is written into a tile besides its cells; integers, checked when made (InputError).

    permutation (rows,): row r is driven by input permutation[r], 0..rows-1. masks (segments, rows): bool.
    table (columns, 2 * rows): 0..65535. gain (columns,): unsigned Q1.15, 0..65535. bits 1..8; signed: two's complement.
    adc_scale 0..65535 and adc_offset (32-bit signed) in 2**-16 codes; adc_top 0..255.
    """

    permutation: IntArray
    masks: BoolArray
    table: IntArray
    gain: IntArray
    bits: int = 8
    signed: bool = False
    adc_scale: int = 1 << (16 - TABLE_FRACTION)
    adc_offset: int = 1 << 15
    adc_top: int = (1 << CODE_BITS) - 1

    def __post_init__(self) -> None:
        rows, columns = self.rows, self.columns
        if rows not in (32, 64, 128, 256):
            raise InputError(f"twin: {rows} rows; 32, 64, 128 or 256 are needed; pad the tile with empty rows")
        segments = self.masks.shape[0]
        if self.masks.shape != (segments, rows) or not 1 <= segments <= rows // 32 or self.masks.dtype != np.bool_:
            raise InputError(
                f"twin: masks are {self.masks.dtype} {self.masks.shape}; bool (segments, {rows}) with 1 to {rows // 32}"
                " segments are needed"
            )
        for name, array, shape, high in (
            ("permutation", self.permutation, (rows,), rows - 1),
            ("table", self.table, (columns, 2 * rows), 65535),
            ("gain", self.gain, (columns,), 65535),
        ):
            if array.shape != shape or array.dtype.kind not in "iu":
                raise InputError(f"twin: {name} is {array.dtype} {array.shape}; integers {shape} are needed")
            if array.size and not (array.min() >= 0 and array.max() <= high):
                raise InputError(f"twin: {name} holds {array.min()}..{array.max()}; 0..{high} is needed; clip it")
        for name, value, low, high in (
            ("bits", self.bits, 1, 8),
            ("adc_scale", self.adc_scale, 0, 65535),
            ("adc_offset", self.adc_offset, -(2**31), 2**31 - 1),
            ("adc_top", self.adc_top, 0, 255),
        ):
            if not low <= value <= high:
                raise InputError(f"twin: {name} is {value}; {low}..{high} is needed")

    @property
    def rows(self) -> int:
        """Rows of the tile."""
        return int(self.permutation.shape[0])

    @property
    def columns(self) -> int:
        """Columns of the tile."""
        return int(self.gain.shape[0])

    @property
    def segments(self) -> int:
        """Segments that are activated one after another."""
        return int(self.masks.shape[0])

    @property
    def field(self) -> int:
        """Bits of the count that address the table of one segment."""
        return table_field(self.rows, self.segments)

    @property
    def lowest(self) -> int:
        """The smallest input."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest input."""
        return (1 << (self.bits - self.signed)) - 1


@dataclass(frozen=True)
class TwinResult:
    """What a tile gives for a batch: `y` and the sums before the gain, and how often each stage clipped in all."""

    y: IntArray  # (batch, columns), 16 bits signed
    acc: IntArray  # (batch, columns), 19 bits signed at 128 rows
    count_clips: int
    code_clips: int
    y_clips: int


def table_field(rows: int, segments: int) -> int:
    """Bits of the count that address a segment's part of a table: log2(2 * rows) - ceil(log2(segments)).

    >>> [table_field(128, segments) for segments in (1, 2, 3, 4)]
    [8, 7, 6, 6]
    """
    return (2 * rows).bit_length() - 1 - (segments - 1).bit_length()


def segment_masks(rows: int, active: int) -> BoolArray:
    """Masks (rows / active, rows) of neighbouring rows, `active` at once: the plain partial word-line activation."""
    if active < 32 or rows % active:
        raise InputError(f"twin: {active} active of {rows} rows; a divisor of the rows, at least 32, is needed")
    return np.repeat(np.eye(rows // active, dtype=np.bool_), active, axis=1)


def plain_config(rows: int, columns: int, segments: int = 1, **changes: Any) -> TwinConfig:
    """An ideal tile: counts pass unchanged, gain 1, no permutation; `changes` replace fields of the configuration.

    >>> config = plain_config(32, 4)
    >>> int(twin_product(config, np.ones((32, 4), bool), np.full((1, 32), 255)).y[0, 0])
    8160
    """
    unknown = set(changes) - {field.name for field in fields(TwinConfig)}
    if unknown:
        raise InputError(f"twin: no setting {', '.join(sorted(unknown))}; see TwinConfig for the names")
    count = np.arange(2 * rows, dtype=np.int64) % (1 << table_field(rows, segments))
    config = TwinConfig(
        permutation=np.arange(rows, dtype=np.int64),
        masks=segment_masks(rows, rows // segments),
        table=np.tile(np.minimum(count << TABLE_FRACTION, 65535), (columns, 1)),
        gain=np.full(columns, GAIN_ONE, dtype=np.int64),
    )
    return replace(config, **changes)


def twin_product(config: TwinConfig, cells: NDArray[Any], x: NDArray[Any]) -> TwinResult:
    """What a tile computes for a batch of inputs.

    `cells` (rows, columns): 0 or 1, in the order of the rows; `x` (batch, rows): integers in the configuration's
    range, in the order of the inputs. Raises InputError for other shapes or values.
    """
    cells, x = np.asarray(cells), np.asarray(x)
    if cells.shape != (config.rows, config.columns) or not np.isin(cells, (0, 1)).all():
        raise InputError(f"twin: cells are {cells.shape}; 0 and 1 of ({config.rows}, {config.columns}) are needed")
    if x.ndim != 2 or x.shape[1] != config.rows or x.dtype.kind not in "iu":
        raise InputError(f"twin: inputs are {x.dtype} {x.shape}; integers (batch, {config.rows}) are needed")
    if x.size and not (config.lowest <= x.min() and x.max() <= config.highest):
        raise InputError(
            f"twin: inputs are {x.min()}..{x.max()}; {config.lowest}..{config.highest} is needed at {config.bits}"
            f" {'signed' if config.signed else 'unsigned'} bits"
        )
    at_once = max(1, _CHUNK // (config.bits * config.segments * config.columns))
    parts = [
        _chunk(config, cells.astype(np.float32), x[start : start + at_once].astype(np.int64))
        for start in range(0, max(len(x), 1), at_once)
    ]
    acc = np.concatenate([part[0] for part in parts])
    exact = (acc * config.gain + (1 << 14)) >> 15
    y = exact.clip(-(1 << 15), (1 << 15) - 1)
    y_clips = int((y != exact).sum())
    return TwinResult(y, acc, sum(part[1] for part in parts), sum(part[2] for part in parts), y_clips)


def _chunk(config: TwinConfig, cells: NDArray[np.float32], x: IntArray) -> tuple[IntArray, int, int]:
    """The sums (batch, columns) of part of a batch, and how many counts and codes were clipped."""
    rows = x[:, config.permutation]
    limit = (1 << config.field) - 1
    columns = np.arange(config.columns)
    acc = np.zeros((len(x), config.columns), dtype=np.int64)
    count_clips = code_clips = 0
    for bit in range(config.bits):
        plane = (rows >> bit) & 1
        weight = -(1 << bit) if config.signed and bit == config.bits - 1 else 1 << bit
        for segment, mask in enumerate(config.masks):
            # Exact in float32: counts are at most 256.
            count = ((plane * mask).astype(np.float32) @ cells).astype(np.int64)
            count_clips += int((count > limit).sum())
            t = config.table[columns, (segment << config.field) + np.minimum(count, limit)]
            level = (t * config.adc_scale + config.adc_offset) >> 16
            code = level.clip(0, config.adc_top)
            code_clips += int((code != level).sum())
            acc += weight * code
    return acc, count_clips, code_clips
