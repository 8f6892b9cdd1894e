"""The section that shows time itself: rasters of spikes, membranes and scores of a few test images, step by step."""

from __future__ import annotations

import numpy as np

from crossloom.sim import Network
from crossloom.sim.activity import Neurons, neurons
from crossloom.sim.ops.base import parameters
from crossloom.sim.types import AnyArray

from .figures import Figures
from .markup import Markup, clip, el
from .parts import legend, section
from .plots import Axis, Line, axis_of, lines
from .spikes import Sample, SpikeFigures
from .strips import OF_LAYERS, input_picture, raster, strip

LAYERS = 8  # of neurons that are drawn
FAINT = 40  # classes beside the answer that are drawn
_TRACES = ("c0", "c1", "c2")


def samples(figures: Figures) -> Markup:
    """Rasters and membranes of a few test images."""
    time = figures.spikes
    assert time is not None
    words = (
        f"A few test images of different classes, over the {time.steps:,} steps, by the integer simulator. A mark is a "
        "spike; where neurons share a row, the deeper the colour, the more of them. Neurons stand channel by channel. "
        "Membranes are shown before their reset, in thresholds: at the dashed line a neuron spikes."
    )
    layers = neurons(figures.network)
    if len(layers) > LAYERS:
        words += f" The first {LAYERS} of {len(layers)} layers of neurons are drawn."
    traced = [(color, name) for color, name in zip(_TRACES, ("most spikes", "middling", "no spike"), strict=True)]
    key = legend([*traced, ("c7", "in score charts: other classes")])
    drawn = (_sample(figures, time, one, layers[:LAYERS]) for one in time.samples)
    return section("Spikes and membranes", words, key, *drawn)


def _sample(figures: Figures, time: SpikeFigures, one: Sample, layers: tuple[Neurons, ...]) -> Markup:
    network, given = figures.network, figures.network.input
    true, answer = figures.classes[one.label].name, figures.classes[one.predicted].name
    said = "answered right" if one.label == one.predicted else f"answered {clip(answer, 24)}"
    heading = el("h3", f"Test image {one.image}: class {clip(true, 40)}, {said}")
    shots = []
    source = input_picture(given, figures.images[one.image])
    if source:
        caption = el(
            "figcaption", "the image" if given.encoder == "direct" else f"the image, by encoder {given.encoder}"
        )
        shots.append(el("figure", caption, el("img", src=source, alt=f"Test image {one.image}"), class_="shot"))
    if given.steps > 1 and len(given.shape) == 3:
        events = given.encoder == "events" and given.shape[2] == 2
        what = "events: darker in red, brighter in blue" if events else "what the encoder makes of it"
        codes = np.abs(one.edges["input"].astype(np.int64))
        shown = strip(codes, polarities=events, words=what)
        shots.append(el("figure", el("figcaption", f"{what}, step by step"), shown, class_="steps"))
    rows: list[list[Markup]] = [shots, []] if given.steps > 1 else [shots]
    rows[-1] += [_raster(network, layer, one) for layer in layers if layer.spikes in one.edges]
    charts = [_membranes(network, layer, one) for layer in layers if layer.spikes in one.edges]
    if one.scores is not None:
        charts.append(_scores(figures, one, one.scores))
    return el(
        "div",
        heading,
        *(el("div", *row, class_="figures") for row in rows if row),
        el("div", *charts, class_="figures"),
        class_="sample",
    )


def _counts(network: Network, layer: Neurons, one: Sample) -> AnyArray:
    """Spikes int64 (steps, *shape) of a layer."""
    assert layer.spikes is not None
    edge, codes = network.edges[layer.spikes], one.edges[layer.spikes].astype(np.int64)
    found: AnyArray = (codes.reshape(edge.steps, *edge.shape) - layer.low) // layer.step
    return found


def _raster(network: Network, layer: Neurons, one: Sample) -> Markup:
    counts, edge = _counts(network, layer, one), network.edges[layer.membrane]
    spikes = int(counts.sum())
    words = f"{spikes:,} spikes of {edge.size:,} neurons in {edge.steps:,} steps"
    picture, together = raster(counts, f"Spikes of {layer.membrane}: {words}")
    shape = " x ".join(map(str, edge.shape))
    shared = f", {together} a row" if together > 1 else ""
    caption = el("figcaption", el("b", layer.membrane), el("small", f"{shape} neurons{shared}"), el("small", words))
    first, last = (
        (el("span", "step 1"), el("span", f"step {edge.steps:,}")) if edge.steps > 1 else (el("span", "one step"), "")
    )
    plot = el(
        "div",
        el("span", f"neurons 1 to {edge.size:,}, downwards", class_="y"),
        picture,
        el("div", first, last, class_="x"),
        class_="raster",
    )
    if len(edge.shape) != 3 or edge.shape[0] * edge.shape[1] == 1:
        return el("figure", caption, plot)
    maps = strip(counts, polarities=False, words=f"spikes of {layer.membrane}, all channels", most=OF_LAYERS)
    return el("figure", caption, plot, el("p", "all channels together, per step", class_="caption"), maps)


def _membranes(network: Network, layer: Neurons, one: Sample) -> Markup:
    """The membranes of the neuron with most spikes, one in the middle, and the closest one without any."""
    edge = network.edges[layer.membrane]
    codes = one.edges[layer.membrane].astype(np.float64).reshape(edge.steps, edge.size)
    levels = _levels(network, layer, one)
    membranes = codes / levels
    fired = _counts(network, layer, one).reshape(edge.steps, edge.size).sum(0)
    order = np.argsort(-fired, kind="stable")
    active = order[fired[order] > 0]
    silent = np.flatnonzero(fired == 0)
    chosen: list[tuple[int, str]] = []
    if len(active):
        chosen.append((int(active[0]), _TRACES[0]))
    if len(active) > 2:
        chosen.append((int(active[len(active) // 2]), _TRACES[1]))
    if len(silent):
        chosen.append((int(silent[np.argmax(membranes[:, silent].max(0))]), _TRACES[2]))
    series = [
        Line(
            [(step + 1, float(v)) for step, v in enumerate(membranes[:, index])],
            color,
            f"neuron {list(map(int, np.unravel_index(index, edge.shape)))}: {fired[index]:,} spikes",
        )
        for index, color in reversed(chosen)
    ]
    values = [v for line in series for _, v in line.points] + [0.0, 1.1]
    drawn = lines(
        f"Membranes of {len(chosen)} neurons of {layer.membrane} over {edge.steps} steps",
        series,
        _steps(edge.steps),
        axis_of("membrane / threshold", values),
        [1.0],
    )
    return el("figure", el("figcaption", el("b", layer.membrane), " membranes"), drawn)


def _levels(network: Network, layer: Neurons, one: Sample) -> AnyArray:
    """The first threshold of each neuron, float64 (neurons,), in codes of its membrane."""
    assert layer.spikes is not None
    node = network.producers[layer.spikes]
    if network.route is not None:  # the thresholds of the branch that ran
        branch = next((b for b in network.route.branches if one.predicted in b.classes), None)
        node = next((n for n in (branch.nodes if branch else ()) if n.name == layer.spikes), node)
    thresholds = parameters(node.op)["thresholds"][:, 0]
    size = network.edges[layer.membrane].size
    return np.tile(thresholds.astype(np.float64), size // len(thresholds))


def _scores(figures: Figures, one: Sample, scores: AnyArray) -> Markup:
    """What each class scores if the network stops after a step."""
    steps, count = scores.shape
    names = [c.name for c in figures.classes]
    order = np.argsort(-scores[-1], kind="stable")
    rival = next((int(c) for c in order if c != one.label), one.label)
    faint = [int(c) for c in order if c not in (one.label, rival)][:FAINT]
    series = [
        Line([(t + 1, float(v)) for t, v in enumerate(scores[:, c])], color, clip(names[c], 40), dim)
        for c, color, dim in [*((c, "c7", True) for c in faint), (rival, "c1", False), (one.label, "c0", False)]
    ]
    values = [v for line in series for _, v in line.points]
    drawn = lines(
        f"Scores of {count} classes after each of {steps} steps",
        series,
        _steps(steps),
        axis_of("score, in logits", [*values, 0.0]),
    )
    key = legend([("c0", clip(names[one.label], 18) + " (true)"), ("c1", clip(names[rival], 18) + " (best other)")])
    caption = el("figcaption", el("b", figures.network.output), " scores if it stopped after a step")
    return el("figure", caption, drawn, key)


def _steps(count: int) -> Axis:
    return Axis("step", 0.75, count + 0.25, whole=True)
