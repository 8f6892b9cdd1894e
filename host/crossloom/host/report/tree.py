"""The hierarchy as a drawing: root, branches, classes, joined by bands as wide as the share of images sent along."""

from __future__ import annotations

from collections.abc import Sequence

from .figures import BranchFigures, ClassFigures, Figures
from .markup import Markup, clip, el, join

COLORS = 8  # the style sheet's classes c0..c7; more branches use them again, and names tell them apart
ROOMY = 40  # up to so many classes, each has a row and a band of its own
MOST = 400  # beyond, only branches are drawn
_COLUMNS = 3
_ROOT, _CARD, _GAP = 116, 174, 68
_LEAVES = 2 * _GAP + _ROOT + _CARD
_HEAD = 26
_LINE = 17
_NAME = 18  # letters of a class name in its row


def share(part: int, whole: int) -> str:
    """Return a share in percent with one decimal."""
    return f"{100 * part / whole:.1f} %"


def rate(accuracy: float | None) -> str:
    """Return an accuracy in percent with one decimal, or a dash where there was nothing to count."""
    return "-" if accuracy is None else f"{100 * accuracy:.1f} %"


def tree(figures: Figures) -> Markup:
    """Return the SVG; for a network without branches the classes hang from the root."""
    drawn = len(figures.classes) if len(figures.classes) <= MOST else 0
    groups: Sequence[BranchFigures | None] = figures.branches or [None]
    leaves_at = _LEAVES if figures.branches else _ROOT + _GAP
    longest = max(len(clip(c.name, _NAME)) for c in figures.classes[:drawn] or figures.classes[:1])
    bars_at = leaves_at + 34 + 8 * max(longest, 4)
    members = [list(group.classes) if group else list(figures.order) for group in groups]
    least = 82 if figures.branches else 0  # a branch's card and some air
    heights = [max(least, _height(len(own) if drawn else 0, drawn)) for own in members]
    total = max(sum(heights) + _HEAD, 100)
    thick = min(150.0, 0.5 * total)  # of the band that all images would make
    root = (total + _HEAD) / 2
    bands, cards, leaves = [], [], []
    count = len(figures.images)
    top = float(_HEAD)
    leaving = root - thick / 2
    for group, own, height in zip(groups, members, heights, strict=True):
        color = f"c{figures.branches.index(group) % COLORS}" if group else "c0"
        middle = top + height / 2
        source, start = _ROOT, leaving
        if group:
            width = thick * group.routed / count
            bands.append(_band(_ROOT, leaving + width / 2, _ROOT + _GAP, middle, width, color))
            cards.append(_branch(group, middle, max(70.0, width + 8), count, color))
            leaving += width
            source, start = _ROOT + _GAP + _CARD, middle - width / 2
        if 0 < drawn <= ROOMY:
            at = middle - len(own) * _pitch(drawn) / 2
            for index in own:
                found = figures.classes[index]
                width, at = thick * found.predicted / count, at + _pitch(drawn)
                y = at - _pitch(drawn) / 2
                bands.append(_band(source, start + width / 2, leaves_at - 8, y, width, color))
                leaves.append(_leaf(found, leaves_at, bars_at, y, count, color))
                start += width
        elif drawn:
            half = _height(len(own), drawn) / 2 - 9
            bands.append(
                el("path", d=f"M{leaves_at - 22} {middle - half:.1f}h-8v{2 * half:.1f}h8", class_=f"brace {color}")
            )
            bands.append(_band(source, middle, leaves_at - 30, middle, 2.0, color))
            leaves += _grid([figures.classes[i] for i in own], leaves_at, middle - half, count, color)
        top += height
    cards.append(_root(figures, root, max(76.0, thick + 8)))
    width = (bars_at + 190 if drawn <= ROOMY else leaves_at + _COLUMNS * 158) if drawn else leaves_at - _GAP
    heading = _heading(leaves_at, bars_at) if 0 < drawn <= ROOMY else Markup("")
    words = f"Tree of {len(figures.branches)} branches and {len(figures.classes)} classes; its figures are in the table"
    return el(
        "svg",
        el("title", words),
        join(bands),
        join(cards),
        heading,
        join(leaves),
        class_="tree",
        viewBox=f"0 0 {width} {total + 6:.0f}",
        width=width,
        role="img",
    )


def _pitch(drawn: int) -> int:
    return 26 if drawn <= 20 else 21


def _height(count: int, drawn: int) -> float:
    """Of a group of so many classes, with the space to the next."""
    if not count:
        return 0
    rows = count if drawn <= ROOMY else -(-count // _COLUMNS)
    return rows * _pitch(drawn) + 14


def _band(x0: float, y0: float, x1: float, y1: float, width: float, color: str) -> Markup:
    middle = (x0 + x1) / 2
    d = f"M{x0} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1} {y1:.1f}"
    # What nobody is sent along stays visible as a hair line.
    return el("path", d=d, class_=f"band {color}", stroke_width=max(width, 0.75))


def _card(x: int, y: float, width: int, height: float, color: str, lines: Sequence[str], title: str) -> Markup:
    first = y - (len(lines) - 1) * _LINE / 2 + 5
    texts = [
        el("text", line, x=x + 14, y=first + i * _LINE, class_="name" if i == 0 else "muted" if i == 2 else None)
        for i, line in enumerate(lines)
    ]
    box = el("rect", x=x, y=y - height / 2, width=width, height=height, rx=7, class_="card")
    edge = el("rect", x=x, y=y - height / 2 + 7, width=3, height=height - 14, class_=f"fill {color}")
    return el("g", el("title", title), box, edge, *texts)


def _root(figures: Figures, y: float, height: float) -> Markup:
    count = len(figures.images)
    lines = ("all images", f"{rate(figures.accuracy)} right", f"{count:,} images")
    return _card(0, y, _ROOT, height, "ink", lines, f"{figures.right:,} of {count:,} test images are answered right")


def _branch(branch: BranchFigures, y: float, height: float, count: int, color: str) -> Markup:
    title = (
        f"{branch.name}: {branch.right:,} of the {branch.images:,} images of its {len(branch.classes)} classes are "
        f"sent here, {branch.routed:,} of all {count:,} images are"
    )
    lines = (
        clip(branch.name, 20),
        f"{rate(branch.accuracy)} routed right",
        f"{share(branch.routed, count)} of images",
    )
    return _card(_ROOT + _GAP, y, _CARD, height, color, lines, title)


def _title(found: ClassFigures, count: int) -> Markup:
    return el(
        "title",
        f"{found.name}: {found.right:,} of its {found.images:,} images are answered right; "
        f"{found.predicted:,} of all {count:,} images are taken for it",
    )


def _heading(x: int, bars_at: int) -> Markup:
    texts = (
        el("text", "class", x=x + 8, y=14, class_="small"),
        el("text", "answered right", x=bars_at, y=14, class_="small"),
        el("text", "of images", x=bars_at + 188, y=14, class_="small end"),
    )
    return join(texts)


def _leaf(found: ClassFigures, x: int, bars_at: int, y: float, count: int, color: str) -> Markup:
    full = 64 * (found.accuracy or 0.0)
    return el(
        "g",
        _title(found, count),
        el("circle", cx=x - 4, cy=y, r=4, class_=f"fill {color}"),
        el("text", clip(found.name, _NAME), x=x + 8, y=y + 5, class_="name"),
        el("rect", x=bars_at, y=y - 4, width=64, height=8, rx=4, class_="track"),
        el("rect", x=bars_at, y=y - 4, width=full, height=8, rx=4, class_=f"fill {color}"),
        el("text", rate(found.accuracy), x=bars_at + 128, y=y + 5, class_="end"),
        el("text", share(found.predicted, count), x=bars_at + 188, y=y + 5, class_="muted end"),
    )


def _grid(found: Sequence[ClassFigures], x: int, top: float, count: int, color: str) -> list[Markup]:
    """Many classes: name and accuracy in columns, a short bar under each."""
    rows, cells = -(-len(found) // _COLUMNS), []
    for i, one in enumerate(found):
        left, y = x - 8 + 158 * (i // rows), top + 11 + _pitch(MOST) * (i % rows)
        cells.append(
            el(
                "g",
                _title(one, count),
                el("text", clip(one.name, 14), x=left, y=y, class_="small ink"),
                el("text", rate(one.accuracy), x=left + 142, y=y, class_="small end"),
                el("rect", x=left, y=y + 4, width=142, height=2, class_="track"),
                el("rect", x=left, y=y + 4, width=142 * (one.accuracy or 0.0), height=2, class_=f"fill {color}"),
            )
        )
    return cells
