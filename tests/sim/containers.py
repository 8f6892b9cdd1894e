"""Artifacts' bytes changed in one place, and the check that such bytes are refused in one line."""

import hashlib
import io
import json

import numpy as np
import pytest
from handmade import made

from crossloom.sim import ArtifactError, load
from crossloom.sim import loom as module
from crossloom.sim.loom import _unzip, _zip_pieces, to_bytes


def unzipped(data):
    """The entries of an artifact's file."""
    return {name: bytes(raw) for name, raw in _unzip(data).items()}


def zipped(entries):
    """The file of some entries."""
    return b"".join(_zip_pieces(entries))


def seal(data):
    """Put the right hash at the end of altered bytes, so that the deeper check must refuse them."""
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


def edited(name, entry, change):
    """The artifact with one JSON entry changed."""
    entries = unzipped(to_bytes(made(name)))
    plain = json.loads(entries[entry])
    change(plain)
    entries[entry] = module.canonical_json(plain)
    return zipped(entries)


def replaced(name, **entries):
    """The artifact with raw entries replaced; keys spell / and . as __ and _dot_."""
    found = unzipped(to_bytes(made(name)))
    for key, raw in entries.items():
        key = key.replace("__", "/").replace("_dot_", ".")
        if raw is None:
            del found[key]
        else:
            found[key] = raw
    return zipped(found)


def refused(data, words, tmp_path):
    path = tmp_path / "bad.loom"
    path.write_bytes(data)
    with pytest.raises(ArtifactError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert words in text
    assert "\n" not in text


WHOLE = "not a whole .loom file"


def raw_npy(array, pickled=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()
