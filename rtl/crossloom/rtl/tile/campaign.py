"""Random tiles, inputs and configurations through a Verilated tile, held against the integer model; and its cycles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crossloom.sim.crossbar.twin import TwinConfig, plain_config, segment_masks, table_field, twin_product

from ..errors import RtlError
from ..registers.tile_map import TILE
from ..sources import sources_of
from ..verilator.model import Model, build_model
from .driver import cell_writes, read_counters, run_tile, setting_writes, table_writes, write_tile

FULL: Mapping[str, int] = {"Rows": 128, "Cols": 128, "Lanes": 32}
TABLES_EVERY = 50  # tiles; in between, one column's table is new in each
_CLEAR = 2
# Shares of cycles in which the streams pause; 997 cycles fit no frame.
_GATES = (("idle", (0, 0.5)), ("stall", (0, 0.5, 0.9)))


def random_table(rng: Generator, rows: int, columns: int, segments: int) -> NDArray[np.int64]:
    """Tables (columns, 2 * rows) of a plausible IR drop in some columns, anything at all in others."""
    field = table_field(rows, segments)
    count = np.arange(2 * rows) % (1 << field)
    drop = 1 - rng.uniform(0, 0.4, (columns, 1)) * count / rows
    table = np.minimum(np.rint(count * 128 * drop), 65535).astype(np.int64)
    wild = rng.random(columns) < 0.2
    table[wild] = rng.integers(0, 65536, (int(wild.sum()), 2 * rows))
    return table


def random_config(
    rng: Generator, rows: int, columns: int, table: NDArray[np.int64] | None = None, segments: int | None = None
) -> TwinConfig:
    """A configuration from the corners or from anywhere."""
    segments = segments or int(rng.integers(1, rows // 32 + 1))
    kind = rng.integers(3)
    if kind == 0 and rows % segments == 0 and rows // segments >= 32:
        masks = segment_masks(rows, rows // segments)
    elif kind == 1:  # every row in at most one segment, in any order
        masks = rng.integers(0, segments + 1, rows) == np.arange(segments)[:, None]
    else:
        masks = rng.random((segments, rows)) < rng.choice([0.0, 0.3, 0.9, 1.0])
    fraction = rng.uniform(0.25, 4)
    return TwinConfig(
        permutation=rng.permutation(rows) if rng.random() < 0.8 else rng.integers(0, rows, rows),
        masks=masks,
        table=random_table(rng, rows, columns, segments) if table is None else table,
        gain=rng.choice([0, 1, 16384, 32767, 32768, 65535], columns)
        if rng.random() < 0.2
        else rng.integers(0, 65536, columns),
        bits=int(rng.integers(1, 9)),
        signed=bool(rng.integers(2)),
        adc_scale=int(rng.choice([0, 512, 65535])) if rng.random() < 0.2 else int(512 * fraction),
        adc_offset=int(rng.choice([-(2**31), 0, 32768, 2**31 - 1]))
        if rng.random() < 0.2
        else int(rng.integers(-(2**20), 2**18)),
        adc_top=int(rng.choice([0, 1, 63, 127, 255])),
    )


def random_cells(rng: Generator, rows: int, columns: int) -> NDArray[np.uint8]:
    """Cells (rows, columns) of one density, from empty to full."""
    filled: NDArray[np.bool_] = rng.random((rows, columns)) < rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    return filled.astype(np.uint8)


def random_inputs(rng: Generator, config: TwinConfig, frames: int) -> NDArray[np.int64]:
    """Inputs (frames, rows) within the configuration's range, sometimes all at one end."""
    x = rng.integers(config.lowest, config.highest + 1, (frames, config.rows))
    for frame in np.flatnonzero(rng.random(frames) < 0.15):
        x[frame] = rng.choice([config.lowest, config.highest, 0])
    return x


@dataclass(frozen=True)
class Campaign:
    """What a campaign compared, and how much of it differed: results, and counters of clips, frames and steps."""

    tiles: int
    seed: int
    frames: int
    results: int
    differences: int
    counters: int
    counter_differences: int


def compare(
    model: Model, rng: Generator, config: TwinConfig, cells: NDArray[Any], frames: int, **gates: Any
) -> tuple[int, dict[str, tuple[int, int]]]:
    """Run random frames through a tile that holds `config` and `cells`.

    Returns how many results differ from the integer model's, and every counter as (found, expected).
    """
    model.write(TILE.offset("CONTROL"), _CLEAR)
    x = random_inputs(rng, config, frames)
    run = run_tile(model, x, config.columns, **gates)
    model.run(4)
    expected, found = twin_product(config, cells, x), read_counters(model)
    geometry, lanes = model.read([TILE.offset("GEOMETRY"), TILE.offset("LANES")]).tolist()
    wanted = {
        "COUNT_CLIPS": expected.count_clips,
        "CODE_CLIPS": expected.code_clips,
        "Y_CLIPS": expected.y_clips,
        "FRAMES_IN": frames,
        "FRAMES_OUT": frames,
        "STEPS": frames * config.bits * config.segments * ((geometry >> 16) // lanes),
    }
    return int((run.y != expected.y).sum()), {name: (found[name], value) for name, value in wanted.items()}


def campaign(
    parameters: Mapping[str, int],
    tiles: int,
    seed: int,
    tables_every: int = TABLES_EVERY,
    progress: Callable[[int], None] | None = None,
) -> Campaign:
    """Compare random tiles with random idle and stalled streams; `progress` is told the tiles done.

    Raises RtlError for fewer than one tile, and where the tile says that it met a fault.
    """
    if tiles < 1:
        raise RtlError(f"campaign: {tiles} tiles; at least 1 is needed")
    rng = np.random.default_rng(seed)
    rows, columns = parameters["Rows"], parameters["Cols"]
    table, total, differences, pairs, wrong = None, 0, 0, 0, 0
    with build_tile(parameters, seed) as model:
        for number in range(tiles):
            fresh = number % tables_every == 0
            config = random_config(rng, rows, columns, None if fresh else table)
            column = int(rng.integers(columns))
            if not fresh:  # writing every table anew would take most of the time
                table = config.table.copy()
                table[column] = random_table(rng, rows, 1, config.segments)
                config = random_config(rng, rows, columns, table, config.segments)
            cells = random_cells(rng, rows, columns)
            words = table_writes(config)
            words = words if fresh else words[column * 2 * rows : (column + 1) * 2 * rows]
            writes = np.concatenate([setting_writes(config), cell_writes(cells), words])
            model.write(writes[:, 0], writes[:, 1])
            frames = int(rng.integers(1, 4))
            gates = {name: rng.random(997) < rng.choice(shares) for name, shares in _GATES}
            different, counters = compare(model, rng, config, cells, frames, **gates)
            total, differences = total + frames, differences + different
            pairs, wrong = pairs + len(counters), wrong + sum(a != b for a, b in counters.values())
            table = config.table
            if progress is not None:
                progress(number + 1)
        error = int(model.read(TILE.offset("ERROR"))[0])
    if error:
        raise RtlError(f"imc_tile: ERROR is {error} after a campaign without faults; 0 is needed; see rtl/README.md")
    return Campaign(tiles, seed, total, total * columns, differences, pairs, wrong)


def build_tile(parameters: Mapping[str, int], seed: int = 1) -> Model:
    """A Verilated tile, from the cache where it was built before."""
    return build_model("imc_tile", parameters, sources=sources_of("imc_tile"), seed=seed)


def cycles_per_product(parameters: Mapping[str, int], segments: int, frames: int = 12) -> int:
    """Cycles between results of 8-bit inputs sent back to back; RtlError where the distances are not all the same."""
    rows, columns = parameters["Rows"], parameters["Cols"]
    run = _run(parameters, segments, frames)
    starts = run.reshape(frames, columns // 4)[:, 0]
    apart = np.unique(np.diff(starts))
    if len(apart) != 1:
        raise RtlError(f"imc_tile: results {apart.tolist()} cycles apart; one distance is needed at {rows} rows")
    return int(apart[0])


def latency_cycles(parameters: Mapping[str, int], segments: int = 1) -> int:
    """Cycles from the first beat of one frame of 8-bit inputs to the last beat of its results."""
    return int(_run(parameters, segments, 1)[-1])


def _run(parameters: Mapping[str, int], segments: int, frames: int) -> NDArray[np.int64]:
    """The cycles of all result beats since the first input beat, of random frames through an ideal tile, checked."""
    rng = np.random.default_rng(5)
    rows, columns = parameters["Rows"], parameters["Cols"]
    config, cells = plain_config(rows, columns, segments), random_cells(rng, rows, columns)
    x = random_inputs(rng, config, frames)
    with build_tile(parameters) as model:
        write_tile(model, config, cells)
        run = run_tile(model, x, columns)
    if not np.array_equal(run.y, twin_product(config, cells, x).y):
        raise RtlError("imc_tile: a result differs from the integer model; cycles of wrong results say nothing")
    return run.out_cycles.astype(np.int64) - int(run.in_cycles[0])
