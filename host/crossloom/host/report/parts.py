"""What sections of a page share: the section itself, its legend, and a box that scrolls."""

from __future__ import annotations

from collections.abc import Iterable

from .markup import Markup, el

PARTS = ("c7", "c5", "c0")  # colours of trunk, coarse head and branch


def section(title: str, words: object, *body: object) -> Markup:
    """A heading, a sentence that says how to read what follows, and that."""
    return el("section", el("h2", title), el("p", words, class_="caption"), *body)


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """What each colour stands for."""
    return el("p", *(el("span", el("i", class_=f"fill {color}"), words) for color, words in entries), class_="key")


def wide(content: Markup) -> Markup:
    """What may be wider than the page scrolls in a box of its own, by keyboard too."""
    return el("div", content, class_="wide", tabindex=0)
