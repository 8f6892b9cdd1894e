"""A progress bar for work of more than a moment, on terminals only, with or without tqdm."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
