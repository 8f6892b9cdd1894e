"""HTML and SVG elements that escape whatever is not markup already; names in artifacts are untrusted."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

_VOID = frozenset({"img", "meta"})


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Escape for content and attributes; what cannot be printed (controls, direction marks) becomes U+FFFD.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    if isinstance(value, Markup):
        return value
    return Markup(html.escape("".join(c if c.isprintable() else "\ufffd" for c in str(value))))


def join(parts: Iterable[object]) -> Markup:
    """Parts one after another, each escaped unless it is markup."""
    return Markup("".join(map(text, parts)))


def el(name: str, *children: object, **attributes: object) -> Markup:
    """Return one element; an attribute's "_" stands for "-" (none at the end), None leaves it out.

    >>> el("p", "1 < 2", class_="small")
    '<p class="small">1 &lt; 2</p>'
    """
    opening = name
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            opening += f' {key.rstrip("_").replace("_", "-")}="{text(shown)}"'
    return Markup(f"<{opening}>" if name in _VOID else f"<{opening}>{join(children)}</{name}>")


def clip(value: object, columns: int) -> str:
    """Cut to a width in Latin letters, East Asian wide characters counting two.

    >>> clip("crocodile", 6), clip("crocodile", 9)
    ('croco…', 'crocodile')
    """
    used, kept = 0, ""
    for c in str(value):
        used += 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if used > columns:
            return kept[:-1] + "…"
        kept += c
    return kept
