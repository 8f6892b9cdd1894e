"""A progress bar over the epochs of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def epoch_bar(total: int, done: int, wanted: bool) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Show a tqdm bar where wanted and a terminal is there; what it gives takes each epoch's record."""
    if not wanted:
        yield lambda record: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit="epoch", disable=None) as bar:

        def tick(record: Mapping[str, Any]) -> None:
            bar.set_description(str(record["phase"]))
            bar.set_postfix(loss=f"{record['loss']:.3f}", validation=f"{record['validation_accuracy']:.4f}")
            bar.update()

        yield tick
