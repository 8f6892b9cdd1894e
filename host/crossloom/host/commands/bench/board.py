"""`crossloom bench board`: the driver's own time a frame, and frames a second beside the core without it."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossloom.sim import InputError, Network, input_codes, load
from crossloom.sim.places import write_file
from crossloom.sim.types import IntArray

from ...backends import open_backend
from ...designs import find_design
from ...pages import earlier_results
from ...progress import bar
from ...tables import table
from .. import Report

if TYPE_CHECKING:
    from ...board.backend import BoardBackend

SINGLE, BATCHED = 64, 512  # frames of a round, one and 256 a transfer
_LOGIC = "move", "read_one", "write_one"  # of the Verilated model


@contextmanager
def _logic_time(backend: BoardBackend) -> Iterator[Callable[[], float]]:
    """Gives the seconds so far in which the virtual board's logic ran, which a board does beside the host."""
    model = getattr(backend.overlay.device, "model", None)
    spent = 0.0
    if model is None:
        yield lambda: spent
        return

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            nonlocal spent
            before = time.perf_counter()
            try:
                return call(*args)
            finally:
                spent += time.perf_counter() - before

        return run

    for name in _LOGIC:
        setattr(model, name, timed(getattr(model, name)))
    try:
        yield lambda: spent
    finally:
        for name in _LOGIC:
            delattr(model, name)


def _host_us(backend: BoardBackend, codes: IntArray, each: int) -> tuple[float, float]:
    """Microseconds of the host a frame, and frames a second in all, in calls of `each` frames."""
    with _logic_time(backend) as logic:
        start, before = time.perf_counter(), logic()
        for row in range(0, len(codes), each):
            backend.run(codes[row : row + each])
        took = time.perf_counter() - start
        return 1e6 * (took - (logic() - before)) / len(codes), len(codes) / took


def _rewrite_ms(network: Network, backend: BoardBackend) -> float | None:
    """Milliseconds in which every word of the banks is written through MMIO; None for a network without banks."""
    if network.route is None:
        return None
    backend.load(network, every=True)
    return None if backend.rewrite_s is None else 1e3 * backend.rewrite_s


def run(args: argparse.Namespace) -> Report:
    """Measure; medians of alternating rounds."""
    if args.runs < 1:
        raise InputError(f"--runs {args.runs}; needed at least 1")
    artifact = load(find_design(args.design))
    network = artifact.network
    path = Path(args.out) if args.out else None
    if path is not None:
        earlier_results(path, "bank_rewrite_ms", "bench board")
    images = (
        artifact.golden.images if artifact.golden is not None else np.zeros((1, *network.input.image_shape), np.uint8)
    )
    codes = input_codes(network.input, np.resize(images, (BATCHED, *network.input.image_shape)))
    names = {"single": 1, "batched": 256}
    backends: dict[str, Any] = {n: open_backend(network, args.device, None, frames)[0] for n, frames in names.items()}
    rtl, _ = open_backend(network, "rtl")
    found: dict[str, list[float]] = {key: [] for key in ("single", "call", "batched", "frames_per_s", "rtl")}
    try:
        for backend in (*backends.values(), rtl):
            backend.run(codes[:1])
        with bar(f"bench board {network.name}", args.runs) as progress:
            for number in range(args.runs):
                found["single"].append(_host_us(backends["single"], codes[:SINGLE], SINGLE)[0])
                found["call"].append(_host_us(backends["single"], codes[:SINGLE], 1)[0])
                host, rate = _host_us(backends["batched"], codes, BATCHED)
                found["batched"].append(host)
                found["frames_per_s"].append(rate)
                start = time.perf_counter()
                rtl.run(codes[:SINGLE])
                found["rtl"].append(SINGLE / (time.perf_counter() - start))
                progress(number + 1)
        rewrite = _rewrite_ms(network, backends["batched"])
    finally:
        for backend in (*backends.values(), rtl):
            backend.close()
    middle = {key: statistics.median(values) for key, values in found.items()}
    data = {
        "name": network.name,
        args.device: {
            "host_us_single": middle["single"],
            "host_us_call": middle["call"],
            "host_us_batched": middle["batched"],
            "frames_per_s": middle["frames_per_s"],
        },
        "rtl": {"frames_per_s": middle["rtl"]},
        "bank_rewrite_ms": rewrite,
        "runs": args.runs,
        "origin": "measured: this machine's time; on the virtual board the logic itself is simulated",
    }
    if path is not None:
        write_file(path, json.dumps(data, indent=1) + "\n", InputError)
    rows: list[list[object]] = [
        ["host, one frame a transfer", f"{middle['single']:.1f} us a frame"],
        ["host, one frame a call", f"{middle['call']:.1f} us a frame"],
        ["host, 256 frames a transfer", f"{middle['batched']:.2f} us a frame"],
        [f"{args.device}, 256 frames a transfer", f"{middle['frames_per_s']:,.0f} frames/s"],
        ["rtl, the core alone", f"{middle['rtl']:,.0f} frames/s"],
    ]
    if rewrite is not None:
        rows.append(["all banks rewritten", f"{rewrite:.1f} ms"])
    return Report(data, f"{network.name}, {args.runs} rounds (medians, measured)\n" + table(["what", "figure"], rows))
