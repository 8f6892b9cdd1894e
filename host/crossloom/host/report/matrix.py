"""The confusion matrix as a drawing: true rows, predicted columns, ordered and boxed by the hierarchy."""

from __future__ import annotations

import math

from .figures import Figures
from .markup import Markup, clip, el, join
from .tree import COLORS

NUMBERED = 20  # up to so many classes, cells carry their counts
MOST = 400  # beyond, a cell would be finer than a pixel
STEPS = 8  # of shade, the style sheet's s1..s8
_SIDE = 640


def matrix(figures: Figures) -> Markup | None:
    """Return the SVG, or None where there are too many classes to draw."""
    count = len(figures.classes)
    if count > MOST:
        return None
    cell = min(38.0, max(_SIDE / count, 1.6))
    side = cell * count
    every = max(1, math.ceil(12 / cell))  # labels that do not touch
    names = [clip(figures.classes[i].name, 14) for i in figures.order]
    longest = 7.2 * max(len(name) for name in names[::every])
    upright = longest < cell - 4
    left, top = 12 + longest, 36 if upright else 30 + longest
    right = 24 + 7.6 * max(len(clip(b.name, 18)) for b in figures.branches) if figures.branches else 2
    parts = [
        el("text", "true ↓  predicted →", x=0, y=12, class_="small"),
        el("rect", x=left, y=top, width=side, height=side, class_="sheet"),
        _cells(figures, left, top, cell),
        *_labels(names, every, left, top, cell, upright),
        *_boxes(figures, left, top, cell),
    ]
    width, height = max(left + side + right, 130.0), top + side + 4
    title = el("title", f"Confusion matrix of {count} classes over {len(figures.images):,} images")
    view = f"0 0 {width:.0f} {height:.0f}"
    return el("svg", title, *parts, class_="matrix", viewBox=view, width=round(width), role="img")


def _cells(figures: Figures, left: float, top: float, cell: float) -> Markup:
    """Cells that are not empty: one path for each kind and shade, and counts where they can be read."""
    at = {index: place for place, index in enumerate(figures.order)}
    numbered = len(figures.classes) <= NUMBERED
    paths: dict[tuple[str, int], str] = {}
    numbers = []
    gap = 1 if cell > 8 else 0
    for label, predicted, images in figures.confusion:
        true = figures.classes[label]
        same = true.branch is not None and true.branch == figures.classes[predicted].branch
        kind = "right" if label == predicted else "near" if same else "far"
        # The square root keeps a single error among many images in sight.
        step = max(1, math.ceil(STEPS * math.sqrt(images / true.images)))
        x, y = left + at[predicted] * cell, top + at[label] * cell
        path = f"M{x + gap / 2:.1f} {y + gap / 2:.1f}h{cell - gap:.1f}v{cell - gap:.1f}h-{cell - gap:.1f}z"
        paths[kind, step] = paths.get((kind, step), "") + path
        if numbered:
            words = f"true {true.name}, predicted {figures.classes[predicted].name}: {images:,} of {true.images:,}"
            dark = " strong" if step > STEPS * 0.6 else ""
            size = None if images < 1000 else 10
            numbers.append(
                el(
                    "text",
                    el("title", words),
                    f"{images}",
                    x=x + cell / 2,
                    y=y + cell / 2 + 4.5,
                    class_=f"count{dark}",
                    font_size=size,
                )
            )
    shapes = [el("path", d=d, class_=f"{kind} s{step}") for (kind, step), d in sorted(paths.items())]
    return join((*shapes, *numbers))


def _labels(names: list[str], every: int, left: float, top: float, cell: float, upright: bool) -> list[Markup]:
    found = []
    for place in range(0, len(names), every):
        middle = (place + 0.5) * cell
        found.append(el("text", names[place], x=left - 8, y=top + middle + 4, class_="small ink end"))
        if upright:
            found.append(el("text", names[place], x=left + middle, y=top - 7, class_="small ink middle"))
        else:
            turned = f"translate({left + middle + 4:.1f} {top - 8:.1f}) rotate(-90)"
            found.append(el("text", names[place], transform=turned, class_="small ink"))
    return found


def _boxes(figures: Figures, left: float, top: float, cell: float) -> list[Markup]:
    """A box around each branch, and its name on the right where it does not touch the one above."""
    found, start, last = [], 0.0, -99.0
    for index, branch in enumerate(figures.branches):
        side = cell * len(branch.classes)
        found.append(el("rect", x=left + start, y=top + start, width=side, height=side, class_="box"))
        middle = start + side / 2
        x, color, long = left + cell * len(figures.order) + 8, f"fill c{index % COLORS}", max(side - 4, 1.0)
        found.append(el("rect", x=x, y=top + start + (side - long) / 2, width=4, height=long, class_=color))
        if middle - last >= 13:
            last = middle
            found.append(el("text", clip(branch.name, 18), x=x + 10, y=top + middle + 4, class_="small ink"))
        start += side
    return found
