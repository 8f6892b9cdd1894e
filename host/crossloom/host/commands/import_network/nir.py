"""A NIR file to an artifact."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import ForeignError, InputError, Network
from crossloom.sim.text import printable

from ...images import recordings_for
from ...pages import check_new_file
from ...progress import bar
from ...tables import percent, table
from .. import Report

if TYPE_CHECKING:
    from crossloom.training.importing.importer import RealInputs


def run(args: argparse.Namespace) -> Report:
    """Import, measure, save."""
    from crossloom.training.importing.importer import import_nir, write_imported
    from crossloom.training.importing.integers import ImportSettings
    from crossloom.training.importing.nir_dialects import WRITERS, Unsaid

    if args.writer is None:
        raise InputError(f"--writer: missing; a NIR file does not say who wrote it; needed one of {', '.join(WRITERS)}")
    if args.samples < 1:
        raise InputError(f"--samples: {args.samples}; needed at least 1")
    ours = args.writer == "crossloom"
    if args.steps is None and not ours:
        raise InputError("--steps: missing; needed the number of time steps: no NIR file but ours says it")
    given: dict[str, Any] = {
        "step": args.step,
        "shape": _shape(args.input),
        "unsaid": Unsaid(args.reset, False if args.no_norm_input else None, True if args.single else None),
        "classes": tuple(args.classes.split(",")) if args.classes else (),
    }
    settings = None
    if not ours:
        settings = ImportSettings(
            steps=args.steps,
            encoder=args.encoder,
            seed=args.seed,
            divisor=args.divisor,
            guard=args.guard,
            weight_bits=args.weight_bits,
            nearest=args.round,
            readout=args.readout,
            most=args.most,
        )
    found = import_nir(args.file, args.writer, settings, **given)
    network = found.network
    path = Path(args.out or f"runs/{network.name}/{network.name}.loom")
    check_new_file(path)
    images = _images(args, network) if args.data else None
    if images is not None and not ours:
        with bar("original and integers", len(images.images)) as progress:
            found = import_nir(args.file, args.writer, settings, **given, images=images, progress=progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{printable(path.parent, 400)}: cannot be made ({error.strerror}); name another --out"
        ) from None
    more = {"file": Path(args.file).name[:200], "steps": network.steps}
    artifact = write_imported(found, path, images, more)
    data = {**found.report(), "name": network.name, "artifact": str(path), "sha256": artifact.sha256}
    rows: list[list[object]] = [
        [
            f"  {layer['name']}",
            f"{layer['spikes']:,} spikes, {layer['differing']:,} differ; {layer['guard']} guard bits",
        ]
        for layer in data["layers"]
    ]
    if found.measured is None:
        rows.insert(0, ["spikes", "the integers as they were exported" if ours else "not measured: give --data"])
    else:
        share = 100 * data["spikes_differing"] / max(data["spikes"], 1)
        total = (
            f"{data['spikes']:,}, {data['spikes_differing']:,} differ ({share:.3f} %) over {data['images']:,} images"
        )
        rows.insert(0, ["spikes", f"{total}, against {data['against']}"])
        before = percent(data["accuracy_original"])
        rows.append(["accuracy", f"{before} before, {percent(data['accuracy'])} after (measured)"])
    rows += [["rounded", line] for line in data["rounded"]] + [["assumed", line] for line in data["assumed"]]
    rows.append(["artifact", str(path)])
    return Report(data, table([network.name, ""], rows))


def _shape(text: str | None) -> tuple[int, ...] | None:
    """(H, W, C) of "HxWxC", or (C,) of "C"."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) not in (1, 3) or not all(p.isascii() and p.isdigit() and 0 < int(p[:9]) <= 4096 for p in parts):
        raise InputError(
            f"--input {text[:40]!r}: needed HEIGHTxWIDTHxCHANNELS, such as 28x28x1, or a number of features"
        )
    return tuple(int(p) for p in parts)


def _images(args: argparse.Namespace, network: Network) -> RealInputs:
    """The first test images that --data names, with labels where they are known."""
    from crossloom.training.data.given import given_images, named_test_images
    from crossloom.training.data.labelled import TEST
    from crossloom.training.data.registry import NAMED_DATA
    from crossloom.training.importing.importer import RealInputs

    source, path = network.input, Path(args.data)
    if args.data in NAMED_DATA:
        steps = source.steps if source.encoder == "events" else None
        found, name = named_test_images(args.data, network.classes, args.data_dir, steps), f"{args.data}{TEST}"
    else:
        features, recordings = len(source.shape) == 1, recordings_for(source)
        found = given_images(path, network.classes, features=features, recordings=recordings)
        name = path.name[:80]
    rows = found.tests if found.tests is not None and found.named else slice(None)
    images, labels = found.images[rows], None if found.labels is None else found.labels[rows]
    if args.samples < len(images):
        images, name = images[: args.samples], f"first {args.samples} of {name}"
        labels = None if labels is None else labels[: args.samples]
    if not len(images):
        raise ForeignError(f"--data {printable(args.data, 200)}: no images; needed at least one")
    return RealInputs(images, labels, name)
