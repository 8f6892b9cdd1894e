"""A progress bar for work of more than a moment, on terminals only, with or without tqdm."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from crossloom.sim.programs import ending_programs

T = TypeVar("T")

WIDTH = 30
QUIET_SECONDS = 0.5


@contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many of `total` are done; draws on stderr where that is a terminal."""
    start = time.monotonic()
    drawn = False

    def show(done: int) -> None:
        nonlocal drawn
        if not sys.stderr.isatty() or time.monotonic() - start < QUIET_SECONDS:
            return
        drawn = True
        full = WIDTH * done // max(total, 1)
        sys.stderr.write(f"\r{label} [{'#' * full}{'.' * (WIDTH - full)}] {done:,}/{total:,}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        if drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def during(label: str, seconds: int, work: Callable[[], T]) -> T:
    """Return what `work` does, with a bar over the seconds that it usually takes at most."""
    with bar(label, seconds) as progress, ThreadPoolExecutor(1) as pool, ending_programs():
        start, future = time.monotonic(), pool.submit(work)
        while not future.done():
            wait([future], timeout=0.5)
            progress(min(int(time.monotonic() - start), seconds))
        return future.result()
