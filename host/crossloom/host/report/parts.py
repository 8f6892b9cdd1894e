"""What sections of a page share: the section itself, its legend, and a box that scrolls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

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


def meter(segments: Iterable[tuple[float, str]]) -> Markup:
    """A line of segments, each a fraction of the whole and a class."""
    parts = (el("i", class_=color, style=f"width:{100 * width:.2f}%") for width, color in segments if width > 0)
    return el("div", *parts, class_="meter")


def bar(label: str, segments: Sequence[tuple[float, str]], value: str, small: str) -> Markup:
    """A row of a bar chart, in an element of class "bars"."""
    figures = el("span", value, el("small", small) if small else "", class_="value")
    return el("div", el("span", label, class_="label"), meter(segments), figures)


def head(header: Sequence[str], numbers: Collection[int]) -> Markup:
    """The head of a table."""
    return el(
        "thead", el("tr", *(el("th", name, class_="num" if i in numbers else None) for i, name in enumerate(header)))
    )


def row_cells(row: Sequence[object], numbers: Collection[int]) -> list[Markup]:
    """The cells of a row; those of the columns `numbers` line up on the right."""
    return [el("td", cell, class_="num" if i in numbers else None) for i, cell in enumerate(row)]


def data_table(header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Collection[int]) -> Markup:
    """A table; `numbers` are the columns that line up on the right."""
    body = el("tbody", *(el("tr", *row_cells(row, numbers)) for row in rows))
    return wide(el("table", head(header, numbers), body))
