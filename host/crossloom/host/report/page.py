"""The page itself: header, sections and footer, put together from the figures."""

from __future__ import annotations

from crossloom.sim.identity import structure_sha256, weights_sha256

from ..energy import shown
from ..tables import percent
from .document import document
from .engine_drawing import engine
from .figures import Figures
from .markup import Markup, clip, el, join
from .sections import accuracy_sections, cost_sections, growing, mistakes
from .spike_sections import spike_sections


def page(figures: Figures, command: str) -> str:
    """Return the whole HTML page, the same text for the same figures; `command` is how to make it again."""
    sections = [*accuracy_sections(figures), mistakes(figures), *spike_sections(figures)]
    sections += [*cost_sections(figures), engine(figures.network)]
    if figures.branches:
        sections.append(growing(figures))
    body = el("div", _header(figures), el("main", *sections), _footer(figures, command), class_="page")
    return document(f"{figures.network.name}: Crossloom report", body)


def _header(figures: Figures) -> Markup:
    network, total = figures.network, figures.cost
    shape = " x ".join(map(str, network.input.shape))
    if figures.branches:
        kind = f"Hierarchical network: {len(figures.classes)} classes in {len(figures.branches)} branches"
    else:
        kind = f"Flat network of {len(figures.classes)} classes"
    time = figures.spikes
    if time is not None:
        kind = kind.replace("network", "spiking network", 1)
    tiles = [(percent(figures.accuracy), "test accuracy", f"measured, {len(figures.images):,} images")]
    if figures.coarse_accuracy is not None:
        tiles.append((percent(figures.coarse_accuracy), "routed right", "measured, coarse head alone"))
    beside = "counted" if total.macs_bcnn is None else f"counted; a B-CNN takes {total.macs_bcnn:,}"
    tiles += [
        (f"{total.macs:,}", "products an image", beside),
        (f"{total.parameters:,}", "parameters", "counted, all banks" if figures.branches else "counted"),
        (f"{total.memory_bits / 8192:.1f} KiB", "weight memory", "counted, at declared widths"),
        (f"{total.weight_bits} and {total.activation_bits} bits", "weights and activations", "the widest, counted"),
    ]
    if time is not None:
        tiles += [
            (f"{time.spikes.mean():,.0f}", "spikes an image", f"simulated, {time.steps:,} steps"),
            (f"{time.operations.mean():,.0f}", "synaptic operations", "an image, simulated"),
            (shown(time.energy.spiking.total), "energy an image", "estimated, see below"),
        ]
    facts: list[tuple[str, object]] = [
        ("data set", clip(figures.dataset, 120)),
        ("input", f"{shape}, {network.input.levels} levels{_encoded(figures)}"),
        ("structure", el("code", structure_sha256(network)[:16])),
        ("weights", el("code", weights_sha256(network)[:16])),
    ]
    return el(
        "header",
        el("p", "Crossloom report", class_="brand"),
        el("h1", network.name),
        el("p", f"{kind}, in exact integer arithmetic.", class_="muted"),
        el(
            "div",
            *(
                el("div", el("b", figure), el("span", what, class_="what"), el("span", origin), class_="tile")
                for figure, what, origin in tiles
            ),
            class_="tiles",
        ),
        _facts(facts),
        *(el("p", clip(note, 300), class_="note") for note in figures.notes),
    )


def _encoded(figures: Figures) -> str:
    given = figures.network.input
    if figures.spikes is None:
        return ""
    return f", encoder {given.encoder}, " + (f"{given.steps:,} steps" if given.steps > 1 else "the same at every step")


def _footer(figures: Figures, command: str) -> Markup:
    facts: list[tuple[str, object]] = [
        ("artifact", el("code", f"sha256 {figures.artifact.sha256}")),
        ("structure", el("code", structure_sha256(figures.network))),
        ("weights", el("code", weights_sha256(figures.network))),
        ("make again", el("code", command)),
        ("accuracies", f"{clip(figures.origin, 200)}, routing, confusion and margins included"),
        ("products, memory", "counted from the network's structure, for one image; no tool and no timing involved"),
    ]
    facts.append(("engine", "modelled by counting its cycles; the simulated RTL takes as many"))
    if figures.spikes is not None:
        facts += [
            ("spikes, operations", "simulated: counted by the integer simulator on every test image"),
            ("energy, cycles", "estimated: published figures of single operations, and counts; no tool, no chip"),
        ]
    if figures.baselines:
        facts.append(("baselines", "accuracies as the artifact states them, with the origin it gives beside each"))
    if figures.grown:
        facts.append(("growing", "as measured when the class was added, and stated by the artifact"))
    return el("footer", el("h2", "Where the figures come from"), _facts(facts))


def _facts(facts: list[tuple[str, object]]) -> Markup:
    return el("dl", join(join((el("dt", name), el("dd", value))) for name, value in facts))
