"""From a recipe's [data] to the data set: a named one, or the user's own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crossloom.sim.errors import ConfigError

from ..config import DataConfig
from .labelled import Dataset
from .named import Bars
from .own import user_dataset
from .registry import NAMED_DATA
from .regroup import exclude, tested_on


def load_dataset(data: DataConfig, least: int = 2, steps: int | None = None, bars: Bars | None = None) -> Dataset:
    """Return the data set of a recipe's [data], of at least `least` classes where it is the user's own.

    Recordings of a named set are counted in `steps`, its own number where None. `bars` makes a progress bar. Raises
    ConfigError (one line) where it cannot be used as it is.
    """
    found = exclude(_source(data, least, steps, bars), data.exclude)
    if data.test is None:
        return found
    other = replace(data, name=data.test, path=data.test_path or data.path, test=None)
    return tested_on(found, exclude(_source(other, least, steps, bars), data.exclude))


def _source(data: DataConfig, least: int, steps: int | None, bars: Bars | None) -> Dataset:
    known = NAMED_DATA[data.name] if data.name is not None else None
    if data.path is None and (known is None or known.needs_folder):
        found = f"missing for the data set {data.name!r}"
        raise ConfigError(f"[data] key 'path': {found}; needed the folder with its files; write path or use --data-dir")
    path = Path(data.path or "").expanduser()
    if known is None:
        return user_dataset(path, data.validation, least)
    return known.load(path, data.validation, known.steps if known.steps == 1 or steps is None else steps, bars)
