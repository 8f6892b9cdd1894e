"""From a recipe's [data] to the data set: a named one, or the user's own images."""

from __future__ import annotations

from pathlib import Path

from crossloom.sim.errors import ConfigError

from ..config import DataConfig
from .labelled import Dataset
from .own import user_dataset
from .registry import NAMED_DATA
from .regroup import exclude


def load_dataset(data: DataConfig, least: int = 2) -> Dataset:
    """Return the data set of a recipe's [data], of at least `least` classes where it is the user's own.

    Raises ConfigError (one line) where it cannot be used as it is.
    """
    return exclude(_source(data, least), data.exclude)


def _source(data: DataConfig, least: int) -> Dataset:
    known = NAMED_DATA[data.name] if data.name is not None else None
    if data.path is None and (known is None or known.needs_folder):
        found = f"missing for the data set {data.name!r}"
        raise ConfigError(f"[data] key 'path': {found}; needed the folder with its files; write path or use --data-dir")
    path = Path(data.path or "").expanduser()
    return known.load(path, data.validation) if known else user_dataset(path, data.validation, least)
