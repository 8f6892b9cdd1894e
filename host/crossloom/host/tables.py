"""Plain text tables for the commands' reports."""

from __future__ import annotations

from collections.abc import Sequence

from crossloom.sim.text import printable

CELL = 400
"""Characters of a cell that are shown."""


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return aligned columns; numbers to the right, text to the left, on one line whatever it holds.

    >>> print(table(["layer", "macs"], [["conv", 1200], ["fc", 80]]))
    layer   macs
    conv   1,200
    fc        80
    """
    header = [printable(c, CELL) for c in header]
    cells = [[f"{c:,}" if isinstance(c, int) else printable(c, CELL) for c in row] for row in rows]
    columns = [[row[i] for row in rows if row[i] != ""] for i in range(len(header))]
    right = [bool(column) and all(isinstance(c, int | float) for c in column) for column in columns]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    lines = []
    for row in [list(header), *cells]:
        parts = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def between(interval: Sequence[float] | None) -> str:
    """Return a 95 % interval of a share in words, to follow it; nothing where there is none."""
    return "" if interval is None else f", 95 % interval {100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def percent(fraction: float | None) -> str:
    """Return a fraction of 1 as a percentage with two decimals, or "not measured"."""
    return "not measured" if fraction is None else f"{100 * fraction:.2f} %"
