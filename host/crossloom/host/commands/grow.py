"""`crossloom grow`: one more class in a hierarchical design."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import Artifact, InputError, load

from ..designs import find_design
from ..extras import need_training
from ..pages import check_new_file
from ..progress import bar
from ..tables import percent, table
from . import Report

if TYPE_CHECKING:
    from crossloom.training import Dataset


def _dataset(artifact: Artifact, args: argparse.Namespace) -> Dataset:
    """Return the images to grow with: those named, the data set that the design was trained on, or both together."""
    from crossloom.training.config import DataConfig
    from crossloom.training.data.labelled import TEST
    from crossloom.training.data.places import find_files
    from crossloom.training.data.registry import NAMED_DATA
    from crossloom.training.data.regroup import with_class
    from crossloom.training.rules import read_section
    from crossloom.training.workflow import find_dataset

    config = artifact.info.get("config")
    table = config.get("data") if isinstance(config, dict) else None
    # Its share of validation images, too: with another one, images that it has seen would be new to it.
    known = {key: table[key] for key in ("name", "validation") if key in table} if isinstance(table, dict) else {}
    data = read_section(f"{artifact.network.name}: its recipe", "data", known, DataConfig)
    given = find_dataset(data, args.data, least=1) if args.data else None
    if given is not None and set(artifact.network.classes) <= set(given.classes):
        return given
    # A recipe that names one data set may have been trained on another, by --data.
    used = str(artifact.info.get("dataset", "")).removesuffix(TEST)
    named = NAMED_DATA.get(data.name or "")
    if named is None or named.name != used or (named.needs_folder and not find_files(named, args.data_dir)):
        at = f" ({used[:60]!r})" if used else ""
        raise InputError(
            f"{args.design}: its training data{at} is not at hand; needed the new class and every class it knows; "
            f"name them by --data{', or their folder by --data-dir' if data.name == used else ''}"
        )
    own = find_dataset(data, None, args.data_dir)
    return own if given is None else with_class(own, given, args.name)


def run(args: argparse.Namespace) -> Report:
    """Add one class, prove the result and save it."""
    need_training()
    from crossloom.sim.identity import structure_sha256
    from crossloom.training.workflow import grow_and_export

    if args.epochs < 1:
        raise InputError(f"--epochs: {args.epochs}; needed at least 1")
    artifact = load(find_design(args.design))
    network = artifact.network
    plain = re.sub(r"[^a-z0-9]+", "-", args.name.lower()).strip("-") or "class"
    path = Path(args.out or f"runs/{network.name}-plus-{plain}/{network.name}.loom")
    check_new_file(path)
    growth = grow_and_export(
        artifact,
        _dataset(artifact, args),
        args.name,
        path,
        keep_coarse=args.keep_coarse,
        epochs=args.epochs,
        seed=args.seed,
        bars=bar,
    )
    grown, result = growth.grown, growth.grown.result
    after = growth.artifact.network
    data: dict[str, Any] = {
        "name": network.name,
        "class": grown.name,
        "artifact": str(path),
        "sha256": growth.artifact.sha256,
        "old_before": grown.old_before,
        "old_after": result.old_after,
        "new_accuracy": result.new_accuracy,
        "branch": grown.branch,
        "responses": dict(grown.responses),
        "coarse_retrained": grown.coarse_retrained,
        "kept": asdict(grown.kept),
        "retrained": asdict(grown.retrained),
        "changed_tensors": list(grown.changed_tensors),
        "unchanged_tensors": list(grown.unchanged_tensors),
        "structure_unchanged": structure_sha256(after) == structure_sha256(network),
        "differences": 0,  # export raises at the first one
        "origin": "measured by the integer simulator",
    }
    rows = [
        ["artifact", data["artifact"]],
        ["class", f"{grown.name!r} in branch {grown.branch} (mean response {grown.responses[grown.branch]:.2f})"],
        ["old classes before", percent(grown.old_before)],
        *(
            [
                f"coarse head {words}{' (written)' if chosen == grown.coarse_retrained else ''}",
                f"old classes {percent(found.old_after)}, new class {percent(found.new_accuracy)}",
            ]
            for words, chosen, found in (("retrained", True, grown.retrained), ("kept", False, grown.kept))
        ),
        ["tensors", f"{len(grown.changed_tensors)} changed, {len(grown.unchanged_tensors)} kept their bytes"],
        ["structure", "unchanged" if data["structure_unchanged"] else "changed"],
        ["proof", f"{growth.proof.codes:,} codes of {growth.proof.samples:,} images equal torch"],
    ]
    return Report(data, table([network.name, ""], rows))
