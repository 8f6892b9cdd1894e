"""Where the files of a data set with a name lie: in a folder that is given, `$CROSSLOOM_DATA`, or the user's cache."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from crossloom.sim.cache import cache_folder
from crossloom.sim.errors import ConfigError, DeviceError

from .files import shown
from .named import NamedData

VARIABLE = "CROSSLOOM_DATA"


def places() -> list[Path]:
    """Return the folders of data sets in which one is looked for where no folder is given, in order."""
    named = os.environ.get(VARIABLE, "")
    found = [Path(named).expanduser()] if named else []
    with suppress(DeviceError):  # no home, or one that others can write
        found.append(cache_folder() / "data")
    return found


def find_files(known: NamedData, given: str | None) -> Path | None:
    """Return the folder of a data set's files: the `given` one, whatever is in it, else the first that is there."""
    if given is not None:
        return Path(given).expanduser()
    there = (place / folder for place in places() for folder in known.folders)
    return next((path for path in there if path.is_dir()), None)


def files_of(known: NamedData, given: str | None) -> Path:
    """Return the same, of a data set that needs none an empty path; raise ConfigError where it is not found."""
    if not known.needs_folder:
        return Path()
    found = find_files(known, given)
    if found is None:
        looked = " or ".join(shown(place) for place in places()) or f"${VARIABLE}, which is not set"
        missing = f"missing for the data set {known.name!r}, and no folder {known.folders[0]} in {looked}"
        advice = "put them there, write path or use --data-dir"
        raise ConfigError(f"[data] key 'path': {missing}; needed the folder with its files; {advice}")
    return found
