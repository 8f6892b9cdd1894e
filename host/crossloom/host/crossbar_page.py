"""The page of `crossloom crossbar`: accuracy under wire resistance, and why, for a reader who must choose a method."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import numpy as np

from crossloom.sim import Artifact
from crossloom.sim.crossbar import ArraySpec, Physics, Point, Study, overhead
from crossloom.sim.crossbar.analysis import BIN, BINS
from crossloom.sim.types import AnyArray

from .report.document import document
from .report.markup import Markup, clip, el, join
from .report.png import encode_png
from .tables import percent

_COLORS = 8
_DASHES = (None, "7 4", "2 4")
_WIDTH, _HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 14, 46
_EXTRA = (
    "svg .line { fill: none; stroke-width: 2; } svg .whisker { stroke-width: 1; stroke-opacity: .5; fill: none; } "
    "svg .grid { stroke: var(--line); } "
    + " ".join(f"svg .k{i} {{ stroke: var(--c{i}); }} svg .f{i} {{ fill: var(--c{i}); }}" for i in range(_COLORS))
    + " .maps { display: flex; flex-wrap: wrap; gap: 24px; margin: 16px 0; } .maps figure { margin: 0; } "
    ".maps img { width: 288px; max-width: 100%; image-rendering: pixelated; display: block; } "
    ".maps figcaption { font-size: 14.5px; margin-top: 6px; } .ramp { height: 12px; width: 288px; max-width: 100%; }"
)
# Dark blue, teal, yellow: ordered by lightness, so that it also reads in grey.
_RAMP = np.array([[22, 34, 74], [31, 111, 150], [88, 178, 132], [250, 222, 90]], dtype=np.float64)


def page(artifact: Artifact, study: Study, base: ArraySpec, physics: Physics, command: str) -> str:
    """Return the whole HTML page, the same text for the same study; `command` is how to make it again."""
    name = artifact.network.name
    sections = [_accuracy(study), _readout(study, base)]
    if study.maps:
        sections.append(_maps(study, physics))
    sections += [_errors(study), _costs(base)]
    body = el(
        "div",
        _header(name, study, base, physics),
        el("main", *sections),
        _footer(artifact, study, physics, command),
        class_="page",
    )
    return document(f"{name}: on resistive arrays", body, _EXTRA)


def shown(point: Point) -> str:
    """Accuracy and its interval, in per cent."""
    low, high = point.interval
    return f"{100 * point.accuracy:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def _header(name: str, study: Study, base: ArraySpec, physics: Physics) -> Markup:
    found = study.sweep
    at = found.rho.index(study.rho)
    ranked = sorted(found.points.items(), key=lambda item: -item[1][at].right)
    best, first = ranked[0], next(iter(found.points.items()))
    adc = "lossless" if base.adc_bits is None else f"{base.adc_bits} bits"
    tiles = [
        (percent(found.ideal), "exact arithmetic", f"{found.images:,} images"),
        (
            percent(first[1][at].accuracy),
            clip(first[0], 40),
            f"at rho {study.rho:g}, {found.seeds} seed{'s' if found.seeds > 1 else ''}",
        ),
        (percent(best[1][at].accuracy), clip(best[0], 40), f"the best method at rho {study.rho:g}"),
        (f"{found.arrays:,}", "arrays", f"{base.rows} x {base.columns} cells, bits a cell: {base.cell_bits}"),
        (physics.device.name, "cells", f"{physics.device.mode} mode; every parameter an assumption unless sourced"),
        (adc, "converters", "one conversion a column, bit of the input, and part of the rows"),
    ]
    shown = (
        el("div", el("b", value), el("span", what, class_="what"), el("span", origin), class_="tile")
        for value, what, origin in tiles
    )
    return el(
        "header",
        el("p", "Crossloom crossbar", class_="brand"),
        el("h1", name),
        el("p", "Every Dense and Conv2d layer on resistive arrays, everything else in exact integers.", class_="muted"),
        el("div", *shown, class_="tiles"),
    )


def _accuracy(study: Study) -> Markup:
    found = study.sweep
    series = [(m, [p.accuracy for p in points], [p.interval for p in points]) for m, points in found.points.items()]
    words = (
        "rho is the wire resistance of one cell times the conductance of a cell that is on. Whiskers are intervals of "
        "95 % after Wilson over images times seeds; seeds share their images."
    )
    labels = [f"{value:g}" for value in found.rho]
    rows = [[clip(method, 60), *map(shown, points)] for method, points in found.points.items()]
    table = el("details", el("summary", "As a table, in per cent"), _table(["method", *labels], rows))
    places = _places(found.rho)
    return _section("Accuracy against wire resistance", words, _lines(series, places, labels, "rho"), table)


def _readout(study: Study, base: ArraySpec) -> Markup:
    bits = [str(b) for b in range(3, 3 + len(next(iter(study.bits.values()))))]
    sizes = [str(size) for size in study.sizes]
    words = (
        f"At rho {study.rho:g}, one seed. Smaller arrays have shorter wires and need more converters. Ranges span all "
        'active rows in steps of at least one count, unless the method "range" calibrates them.'
    )
    parts = [
        el("h3", f"Converter bits, arrays of {base.rows} x {base.columns}"),
        _lines([(m, list(v), None) for m, v in study.bits.items()], _even(len(bits)), bits, "bits"),
        el("h3", "Array size, rows and columns"),
        _lines([(m, list(v), None) for m, v in study.by_size.items()], _even(len(sizes)), sizes, "size"),
    ]
    return _section("Converters and array size", words, *parts)


def _maps(study: Study, physics: Physics) -> Markup:
    top = max(float(lost.max()) for lost in study.maps.values())
    figures = []
    for order, lost in study.maps.items():
        uri = _uri(lost / max(top, 1e-300))
        text = f"{order}: mean {100 * float(lost.mean()):.1f} %, worst cell {100 * float(lost.max()):.1f} %"
        picture = el("img", src=uri, alt=f"Share of the read voltage lost at each cell, order {order}")
        figures.append(el("figure", picture, el("figcaption", text)))
    driven = " that drive the cell's row, its driver at the left" if physics.device.mode == "voltage" else ""
    ramp = _uri(np.linspace(0, 1, 128)[None])
    words = (
        f"The share of the read voltage that is lost at each cell of an array of {study.tile} at rho {study.rho:g}, "
        f"all rows read together, mean over calibration inputs{driven}. The sense end is at the bottom. An order "
        "moves current to where the way is short."
    )
    scale = el("p", el("img", src=ramp, alt="", class_="ramp"), f" 0 to {100 * top:.1f} % lost", class_="caption")
    return _section("Where the voltage goes", words, el("div", *figures, class_="maps"), scale)


def _errors(study: Study) -> Markup:
    top = max(float(shares.max()) for shares in study.errors.values())
    series = [(method, [float(s) / top for s in shares], None) for method, shares in study.errors.items()]
    places = _even(2 * BINS + 1)
    labels = [f"{(i - BINS) * BIN:+.1f}" if (i - BINS) % 4 == 0 else "" for i in range(2 * BINS + 1)]
    words = (
        f"Error of single accumulators at rho {study.rho:g}, each layer fed with exact inputs, in standard deviations "
        "of the layer's accumulators; the outermost bins hold all that lies beyond."
    )
    rows = [[clip(method, 60), f"{value:.4f}"] for method, value in study.rms.items()]
    table = _table(["method", "root mean square"], rows)
    chart = _lines(series, places, labels, "error", scale=None)
    return _section("Errors", words, chart, table)


def _costs(base: ArraySpec) -> Markup:
    rows = [
        [str(adcs), way.way, *(f"+{100 * value:.2f} %" for value in (way.area, way.latency, way.energy))]
        for adcs in (1, 16, base.columns)
        for way in overhead(base, 4, adcs)
    ]
    words = (
        "Undoing a row order means an input permutation in front of each tile: a Benes network, or a table of places "
        "where inputs arrive one by one. Estimated from assumed areas, times and energies of 7 nm, which the code "
        "lists; for comparison, the SWANN paper states about 16 % area, 1 % latency and under 1 % energy with one "
        "converter an array."
    )
    return _section("What an order costs", words, _table(["converters", "way", "area", "latency", "energy"], rows))


def _footer(artifact: Artifact, study: Study, physics: Physics, command: str) -> Markup:
    found, random = study.sweep, [n for n, on in (("variation", physics.variation), ("noise", physics.noise)) if on]
    facts: list[tuple[str, object]] = [
        ("artifact", el("code", f"sha256 {artifact.sha256}")),
        ("make again", el("code", command)),
        ("origin", "simulated: exact ladders of every column in gate mode, exact transfer matrices in voltage mode"),
        ("calibration", f"{found.calibrated} images, no labels, apart from the {found.images:,} that are counted"),
        ("random", " and ".join(random) or "nothing"),
    ]
    listed = join(join((el("dt", name), el("dd", value))) for name, value in facts)
    return el("footer", el("h2", "Where the figures come from"), el("dl", listed))


def _section(title: str, words: str, *body: object) -> Markup:
    return el("section", el("h2", title), el("p", words), *body)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = el("tr", *(el("th", name, class_="num" if i else None) for i, name in enumerate(header)))
    body = (el("tr", *(el("td", cell, class_="num" if i else None) for i, cell in enumerate(row))) for row in rows)
    return el("div", el("table", el("thead", head), el("tbody", *body)), class_="wide")


def _even(count: int) -> list[float]:
    return [(i + 0.5) / count for i in range(count)]


def _places(values: Sequence[float]) -> list[float]:
    """Positions 0..1 on a logarithmic axis; evenly where a value is 0 or all are equal."""
    if min(values) <= 0 or min(values) == max(values):
        return _even(len(values))
    logs = [math.log(value) for value in values]
    return [0.03 + 0.94 * (log - min(logs)) / (max(logs) - min(logs)) for log in logs]


def _lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[tuple[float, float]] | None]],
    places: Sequence[float],
    labels: Sequence[str],
    axis: str,
    scale: str | None = "%",
) -> Markup:
    """A line for each (name, values 0..1, intervals); `places` 0..1 along the axis, in any order."""

    def x(place: float) -> float:
        return _LEFT + place * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value * (_HEIGHT - _TOP - _BOTTOM)

    parts: list[Markup] = []
    for tick in range(0, 101, 20):
        parts.append(el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(tick / 100), y2=y(tick / 100), class_="grid"))
        if scale:
            label = f"{tick} {scale}"
            parts.append(el("text", label, x=_LEFT - 8, y=y(tick / 100) + 4, class_="small end"))
    for place, label in zip(places, labels, strict=True):
        parts.append(el("text", label, x=x(place), y=float(_HEIGHT - _BOTTOM + 20), class_="small middle"))
    parts.append(el("text", axis, x=float(_WIDTH - _RIGHT), y=float(_HEIGHT - 6), class_="small end"))
    order = sorted(range(len(places)), key=lambda i: places[i])
    for number, (_, values, intervals) in enumerate(series):
        color, dash = f"k{number % _COLORS}", _DASHES[number // _COLORS % len(_DASHES)]
        points = " ".join(f"{x(places[i]):.1f},{y(values[i]):.1f}" for i in order)
        parts.append(el("polyline", points=points, class_=f"line {color}", stroke_dasharray=dash))
        for i in order if intervals is not None else ():
            assert intervals is not None
            low, high = intervals[i]
            parts.append(el("line", x1=x(places[i]), x2=x(places[i]), y1=y(low), y2=y(high), class_=f"whisker {color}"))
            parts.append(el("circle", cx=x(places[i]), cy=y(values[i]), r=2.5, class_=f"f{number % _COLORS}"))
    key = el(
        "p",
        *(
            el("span", el("i", class_=f"fill c{n % _COLORS}"), clip(name, 60) + (" (dashed)" if n >= _COLORS else ""))
            for n, (name, _, _) in enumerate(series)
        ),
        class_="key",
    )
    drawing = el("svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=_WIDTH, height=_HEIGHT, role="img")
    return join((key, el("div", drawing, class_="wide")))


def _uri(shares: AnyArray) -> str:
    """Return a data: URI of the picture of shares 0..1, (H, W)."""
    at = np.clip(shares, 0, 1) * (len(_RAMP) - 1)
    low = np.minimum(at.astype(np.intp), len(_RAMP) - 2)
    part = (at - low)[..., None]
    pixels = np.rint(_RAMP[low] * (1 - part) + _RAMP[low + 1] * part).astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")
