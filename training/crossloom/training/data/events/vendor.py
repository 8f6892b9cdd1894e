"""Recordings in the formats of camera vendors: AEDAT4 (iniVation) by aedat, EVT2 and EVT3 (Prophesee) by faery."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim.errors import ConfigError, MissingExtraError

from ..files import check_file, reason, shown
from .recording import Recording

AEDAT4_TIME_BASE = "1970-01-01, as the camera's clock has it"
EVT_TIME_BASE = "the camera's power-on"


def read_aedat4(path: Path) -> Recording:
    """Return the events of an AEDAT4 file, which says the sensor's size itself.

    Of several streams of events none is chosen silently. Raises ConfigError (one line), MissingExtraError without
    aedat (and not faery, which holds a time that goes back at the latest one before).
    """
    needed = "needed an AEDAT4 file"
    check_file(path, f"{needed}; check the path")
    aedat = _library(path, "aedat")
    try:
        decoder = aedat.Decoder(path)
        streams = {k: stream for k, stream in decoder.id_to_stream().items() if stream["type"] == "events"}
        if len(streams) != 1:
            found = f"{len(streams)} streams of events"
            raise ConfigError(f"{shown(path)}: {found}; needed one; write one of them to a file of its own")
        ((events, stream),) = streams.items()
        packets = [packet["events"] for packet in decoder if packet["stream_id"] == events]
    except RuntimeError as error:
        raise _unreadable(path, error, f"{needed}; copy it again") from None
    return _recording(path, packets, (stream["width"], stream["height"]), AEDAT4_TIME_BASE)


def read_prophesee(path: Path) -> Recording:
    """Return the events of a `.raw` file of Prophesee: EVT2 or EVT3, as its header says, as well as the size.

    Trigger events are no events. faery holds a time that goes back at the latest one before. Raises ConfigError (one
    line), also where the header lacks the size or an event lies outside of it; MissingExtraError without faery.
    """
    needed = "needed EVT2 or EVT3 with version and geometry in its header"
    check_file(path, f"{needed}; check the path")
    faery = _library(path, "faery")
    try:
        # Without fallbacks: what a header lacks is refused, where faery's own reader takes 1280 x 720 pixels and EVT3.
        with faery.evt.Decoder(path, None, None) as decoder:
            size = decoder.dimensions
            if decoder.version not in ("evt2", "evt3"):
                raise RuntimeError(f"it is {decoder.version}")
            packets = [packet["events"] for packet in decoder if "events" in packet]
    except RuntimeError as error:
        raise _unreadable(path, error, f"{needed}; export it again") from None
    return _recording(path, packets, size, EVT_TIME_BASE)


def _library(path: Path, name: str) -> Any:
    """Return a library that reads recordings; raise MissingExtraError without it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(
            f"{shown(path)}: {name} is not installed; needed to read it; pip install 'crossloom[events]'"
        ) from None


def _unreadable(path: Path, error: Exception, needed: str) -> ConfigError:
    return ConfigError(f"{shown(path)}: cannot be read ({reason(error)}); {needed}")


def _recording(path: Path, packets: list[Any], size: tuple[int, int], time_base: str) -> Recording:
    """Return packets, structured arrays (t, x, y, on), as one recording; `size` is (width, height)."""
    t, x, y, p = (
        np.concatenate([np.zeros(0, np.int64), *(packet[field].astype(np.int64) for packet in packets)])
        for field in ("t", "x", "y", "on")
    )
    width, height = size
    return Recording(shown(path), height, width, t, x, y, p, time_base)
