"""The sections of a network with time: when it has decided, how active it is, what it does for that, and the energy."""

from __future__ import annotations

import numpy as np

from ..energy import ADD, MEMORY, MULTIPLY, PER_NEURON, SOURCE, WORD, Energy, shown
from ..tables import percent
from .figures import Figures
from .markup import Markup, el
from .parts import bar, data_table, legend, section
from .plots import Axis, Line, axis_of, bars, histogram, lines, points
from .spike_samples import samples
from .spikes import ADDERS, BINS, SATURATED, SpikeFigures

POINTS = 1000  # images in a scatter
_TABLE = 16  # steps up to which accuracies are listed


def spike_sections(figures: Figures) -> list[Markup]:
    """Every section that a network with time has besides; none for others."""
    time = figures.spikes
    if time is None:
        return []
    return [
        samples(figures),
        _stopping(time, len(figures.images)),
        _activity(time),
        _work(figures, time),
        _energy(time),
    ]


def _stopping(time: SpikeFigures, images: int) -> Markup:
    title = "When the answer is settled"
    if not time.right:
        words = "Not shown: a network of one step, with branches, or with time after its end gives no earlier answers."
        return section(title, words)
    words = (
        f"If the network stopped after fewer steps: the fraction of the {images:,} test images answered right, and of "
        "those whose answer doesn't change any more, measured by the integer simulator."
    )
    steps = range(1, len(time.right) + 1)
    right = [100 * v for v in time.right]
    settled = [100 * v for v in time.settled]
    series = [
        Line(list(zip(steps, settled, strict=True)), "c7", "settled"),
        Line(list(zip(steps, right, strict=True)), "c0", "answered right"),
    ]
    y = axis_of("of the test images in %", [*right, *settled, 100.0])
    across = Axis("stopped after step", 0.75, len(right) + 0.25, whole=True)
    drawn = lines("Accuracy against steps", series, across, Axis(y.words, y.low, 100.0), width=440, height=250)
    every = -(-len(right) // _TABLE)
    listed = [t for t in steps if t % every == 0 or t == len(right)]
    rows = [[f"{t:,}", percent(time.right[t - 1]), percent(time.settled[t - 1])] for t in listed]
    table = el("div", data_table(["after step", "answered right", "settled"], rows, {0, 1, 2}))
    key = legend([("c0", "answered right"), ("c7", "settled: the answer after all steps, from here on")])
    return section(title, words, key, el("div", el("figure", drawn), table, class_="figures"))


def _activity(time: SpikeFigures) -> Markup:
    words = (
        "Spikes of each layer of neurons over all test images, simulated. A rate is a neuron's spikes a step. Silent "
        f"neurons never spike, saturated ones at {100 * SATURATED:.0f} % of all steps or more. Bars: neurons by rate, "
        f"{BINS} equal bins from 0 at the left to 1 at the right, square roots of their numbers."
    )
    if not time.layers:
        return section("Activity", "No layer of neurons of this network spikes; they only integrate.")
    rows: list[list[object]] = []
    for one in time.layers:
        told = f"{one.name}: {one.neurons:,} neurons by spikes a step"
        rows.append(
            [
                one.name,
                f"{one.neurons:,}",
                f"{one.per_image:,.1f}",
                f"{one.rate:.4f}",
                percent(one.silent),
                percent(one.saturated),
                bars(told, one.histogram),
            ]
        )
    header = ["layer", "neurons", "spikes an image", "spikes a neuron and step", "silent", "saturated", "rates 0 to 1"]
    spikes = time.spikes
    drawn = histogram(
        "Spikes an image",
        *_bins("spikes an image, all layers", spikes),
        y_words="test images",
        mean=float(spikes.mean()),
    )
    return section("Activity", words, data_table(header, rows, set(range(1, 6))), el("div", drawn, class_="figures"))


def _bins(words: str, values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[list[int], Axis]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(values, 24, (low, high))
    return counts.tolist(), Axis(words, low, high)


def _work(figures: Figures, time: SpikeFigures) -> Markup:
    adds = sum(one.operations for one in time.work if one.adds)
    products = float(sum(one.macs for one in time.work if not one.adds))
    once, every = sum(one.once for one in time.work), sum(one.once for one in time.work) * time.steps
    most = max(adds + products, float(every), 1.0)
    parts = [(adds / most, "fill c0"), (products / most, "fill c1")]
    rows = [
        bar("this network", parts, f"{adds + products:,.0f}", f"{_share(adds + products, once)} of the CNN, simulated"),
        bar("CNN of the same shapes", [(once / most, "fill c7")], f"{once:,}", "counted"),
        bar(
            f"the same at {time.steps:,} steps",
            [(every / most, "fill c7")],
            f"{every:,}",
            "counted",
        ),
    ]
    words = (
        "A synaptic operation is an addition that a spike causes: one for each output that reads it. Layers that read "
        "other codes than spikes, as the first one of a direct-coded image, multiply, and count in full, once where "
        "they see the same at every step. The CNN of the same shapes multiplies everywhere, at one step."
    )
    key = legend([("c0", "synaptic operations (additions)"), ("c1", "multiply-accumulates"), ("c7", "those of a CNN")])
    table = data_table(
        ["layer", "reads", "CNN, one step", "all steps", "done here", "of all steps"],
        [
            [
                one.name,
                "spikes" if one.adds else "codes",
                f"{one.once:,}",
                f"{one.macs:,}",
                f"{one.operations if one.adds else one.macs:,.0f}",
                _share(one.operations if one.adds else one.macs, one.macs),
            ]
            for one in time.work
        ],
        {2, 3, 4, 5},
    )
    spread = histogram(
        "Synaptic operations an image",
        *_bins("products with codes other than 0 an image", time.operations),
        y_words="test images",
        mean=float(time.operations.mean()),
    )
    return section(
        "Work of an image",
        words,
        key,
        el("div", *rows, class_="bars"),
        table,
        el(
            "div", el("figure", el("figcaption", "How it spreads (simulated)"), spread), _cycles(time), class_="figures"
        ),
    )


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _cycles(time: SpikeFigures) -> Markup:
    chosen = np.unique(np.linspace(0, len(time.spikes) - 1, POINTS).round().astype(np.int64))
    places = [(float(a), float(b)) for a, b in zip(time.spikes[chosen], time.cycles[chosen], strict=True)]
    drawn = points(
        "Cycles against spikes",
        places,
        axis_of("spikes an image (simulated)", [a for a, _ in places]),
        axis_of("cycles an image (estimated)", [b for _, b in places]),
    )
    words = f"Cycles at least, against spikes (estimated): {ADDERS} operations a cycle, no stall, no overhead"
    if len(chosen) < len(time.spikes):
        words += f"; {len(chosen):,} of {len(time.spikes):,} images"
    return el("figure", el("figcaption", words), drawn)


def _energy(time: SpikeFigures) -> Markup:
    found = time.energy
    most = max(found.spiking.total, found.cnn.total, 1e-9)
    rows = [_energy_bar("this network", found.spiking, most), _energy_bar("CNN of the same shapes", found.cnn, most)]
    words = (
        "An estimate for an image, from published figures of single operations; nothing here is measured, and no such "
        "chip exists. Every operation reads its weight from memory; a machine that keeps weights in registers reads "
        f"fewer. A neuron takes {PER_NEURON} additions, a read and a write of its membrane at every step. The CNN's "
        "codes are as wide as its weights. Moving codes, control, clock and leakage are left out on both sides."
    )
    told = f"Memory takes {100 * found.spiking.memory:.0f} % of the spiking network's estimate, "
    told += f"{100 * found.cnn.memory:.0f} % of the CNN's" + (
        ": accesses decide, not additions." if found.spiking.memory > 0.5 else "."
    )
    key = legend([("c0", "additions and products"), ("c1", "reads of weights"), ("c2", "membranes, read and written")])
    figures = [
        *([f"addition of {bits} bits", f"{pj} pJ", "in proportion to the bits"] for bits, pj in ADD.items()),
        *(
            [f"product of {bits} x {bits} bits", f"{pj} pJ", "to the product of the bits, from 8 x 8"]
            for bits, pj in MULTIPLY.items()
        ),
        *(
            [
                f"{WORD} bits of a memory of {size >> 13:,} KiB",
                f"{pj:g} pJ",
                "to the bits; the least memory that holds it",
            ]
            for size, pj in MEMORY.items()
        ),
    ]
    table = data_table(["published", "energy", "scaled"], figures, {1})
    listed = el("details", el("summary", f"The figures, from {SOURCE}"), table)
    return section("Energy, estimated", words, key, el("div", *rows, class_="bars"), el("p", told), listed)


def _energy_bar(label: str, one: Energy, most: float) -> Markup:
    parts = [(one.arithmetic / most, "fill c0"), (one.weights / most, "fill c1"), (one.membranes / most, "fill c2")]
    return bar(label, parts, shown(one.total), "an image, estimated")
