"""`crossloom cache`: what was compiled and kept, and how to be rid of it."""

from __future__ import annotations

import argparse

from crossloom.sim.cache import Entry, cache_entries, cache_folder, clear_cache
from crossloom.sim.text import printable

from ..tables import table
from . import Report

_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
_MIB = 1 << 20


def run(args: argparse.Namespace) -> Report:
    """List what the cache holds, or remove it."""
    folder, entries = cache_folder(), cache_entries()
    if args.clear:
        left = clear_cache()
        entries = [entry for entry in entries if not entry.path.exists()]
    total = sum(entry.size for entry in entries)
    data = {"folder": str(folder), "cleared": args.clear, "entries": [_plain(e) for e in entries], "bytes": total}
    what = f"{len(entries):,} {'entry' if len(entries) == 1 else 'entries'}, {total / _MIB:.1f} MiB"
    if args.clear:
        data["left"] = [path.name for path in left]
        rest = f"; {len(left):,} stay, as they are being built" if left else ""
        return Report(data, f"{printable(folder, 400)}: {what} removed{rest}")
    rows: list[list[object]] = [
        [printable(e.kind, 40), printable(e.design, 60), _age(e.seconds), f"{e.size / _MIB:.2f} MiB"] for e in entries
    ]
    text = [f"{printable(folder, 400)}: {what}"]
    if rows:
        text.append(table(["kind", "design", "last used", "size"], rows))
    return Report(data, "\n".join(text))


def _plain(entry: Entry) -> dict[str, object]:
    texts = {"name": entry.path.name, "kind": printable(entry.kind), "design": printable(entry.design)}
    return {**texts, "seconds": round(entry.seconds), "bytes": entry.size}


def _age(seconds: float) -> str:
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), _UNITS[-1])
    return f"{seconds / size:.0f} {unit} ago"
