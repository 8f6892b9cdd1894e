"""Where files that belong to no stage's Python are, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path


def bitstreams() -> Path | None:
    """The folder of shipped designs and boards: beside the installed package, or at the top of the checkout."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "bitstreams", here.parents[3] / "bitstreams"):
        if folder.is_dir():
            return folder
    return None
