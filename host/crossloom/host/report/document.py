"""The HTML document around a page's body: one file that fetches nothing and runs nothing."""

from __future__ import annotations

from .markup import Markup, el
from .style import STYLE

# The first bytes of every page, by which the commands know what they may overwrite.
MARKER = "<!doctype html>\n<!-- crossloom report -->\n"
# What a page promises, enforced by the browser.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, body: Markup, style: str = "") -> str:
    """Return the whole page; `style` is CSS of its own, after that of all pages."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("title", title),
        el("style", Markup(STYLE + style)),
    )
    return MARKER + el("html", head, el("body", body), lang="en") + "\n"
