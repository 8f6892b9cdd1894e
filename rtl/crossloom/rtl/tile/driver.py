"""Drives an `imc_tile`: settings and cells as register writes, inputs and results as stream beats."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.crossbar.twin import TwinConfig

from ..errors import RtlError
from ..registers.tile_map import TILE
from ..verilator.model import Model, StreamResult

COUNTERS = tuple(register.name for register in TILE.registers if 0x40 <= register.offset < 0x80)


@dataclass(frozen=True)
class TileRun:
    """Results (frames, columns), 16 bits signed, and the clock cycle of every beat in and out."""

    y: NDArray[np.int64]
    in_cycles: NDArray[np.uint64]
    out_cycles: NDArray[np.uint64]


def _window(name: str, words: NDArray[Any], start: int = 0) -> NDArray[np.int64]:
    """Address and value pairs (n, 2) that fill a window from a word on."""
    flat = np.asarray(words, dtype=np.int64).reshape(-1)
    return np.stack([TILE.offset(name) + 4 * (start + np.arange(len(flat), dtype=np.int64)), flat], axis=1)


def setting_writes(config: TwinConfig) -> NDArray[np.int64]:
    """Writes (n, 2) of address and value that set the format, the ADC, permutation, masks and gains; no table."""
    form = config.bits | config.signed << 4 | config.segments << 8
    single = [
        (TILE.offset("FORMAT"), form),
        (TILE.offset("ADC_SCALE"), config.adc_scale),
        (TILE.offset("ADC_OFFSET"), config.adc_offset & 0xFFFFFFFF),
        (TILE.offset("ADC_TOP"), config.adc_top),
    ]
    permutation = np.asarray(config.permutation, dtype=np.int64).reshape(-1, 4) << np.array([0, 8, 16, 24])
    return np.concatenate(
        [
            np.array(single, dtype=np.int64),
            _window("PERM", permutation.sum(axis=1)),
            _window("MASK", row_words(config.masks)),
            _window("GAIN", config.gain),
        ]
    )


def table_writes(config: TwinConfig) -> NDArray[np.int64]:
    """Writes (columns * 2 * rows, 2) of the transfer tables."""
    return _window("TABLE", config.table)


def cell_writes(cells: NDArray[Any]) -> NDArray[np.int64]:
    """Writes (columns * rows / 32, 2) of the cells (rows, columns)."""
    return _window("CELL", row_words(np.asarray(cells).T))


def row_words(bits: NDArray[Any]) -> NDArray[np.int64]:
    """Bits (n, rows) as words (n, rows / 32), row 0 lowest."""
    packed = np.packbits(np.asarray(bits, dtype=np.uint8), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.int64)


def input_beats(x: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Frames (n, rows) as beats (n * rows / 4, 1) with their `last`."""
    data = np.ascontiguousarray(np.asarray(x).astype(np.int64).astype(np.uint8)).view("<u4").reshape(-1, 1)
    last = np.arange(len(data)) % (x.shape[1] // 4) == x.shape[1] // 4 - 1
    return data, last


def output_frames(beats: NDArray[np.uint32], last: NDArray[np.bool_], columns: int) -> NDArray[np.int64]:
    """Beats (n, 2) as results (frames, columns); RtlError when `last` does not end each frame."""
    ends = np.arange(len(beats)) % (columns // 4) == columns // 4 - 1
    if len(beats) % (columns // 4) or not np.array_equal(ends, last):
        raise RtlError(
            f"imc_tile: {len(beats)} beats, TLAST on {np.flatnonzero(last)[:4].tolist()}...; one on every"
            f" {columns // 4}th is needed; reset the tile"
        )
    return np.ascontiguousarray(beats).view("<i2").reshape(-1, columns).astype(np.int64)


def write_tile(model: Model, config: TwinConfig, cells: NDArray[Any], *, tables: bool = True) -> None:
    """Write settings, tables and cells over AXI4-Lite."""
    writes = [setting_writes(config), cell_writes(cells), *([table_writes(config)] if tables else [])]
    pairs = np.concatenate(writes)
    model.write(pairs[:, 0], pairs[:, 1])


def run_tile(model: Model, x: NDArray[Any], columns: int, **gates: Any) -> TileRun:
    """Send frames (n, rows), receive results; `gates` go to `Model.stream`. RtlError when results are missing."""
    beats, last = input_beats(x)
    expect = len(x) * columns // 4
    result: StreamResult = model.stream(beats, last, expect, **gates)
    if len(result.beats) != expect:
        raise RtlError(f"imc_tile: {len(result.beats)} of {expect} beats came; all are needed; read ERROR")
    y = output_frames(result.beats, result.last, columns)
    return TileRun(y, result.in_cycles, result.out_cycles)


def read_counters(model: Model) -> dict[str, int]:
    """The counters by name."""
    return dict(zip(COUNTERS, model.read([TILE.offset(name) for name in COUNTERS]).tolist(), strict=True))
