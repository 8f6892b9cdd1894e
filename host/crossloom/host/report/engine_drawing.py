"""The generated engine as a drawing: one array that takes the layers in turn, and when it works on which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossloom.sim import CrossloomError, Network, cost

from ..folding_choice import compiled
from .markup import Markup, clip, el, join
from .parts import PARTS, legend, section, wide

if TYPE_CHECKING:
    from crossloom.rtl.compiler.program import Program
    from crossloom.rtl.estimate.layers import Layer

MOST_PARAMETERS = 2_000_000  # beyond, planning the memories takes longer than the rest of the page
MOST_LAYERS = 120
_ROW, _HEAD = 26, 172  # height of a layer's row, and of what is above the rows
_BARS, _LENGTH = 330, 400  # where the time axis starts, and its length
_WIDTH = 930


def engine(network: Network) -> Markup:
    """The section: the engine's parts with their widths, and each layer's cycles, from the cycle model."""
    title = "The engine"
    if cost(network).parameters > MOST_PARAMETERS:
        return section(title, f"Not planned here: more than {MOST_PARAMETERS:,} parameters are too many for a page.")
    try:
        program = compiled(network)
    except CrossloomError as error:
        return section(title, f"The generated RTL engine does not run this network: {clip(error, 300)}")
    from crossloom.rtl.estimate.cycles import image_cycles
    from crossloom.rtl.estimate.layers import model_layers

    folding, cycles, layers = program.folding, image_cycles(program), model_layers(program)
    words = (
        f"One array of {folding.rows} inputs x {folding.cols} outputs x {folding.pix} pixels takes the layers in turn, "
        "all multipliers on each; a branch costs only its own cycles. Bars are the cycles of one image, darker where "
        "the array works; own are the network's products among all that it could do then, the rest being zeros. "
        "Cycles by the model, which the simulated RTL keeps to. Other sizes of the array: "
    )
    if len(layers) > MOST_LAYERS:
        layers = layers[:MOST_LAYERS]
        words = f"The first {MOST_LAYERS} layers are drawn. {words}"
    parts = [(PARTS[0], "trunk"), (PARTS[1], "coarse head"), (PARTS[2], "branch")] if network.route else []
    total = (
        f"{cycles.latency:,} cycles from the first input to the last result, {cycles.interval:,} from image to image: "
        f"{cycles.latency / 1e5:.3f} ms at 100 MHz, timing unchecked (modelled)."
    )
    return section(
        title,
        join((words, el("code", "crossloom emit rtl --folding"), ".")),
        legend(parts) if parts else "",
        wide(_drawing(program, layers, cycles.latency)),
        el("p", total),
    )


def _drawing(program: Program, layers: list[Layer], latency: int) -> Markup:
    height = _HEAD + _ROW * len(layers) + 8
    scale = _LENGTH / max(latency, 1)
    rows = [_row(program.network, layer, _HEAD + _ROW * i, scale) for i, layer in enumerate(layers)]
    return el(
        "svg",
        el("title", f"The engine's parts, and {len(layers)} layers over {latency:,} cycles"),
        _blocks(program),
        _axis(latency, scale, height),
        join(rows),
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        role="img",
    )


def _blocks(program: Program) -> Markup:
    """Memory, array, quantizers, and the way back into the memory."""
    f, s = program.folding, program.sizes
    ways = f"{f.ways} way{'s' if f.ways > 1 else ''}"
    boxes = [
        (0, "feature memory", f"{ways}, {s.features:,} words", f"{f.rows} codes of {s.x_bits} bits"),
        (
            250,
            "crossbar array",
            f"{f.rows} x {f.cols} x {f.pix} products",
            f"{s.x_bits} x {s.w_bits} to {s.acc_bits} bits",
        ),
        (500, "quantizers", f"{f.lanes} lane{'s' if f.lanes > 1 else ''}", "codes and scores"),
        (750, "result", f"{len(program.network.classes):,} classes", "scores and answer"),
    ]
    drawn = []
    for x, *lines in boxes:
        drawn.append(el("rect", x=x, y=26, width=178, height=76, rx=7, class_="card"))
        for i, line in enumerate(lines):
            kind = "name" if i == 0 else "muted"
            drawn.append(el("text", clip(line, 25), x=x + 12, y=49 + 20 * i, class_=kind))
    for x, words in ((178, f"{f.pix} pixels"), (428, "sums"), (678, "scores")):
        drawn.append(_arrow(f"M{x} 64h64", x + 64, 64))
        drawn.append(el("text", words, x=x + 34, y=56, class_="small middle"))
    drawn.append(_arrow("M589 26v-12h-500v4", 89, 19, down=True))
    drawn.append(el("text", "codes of the next layer", x=340, y=10, class_="small middle"))
    words = f"weights: {s.weights:,} words of {f.rows * f.cols * s.w_bits:,} bits"
    drawn.append(_arrow("M339 124v-14", 339, 108, up=True))
    drawn.append(el("text", words, x=339, y=140, class_="small middle"))
    return join(drawn)


def _arrow(path: str, x: int, y: int, *, up: bool = False, down: bool = False) -> Markup:
    head = (
        f"M{x - 4} {y + 6}l4 -6l4 6" if up else f"M{x - 4} {y - 2}l4 6l4 -6" if down else f"M{x - 2} {y - 4}l8 4l-8 4"
    )
    return join((el("path", d=path, class_="brace c7"), el("path", d=f"{head}z", class_="fill c7")))


def _axis(latency: int, scale: float, height: int) -> Markup:
    step = 10 ** max(len(str(latency)) - 1, 0)
    step = next(s for s in (step // 4, step // 2, step, 2 * step) if s and latency // s <= 6)
    drawn = [
        el("text", "layer", x=0, y=_HEAD - 8, class_="small"),
        el("text", "multipliers", x=196, y=_HEAD - 8, class_="small end"),
        el("text", "weight, result bits", x=_BARS - 16, y=_HEAD - 8, class_="small end"),
        el("text", "cycles", x=_BARS + _LENGTH + 88, y=_HEAD - 8, class_="small end"),
        el("text", "busy", x=_BARS + _LENGTH + 142, y=_HEAD - 8, class_="small end"),
        el("text", "own", x=_WIDTH - 2, y=_HEAD - 8, class_="small end"),
    ]
    for at in range(0, latency + 1, step):
        x = _BARS + at * scale
        drawn.append(el("rect", x=x, y=_HEAD, width=1, height=height - _HEAD - 8, class_="track"))
        drawn.append(el("text", f"{at:,}", x=x, y=_HEAD - 8, class_="small middle"))
    return join(drawn)


def _row(network: Network, layer: Layer, y: float, scale: float) -> Markup:
    color = PARTS[2] if layer.banked else PARTS[1] if network.route and layer.source in network.head else PARTS[0]
    x, width = _BARS + layer.first * scale, max(layer.cycles * scale, 1.5)
    weights = f"{layer.weight_bits}, {layer.bits}" if layer.weight_bits else f"{layer.bits}"
    title = (
        f"{layer.source} ({layer.operator}): cycles {layer.first:,} to {layer.last:,}, the array works in "
        f"{layer.taps:,} of {layer.cycles:,}; {layer.products:,} products of the network; "
        + (f"weights of {layer.weight_bits} bits, " if layer.weight_bits else "")
        + f"results of {layer.bits} bits"
    )
    return el(
        "g",
        el("title", title),
        el("text", clip(layer.source, 16), x=0, y=y + 17, class_="name"),
        el("text", f"{layer.multipliers:,}" if layer.multipliers else "maxima", x=196, y=y + 17, class_="muted end"),
        el("text", weights, x=_BARS - 16, y=y + 17, class_="muted end"),
        el("rect", x=x, y=y + 5, width=width, height=15, rx=2, class_=f"fill {color} s3"),
        el("rect", x=x, y=y + 5, width=max(width * layer.busy, 1.0), height=15, rx=2, class_=f"fill {color}"),
        el("text", f"{layer.cycles:,}", x=_BARS + _LENGTH + 88, y=y + 17, class_="end"),
        el("text", f"{100 * layer.busy:.0f} %", x=_BARS + _LENGTH + 142, y=y + 17, class_="end"),
        el("text", f"{100 * layer.used:.0f} %", x=_WIDTH - 2, y=y + 17, class_="muted end"),
    )
