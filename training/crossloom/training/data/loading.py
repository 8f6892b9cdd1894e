"""From a recipe's [data] to the data set: a named one, or the user's own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..config import DataConfig
from .labelled import Dataset
from .named import Bars
from .own import user_dataset
from .places import files_of
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
    if data.name is None:
        return user_dataset(Path(data.path or "").expanduser(), data.validation, least)
    known = NAMED_DATA[data.name]
    timed = known.steps if known.steps == 1 or steps is None else steps
    return known.load(files_of(known, data.path), data.validation, timed, bars)
