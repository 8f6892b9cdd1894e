"""The sections of the page, each a heading, a sentence that says how to read it, and a figure."""

from __future__ import annotations

from crossloom.sim.cost_model import LayerCost

from ..tables import percent
from .figures import Figures, Mistake
from .markup import Markup, clip, el, join
from .matrix import NUMBERED, matrix
from .parts import PARTS, bar, data_table, head, legend, meter, row_cells, section, wide
from .png import MAX_SIDE
from .records import BASELINES, Outcome
from .strips import input_picture
from .tree import COLORS, rate, share, tree
from .tree import MOST as TREE_MOST

SHOWN_MISTAKES = 48
SHOWN_PAIRS = 10
SHOWN_CLASSES = 1000


def accuracy_sections(figures: Figures) -> list[Markup]:
    """The hierarchy, or the classes of a flat network, and the confusion matrix."""
    if figures.branches:
        title = "Hierarchy"
        words = (
            "The coarse head sends each image to one branch, and only that branch runs. Bands are as wide as the share "
            "of the test images sent along them, wherever they belong. A branch shows how many of its own images reach "
            "it, a class how many of its images are answered right in the end."
        )
    else:
        title = "Classes"
        words = (
            "This network has no branches: one output decides among all classes. Bands are as wide as the share of the "
            "test images taken for the class, and each class shows how many of its images are answered right."
        )
    if len(figures.classes) > TREE_MOST:
        words += f" Classes are too many to draw beyond {TREE_MOST}."
    first = section(title, words, wide(tree(figures)), _class_table(figures))
    drawing = matrix(figures)
    words = "Rows are the true classes, columns the answers; the deeper the colour, the larger the share of the row."
    if drawing is None:
        words = f"{len(figures.classes):,} classes are too many for a matrix; the most frequent confusions tell most."
    elif len(figures.classes) > NUMBERED:
        words += " With so many classes the cells carry no numbers, and not every class has room for its name."
    key = [("right", "right answer"), ("far", "wrong answer")]
    if figures.branches:
        words += " Boxes are the branches."
        key = [key[0], ("near", "wrong answer in the right branch"), ("far", "wrong answer in another branch")]
    listed = el("div", _confusions(figures))
    body = [legend(key), el("div", wide(drawing), listed, class_="pair")] if drawing else [listed]
    return [first, section("Confusion", words, *body)]


def _class_table(figures: Figures) -> Markup:
    rows = [
        [
            clip(c.name, 60),
            *([] if c.branch is None else [figures.branches[c.branch].name]),
            f"{c.images:,}",
            f"{c.predicted:,}",
            rate(c.accuracy),
        ]
        for c in (figures.classes[i] for i in figures.order[:SHOWN_CLASSES])
    ]
    header = ["class", *(["branch"] if figures.branches else []), "images", "answers", "accuracy"]
    more = f", the first {SHOWN_CLASSES:,}" if len(figures.classes) > SHOWN_CLASSES else ""
    return el(
        "details",
        el("summary", f"All classes as a table{more}"),
        data_table(header, rows, set(range(len(header) - 3, len(header)))),
    )


def _confusions(figures: Figures) -> Markup:
    wrong = sorted((e for e in figures.confusion if e[0] != e[1]), key=lambda e: (-e[2], e[0], e[1]))
    if not wrong:
        return el("p", "No test image is answered wrong.")
    rows = [
        [clip(figures.classes[true].name, 40), clip(figures.classes[answer].name, 40), f"{images:,}",
         share(images, figures.classes[true].images)]
        for true, answer, images in wrong[:SHOWN_PAIRS]
    ]  # fmt: skip
    total = len(figures.images) - figures.right
    title = el("h3", f"Most frequent of the {total:,} wrong answers")
    return join((title, data_table(["true class", "answer", "images", "of the class"], rows, {2, 3})))


def mistakes(figures: Figures) -> Markup:
    """Pictures of the images sent to a wrong branch, or of a flat network's wrong answers."""
    found, shape, branches = figures.mistakes, figures.network.input.shape, figures.branches
    title = "Coarse errors" if branches else "Wrong answers"
    if not found:
        words = "reaches the branch of its class" if branches else "is answered right"
        return section(title, f"None: every one of the {len(figures.images):,} test images {words}.")
    words = f"{len(found):,} of {len(figures.images):,} test images "
    if branches:
        words += "are sent to a branch that does not hold their class, so that no later layer can be right. "
    else:
        words += "are answered wrong. "
    if len(found) > SHOWN_MISTAKES:
        words += f"The {SHOWN_MISTAKES} most confident are shown; "
    else:
        words += "The most confident come first; "
    words += (
        f"the margin is how far the chosen {'coarse ' if branches else ''}logit lies above the one that would have "
        "been right, in the logits' own units."
    )
    notes = []
    if len(shape) != 3:
        notes.append("The input is a vector, so there are no pictures.")
    else:
        if figures.network.input.encoder == "events":
            notes.append("Pictures show the events of all steps.")
        elif shape[2] not in (1, 3):
            notes.append(f"Pictures show the mean of the {shape[2]} channels.")
        if max(shape[:2]) > MAX_SIDE:
            notes.append("Pictures are thinned out.")
    cards = (_mistake(figures, one) for one in found[:SHOWN_MISTAKES])
    return section(title, " ".join([words, *notes]), el("ul", *cards, class_="cards"))


def _mistake(figures: Figures, one: Mistake) -> Markup:
    true, answer = figures.classes[one.label], figures.classes[one.predicted]
    source = input_picture(figures.network.input, figures.images[one.image])
    words = f"Test image {one.image}, a {true.name} taken for {answer.name}"
    lines = [el("p", "true ", el("b", clip(true.name, 24))), el("p", "answer ", el("b", clip(answer.name, 24)))]
    if one.sent is not None and true.branch is not None:
        lines.append(el("p", "belongs to ", _dot(true.branch), clip(figures.branches[true.branch].name, 24)))
        lines.append(el("p", "sent to ", _dot(one.sent), clip(figures.branches[one.sent].name, 24)))
    lines.append(el("p", f"margin {one.margin:.3g}, #{one.image}", class_="muted"))
    image = el("img", src=source, alt=words, title=words) if source else Markup("")
    return el("li", image, *lines)


def cost_sections(figures: Figures) -> list[Markup]:
    """Widths and products of every layer, and for a routed network what routing saves."""
    network, layers = figures.network, figures.cost.layers
    nodes = {node.name for node in network.nodes}
    trunk = [layer for layer in layers if layer.name in nodes - network.head]
    parts: list[tuple[str, str, list[LayerCost]]] = [("Network", "", trunk)]
    if figures.branches:
        banks = f"{len(figures.branches)} banks of weights in memory, one runs for an image"
        parts = [
            ("Trunk", "runs for every image", trunk),
            ("Coarse head", "chooses the branch", [layer for layer in layers if layer.name in network.head]),
            ("Branch", banks, [layer for layer in layers if layer.name not in nodes]),
        ]
    words = "Width of each layer's output and weights, and products (multiply-accumulates) for one image, counted."
    if network.timed:
        words += " Products are those of all time steps; a layer without steps runs once."
    if figures.branches:
        words += " Parameters and memory count every bank."
    found = [section("Layers", words, wide(_layer_table(parts, figures)))]
    if figures.branches:
        found.append(_savings(figures, [sum(layer.macs for layer in part) for _, _, part in parts]))
    return found


def _savings(figures: Figures, macs: list[int]) -> Markup:
    """This network beside flat and B-CNN; `macs` of trunk, coarse head and branch."""
    total = figures.cost
    trunk, head, _ = macs
    bcnn = total.macs_bcnn or 0
    tail = total.macs_flat - trunk
    most = max(total.macs, bcnn, 1)
    rows = [
        ("this network", macs, total.macs, None),
        (BASELINES["flat"], [trunk, 0, tail], total.macs_flat, total.saved_flat),
        (BASELINES["bcnn"], [trunk, head, tail], bcnn, total.saved_bcnn),
    ]
    bars = [
        bar(
            label,
            [(part / most, f"fill {color}") for part, color in zip(parts, PARTS, strict=True)],
            f"{products:,}",
            "counted" if saved is None else _saving(saved),
        )
        for label, parts, products, saved in rows
    ]
    words = (
        "Products for one image, counted. Flat is the trunk with one tail for all classes, shaped like a branch with "
        "exactly one row of output per class. B-CNN (arXiv 1709.09890) computes every level for every image: trunk, "
        "coarse head and that same tail."
    )
    key = legend(zip(PARTS, ("trunk", "coarse head", "one branch, or the tail for all classes"), strict=True))
    accuracies = [("this network", percent(figures.accuracy), clip(figures.origin, 120))]
    for name, title in BASELINES.items():
        baseline = figures.baselines.get(name)
        known = (percent(baseline.accuracy), clip(baseline.origin, 120)) if baseline else ("-", "not in this artifact")
        accuracies.append((title, *known))
    beside = data_table(["", "accuracy", "origin"], accuracies, {1})
    drawing = el("div", *bars, class_="bars")
    return section("What routing saves", words, key, drawing, el("h3", "Accuracy beside it"), beside)


def _saving(fraction: float) -> str:
    shown = f"{100 * abs(fraction):.1f} %"
    if shown == "0.0 %":
        return "as many with routing"
    return f"{shown} {'saved by' if fraction > 0 else 'more with'} routing"


def _layer_table(parts: list[tuple[str, str, list[LayerCost]]], figures: Figures) -> Markup:
    header = ["layer", "operator", "output", "output bits", "weight bits", "banks", "parameters", "products", ""]
    numbers, total = set(range(3, len(header) - 1)), figures.cost
    top = max((layer.macs for _, _, part in parts for layer in part), default=0) or 1
    body = []
    for (title, words, part), color in zip(parts, PARTS, strict=False):
        if len(parts) > 1:
            spread = el("th", title, el("small", words), colspan=len(header), scope="colgroup")
            body.append(el("tr", spread))
        for layer in part:
            cells: list[object] = [
                layer.name,
                layer.op,
                _output(layer, figures.network.edges[layer.name].steps),
                layer.bits,
                layer.weight_bits or "",
                layer.banks,
                f"{layer.parameters:,}" if layer.parameters else "",
                f"{layer.macs:,}" if layer.macs else "",
            ]
            drawn = meter([(layer.macs / top, f"fill {color}")]) if layer.macs else ""
            body.append(el("tr", *row_cells(cells, numbers), el("td", drawn, class_="bar")))
    sums = ["all", "", "", "", "", "", f"{total.parameters:,}", f"{total.macs:,}"]
    foot = el("tfoot", el("tr", *row_cells(sums, numbers), el("td", f"{total.memory_bits / 8192:.1f} KiB in memory")))
    return el("table", head(header, numbers), el("tbody", *body), foot, class_="full")


def _output(layer: LayerCost, steps: int) -> str:
    shape = " x ".join(map(str, layer.shape))
    return shape if steps == 1 else f"{shape}, {steps} steps"


def growing(figures: Figures) -> Markup:
    """What adding classes did: each record's accuracies, and the coarse head kept beside it retrained."""
    title = "Effect of growing"
    if not figures.grown:
        command = el("code", f"crossloom grow {figures.network.name}.loom --data ... --class NAME")
        return section(title, join(("No class was added to this network yet. This adds one: ", command, ".")))
    header = ["class", "branch", "coarse head", "old before", "old after", "new class"]
    rows, bars = [], []
    for record in figures.grown:
        taken = "retrained" if record.coarse_retrained else "kept"
        rows.append(
            [
                clip(record.name, 40),
                record.branch,
                taken,
                rate(record.old_before),
                f"{rate(record.old_after)} ({_points(record.old_after - record.old_before)})",
                rate(record.new_accuracy),
            ]
        )
        bars.append(el("h3", f"{clip(record.name, 40)}, added to {record.branch}"))
        bars.append(bar("old classes, before", [(record.old_before, "fill c7")], rate(record.old_before), ""))
        outcomes: list[tuple[str, Outcome]] = [("kept", record.kept), ("retrained", record.retrained)]
        for what, outcome in outcomes:
            old, new, change = outcome.old_after, outcome.new_accuracy, _points(outcome.old_after - record.old_before)
            note = "taken" if what == taken else ""
            changed = ", ".join(filter(None, (change, note)))
            bars.append(bar(f"old classes, head {what}", [(old, "fill c0")], rate(old), changed))
            bars.append(bar(f"new class, head {what}", [(new, "fill c1")], rate(new), note))
    words = (
        "Accuracy of the classes that were there before, and of the class that was added. The coarse head can keep its "
        "weights or be retrained; both were measured when the class was added."
    )
    return section(title, words, data_table(header, rows, {3, 4, 5}), el("div", *bars, class_="bars"))


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points"


def _dot(branch: int) -> Markup:
    return el("i", class_=f"dot fill c{branch % COLORS}")
