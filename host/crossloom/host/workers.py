"""Processes that work for a command side by side, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

_WARNINGS = "PYTHONWARNINGS"


@contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of fresh processes; what they do when this is left by an exception is given up at once."""
    before = os.environ.get(_WARNINGS)
    os.environ.setdefault(_WARNINGS, "ignore")  # as in the command itself; and of what they could not put away
    try:
        with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_end_with_parent) as pool:
            try:
                yield pool
            except BaseException:
                for child in multiprocessing.active_children():
                    child.kill()
                raise
    finally:
        if before is None:
            os.environ.pop(_WARNINGS, None)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
