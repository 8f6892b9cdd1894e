"""Random tiles, inputs and configurations for the tests of the tile; a seed gives the same ones everywhere."""

import numpy as np

from crossloom.sim.crossbar.twin import TwinConfig, segment_masks, table_field


def random_table(rng, rows, columns, segments):
    """Tables of a plausible IR drop in some columns, anything at all in others."""
    field = table_field(rows, segments)
    count = np.arange(2 * rows) % (1 << field)
    drop = 1 - rng.uniform(0, 0.4, (columns, 1)) * count / rows
    table = np.minimum(np.rint(count * 128 * drop), 65535).astype(np.int64)
    wild = rng.random(columns) < 0.2
    table[wild] = rng.integers(0, 65536, (int(wild.sum()), 2 * rows))
    return table


def random_config(rng, rows, columns, table=None, segments=None):
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


def random_cells(rng, rows, columns):
    """Cells of one density, from empty to full."""
    return (rng.random((rows, columns)) < rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])).astype(np.uint8)


def random_inputs(rng, config, frames):
    """Inputs within the configuration's range, sometimes all at one end."""
    x = rng.integers(config.lowest, config.highest + 1, (frames, config.rows))
    for frame in np.flatnonzero(rng.random(frames) < 0.15):
        x[frame] = rng.choice([config.lowest, config.highest, 0])
    return x
