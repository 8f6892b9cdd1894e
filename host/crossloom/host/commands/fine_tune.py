"""`crossloom fine-tune`: train a design further with its arrays in the forward pass, and prove the result."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import Artifact, InputError, load
from crossloom.sim.crossbar import ArraySpec, Physics, check_untimed, method_spec, wilson
from crossloom.sim.identity import structure_sha256

from ..designs import find_design
from ..extras import need_training
from ..pages import check_new_file
from ..progress import bar
from ..tables import percent, table
from . import Report
from .crossbar import cells

if TYPE_CHECKING:
    from crossloom.training import Dataset


def _dataset(artifact: Artifact, args: argparse.Namespace) -> Dataset:
    """Return the images to tune with: those named, or the data set that the design was trained on."""
    from crossloom.training.data.labelled import TEST
    from crossloom.training.data.places import find_files
    from crossloom.training.data.registry import NAMED_DATA
    from crossloom.training.data.regroup import exclude
    from crossloom.training.restore import recipe_of
    from crossloom.training.workflow import find_dataset

    data = replace(recipe_of(artifact).data, exclude=())  # what was left out may have been added since
    used = str(artifact.info.get("dataset", "")).removesuffix(TEST)
    known = NAMED_DATA.get(data.name or "")
    there = known is not None and (not known.needs_folder or find_files(known, args.data_dir) is not None)
    if not args.data and (known is None or known.name != used or not there):
        raise InputError(
            f"{args.design}: its training data ({used[:60]!r}) is not at hand; needed to tune with; name it by --data"
            f"{', or its folder by --data-dir' if data.name and data.name == used else ''}"
        )
    found = find_dataset(data, args.data, args.data_dir)
    others = [name for name in found.classes if name not in artifact.network.classes]
    return exclude(found, others) if set(artifact.network.classes) < set(found.classes) else found


def run(args: argparse.Namespace) -> Report:
    """Tune, prove and save one design."""
    need_training()
    from crossloom.training.workflow import tune_and_export

    for option, value in (("epochs", args.epochs), ("images", args.images)):
        if value < 1:
            raise InputError(f"--{option} {value}; needed at least 1")
    artifact = load(find_design(args.design))
    network = artifact.network
    check_untimed(network)  # before anybody looks for its training images
    adc_bits = None if args.adc_bits == 0 else args.adc_bits
    base = ArraySpec(args.rows, args.columns, args.cell_bits, adc_bits=adc_bits)
    spec = method_spec(args.methods, base, args.active_rows)
    physics = Physics(cells(args.cells), args.rho, args.variation, args.noise, args.physics_seed)
    path = Path(args.out or f"runs/{network.name}-tuned/{network.name}.loom")
    check_new_file(path)
    done = tune_and_export(
        artifact,
        _dataset(artifact, args),
        path,
        spec,
        physics,
        epochs=args.epochs,
        seed=args.seed,
        most=args.images,
        bars=bar,
    )
    tuned, after = done.tuned, done.artifact
    points = {"before": tuned.before, "after": tuned.after}
    intervals = {name: wilson(round(value * tuned.images), tuned.images) for name, value in points.items()}
    data: dict[str, Any] = {
        "name": network.name,
        "artifact": str(path),
        "sha256": after.sha256,
        "rho": args.rho,
        "methods": args.methods,
        "device": physics.device.name,
        "epochs": args.epochs,
        "images": tuned.images,
        **points,
        "interval": {**intervals, "kind": "Wilson, 95 %"},
        "ideal_before": tuned.ideal_before,
        "ideal_after": tuned.ideal_after,
        "accuracy": after.info["accuracy"]["value"],
        "structure_unchanged": structure_sha256(after.network) == structure_sha256(network),
        "same_data": artifact.info.get("dataset_sha256") == done.dataset_sha256,
        "differences": 0,  # export raises at the first one
        "origin": "simulated",
    }
    words = f"{physics.device.name} arrays, rho {args.rho:g}, {args.methods}"
    rows = [
        ["artifact", str(path)],
        *(
            [f"on {words}, {name}", f"{percent(points[name])} [{100 * low:.1f}, {100 * high:.1f}]"]
            for name, (low, high) in intervals.items()
        ),
        ["in exact arithmetic, before", percent(tuned.ideal_before)],
        ["in exact arithmetic, after", percent(tuned.ideal_after)],
        ["structure", "unchanged" if data["structure_unchanged"] else "changed"],
        ["proof", f"{done.proof.codes:,} codes of {done.proof.samples:,} images equal torch"],
    ]
    text = table([network.name, ""], rows)
    text += f"\nsimulated, {tuned.images:,} test images, {args.epochs} epochs; [95 % intervals after Wilson]"
    if not data["same_data"]:
        text += "\nwarning: trained on other images before; test images may have been training images then"
    return Report(data, text)
