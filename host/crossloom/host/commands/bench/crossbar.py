"""`crossloom bench crossbar`: speed of the exact crossbar solvers beside badcrossbar, and their agreement."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from crossloom.sim import InputError
from crossloom.sim.crossbar import gate_currents, make_ladders, make_tile, prepare, transfer
from crossloom.sim.types import AnyArray

from ...progress import bar
from ...tables import table
from .. import Report

ROWS = COLUMNS = 128
VECTORS = 1024
MIN_RUNS = 5
OHM = 2.0
# Its own requirements include plotting packages that need system libraries.
INSTALL = "pip install --no-deps badcrossbar pathvalidate"


def _badcrossbar() -> Callable[[AnyArray, AnyArray], AnyArray] | None:
    """Its solver, asked for the output currents alone, its fastest answer; None where it is not installed."""
    level, handlers = logging.root.level, logging.root.handlers[:]
    with warnings.catch_warnings(record=True):  # its plots need a package that its solver does not, and it says so
        try:
            module: Any = import_module("badcrossbar")
        except ImportError:
            return None
        finally:  # importing it configures the root logger
            logging.root.setLevel(level)
            logging.root.handlers[:] = handlers
    logging.getLogger("badcrossbar").setLevel(logging.WARNING)

    def compute(volts: AnyArray, siemens: AnyArray) -> AnyArray:
        found = module.compute(volts.T, 1 / siemens, r_i=OHM, node_voltages=False, all_currents=False)
        output: AnyArray = found.currents.output
        return output

    return compute


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return 1e3 * (time.process_time() - start)


def run(args: argparse.Namespace) -> Report:
    """Measure; medians of `args.runs` alternating runs in CPU time, after one run that does not count.

    CPU time adds up all threads: set OPENBLAS_NUM_THREADS=1, as matrices of this size want it anyway.
    """
    if args.runs < MIN_RUNS:
        raise InputError(f"bench: --runs {args.runs}; needed at least {MIN_RUNS} for a median")
    rng = np.random.default_rng(0)
    siemens = rng.uniform(1e-6, 40e-6, (ROWS, COLUMNS))
    volts = rng.uniform(0, 0.2, (VECTORS, ROWS))
    tile = make_tile(siemens, row_wire=OHM, column_wire=OHM)
    ladders = make_ladders(np.where(rng.random((ROWS, COLUMNS)) < 0.5, 40e-6, 4e-9), bit_line=2.5, source_line=2.5)
    bits = rng.random((VECTORS, ROWS)) < 0.5
    matrix, ready = transfer(tile), prepare(ladders)
    calls: dict[str, Callable[[], object]] = {
        "build_ms": lambda: transfer(tile),
        "apply_1024_ms": lambda: volts @ matrix.T,
        "gate_1024_ms": lambda: gate_currents(ladders, bits),
        "gate_table_ms": lambda: prepare(ladders),
        "gate_prepared_1024_ms": lambda: gate_currents(ladders, bits, table=ready),
    }
    other = _badcrossbar()
    if other is not None:
        theirs = other
        calls["badcrossbar_1024_ms"] = lambda: theirs(volts, siemens)
    times: dict[str, list[float]] = {name: [] for name in calls}
    with bar("timing", args.runs + 1) as progress:
        for turn in range(args.runs + 1):
            for name, call in calls.items():
                if turn or name != "badcrossbar_1024_ms":  # seconds long: it needs no warming
                    times[name].append(_milliseconds(call))
            progress(turn + 1)
    medians = {name: statistics.median(found[-args.runs :]) for name, found in times.items()}
    error = None
    if other is not None:
        expected = other(volts[:8], siemens)
        error = float(np.abs(volts[:8] @ matrix.T / expected - 1).max())
    per_second = {
        "gate_tile_vectors_per_s": 1e3 * VECTORS / medians["gate_1024_ms"],
        "gate_prepared_tile_vectors_per_s": 1e3 * VECTORS / medians["gate_prepared_1024_ms"],
    }
    data: dict[str, Any] = {
        "origin": "measured",
        "runs": args.runs,
        "rows": ROWS,
        "columns": COLUMNS,
        "badcrossbar_1024_ms": None,
        **medians,
        "max_relative_error": error,
        **per_second,
    }
    return Report(data, _text(data))


def _text(data: dict[str, Any]) -> str:
    theirs = data["badcrossbar_1024_ms"]
    rows: list[list[object]] = [
        ["transfer matrix, built once a tile", f"{data['build_ms']:.2f}"],
        [f"{VECTORS} vectors through it", f"{data['apply_1024_ms']:.2f}"],
        [f"{VECTORS} vectors of bits in gate mode", f"{data['gate_1024_ms']:.2f}"],
        ["gate mode's table, built once a tile", f"{data['gate_table_ms']:.2f}"],
        [f"{VECTORS} vectors of bits through it", f"{data['gate_prepared_1024_ms']:.2f}"],
    ]
    if theirs is not None:
        rows.append([f"{VECTORS} vectors in badcrossbar", f"{theirs:.2f}"])
    text = f"{ROWS} x {COLUMNS} cells, measured, CPU time, medians of {data['runs']} runs\n"
    text += table(["work", "ms"], rows)
    text += f"\ngate mode: {data['gate_prepared_tile_vectors_per_s']:,.0f} tile-vectors/s with its table ready"
    if theirs is None:
        return text + f"\nbadcrossbar is not installed; to compare: {INSTALL}"
    whole = theirs / (data["build_ms"] + data["apply_1024_ms"])
    text += f"\nbadcrossbar takes {whole:,.0f} times as long as build and apply, {theirs / data['apply_1024_ms']:,.0f} "
    return text + f"times as long as apply alone; largest relative difference {data['max_relative_error']:.1e}"
