"""Charts as small drawings: lines over steps, points, histograms; axes with their units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .markup import Markup, el, join

WIDTH, HEIGHT = 312, 205
MOST = 256  # points of a line; of more, every k-th and the last
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 18, 12, 40


@dataclass(frozen=True)
class Axis:
    """What an axis says, where it starts and ends; `whole`: its ticks are integers."""

    words: str
    low: float
    high: float
    whole: bool = False

    def at(self, value: float) -> float:
        """The place of a value, 0..1."""
        return (value - self.low) / ((self.high - self.low) or 1.0)

    def ticks(self, most: int) -> list[float]:
        """Round values within the axis, at most about so many."""
        span = (self.high - self.low) or 1.0
        step = 10.0 ** math.floor(math.log10(span / most))
        step = next(step * k for k in (1, 2, 5, 10, 20) if span / (step * k) <= most)
        step = max(step, 1.0) if self.whole else step
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Line:
    """Points (x, y) joined by a line of a colour of the style sheet, with dots on them where they are few."""

    points: Sequence[tuple[float, float]]
    color: str
    words: str = ""
    faint: bool = False


def axis_of(words: str, values: Sequence[float], *, whole: bool = False, zero: bool = False) -> Axis:
    """An axis over values with some air, from 0 where `zero`."""
    low, high = min(values), max(values)
    air = 0.06 * ((high - low) or abs(high) or 1.0)
    return Axis(words, 0.0 if zero else low - air, high + air, whole)


def label(value: float) -> str:
    """A tick's text, short.

    >>> label(1500.0), label(0.25), label(2500000.0), label(140000.0), label(-3.0)
    ('1,500', '0.25', '2.5 M', '140 k', '-3')
    """
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (unit == "M" and abs(value) >= size):
            return f"{value / size:g} {unit}"
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}"


class _Frame:
    def __init__(self, x: Axis, y: Axis, width: int, height: int) -> None:
        self.x, self.y = x, y
        self.width, self.height = width, height

    def px(self, value: float) -> float:
        return _LEFT + self.x.at(value) * (self.width - _LEFT - _RIGHT)

    def py(self, value: float) -> float:
        return self.height - _BOTTOM - self.y.at(value) * (self.height - _TOP - _BOTTOM)

    def drawn(self, title: str, *parts: object) -> Markup:
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        grid, texts = "", []
        for value in self.y.ticks(5):
            grid += f"M{_LEFT} {self.py(value):.1f}H{right}"
            texts.append(el("text", label(value), x=_LEFT - 6, y=self.py(value) + 4, class_="small end"))
        for value in self.x.ticks(6):
            texts.append(el("text", label(value), x=self.px(value), y=bottom + 15, class_="small middle"))
        middle, turned = (_LEFT + right) / 2, f"translate(12 {(_TOP + bottom) / 2:.0f}) rotate(-90)"
        return el(
            "svg",
            el("title", title),
            el("path", d=grid, class_="grid"),
            *parts,
            el("path", d=f"M{_LEFT} {bottom}H{right}", class_="axis"),
            *texts,
            el("text", self.x.words, x=middle, y=self.height - 6, class_="small ink middle"),
            el("text", self.y.words, transform=turned, class_="small ink middle"),
            class_="chart",
            viewBox=f"0 0 {self.width} {self.height}",
            width=self.width,
            role="img",
        )


def lines(
    title: str,
    series: Sequence[Line],
    x: Axis,
    y: Axis,
    rules: Sequence[float] = (),
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Markup:
    """Lines over each other, the last on top; `rules` are dashed levels."""
    frame, parts = _Frame(x, y, width, height), []
    for value in rules:
        parts.append(el("path", d=f"M{_LEFT} {frame.py(value):.1f}H{width - _RIGHT}", class_="rule"))
    for line in series:
        every = -(-len(line.points) // MOST)
        kept = [*line.points[:-1:every], *line.points[-1:]]
        places = [(frame.px(a), frame.py(b)) for a, b in kept]
        d = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        weight = "line faint" if line.faint else "line"
        parts.append(el("path", el("title", line.words) if line.words else "", d=d, class_=f"{weight} {line.color}"))
        if len(places) <= 32 and not line.faint:
            dots = "".join(f"M{a - 2.5:.1f} {b:.1f}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0" for a, b in places)
            parts.append(el("path", d=dots, class_=f"fill {line.color}"))
    return frame.drawn(title, join(parts))


def points(title: str, places: Sequence[tuple[float, float]], x: Axis, y: Axis, color: str = "c0") -> Markup:
    """A point each, those on each other darker."""
    frame = _Frame(x, y, WIDTH, HEIGHT)
    d = "".join(f"M{frame.px(a) - 1.5:.1f} {frame.py(b) - 1.5:.1f}h3v3h-3z" for a, b in places)
    return frame.drawn(title, el("path", d=d, class_=f"fill {color} points"))


def histogram(title: str, counts: Sequence[int], x: Axis, y_words: str, mean: float | None = None) -> Markup:
    """Bars of equal bins over an axis, and where the mean is."""
    frame = _Frame(x, Axis(y_words, 0.0, 1.15 * max(max(counts), 1), whole=True), WIDTH, HEIGHT)
    base, wide = frame.py(0.0), (frame.px(x.high) - frame.px(x.low)) / len(counts)
    d = ""
    for index, count in enumerate(counts):
        if count:
            left, top = frame.px(x.low) + index * wide, frame.py(count)
            d += f"M{left + 0.5:.1f} {base:.1f}V{top:.1f}h{wide - 1:.1f}V{base:.1f}z"
    parts = [el("path", d=d, class_="fill c0")]
    if mean is not None:
        at = frame.px(mean)
        side = " end" if x.at(mean) > 0.6 else ""
        parts.append(el("path", d=f"M{at:.1f} {base:.1f}V{_TOP}", class_="rule"))
        where = at - 4 if side else at + 4
        parts.append(el("text", f"mean {mean:,.0f}", x=where, y=_TOP + 10, class_=f"small{side}"))
    return frame.drawn(title, *parts)


def bars(title: str, counts: Sequence[int], color: str = "c0") -> Markup:
    """A histogram as small as a word; the square root of the counts keeps few beside many in sight."""
    most, wide = math.sqrt(max(max(counts), 1)), 6
    d = "".join(
        f"M{index * wide} 28v{-max(24 * math.sqrt(count) / most, 1.0):.1f}h{wide - 1}V28z"
        for index, count in enumerate(counts)
        if count
    )
    width = wide * len(counts)
    shapes = (el("path", d=d, class_=f"fill {color}"), el("path", d=f"M0 28.5H{width}", class_="axis"))
    return el("svg", el("title", title), *shapes, viewBox=f"0 0 {width} 30", width=width, role="img")
