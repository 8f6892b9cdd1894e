"""`crossloom train`: from a recipe to a proved artifact."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from crossloom.sim import InputError
from crossloom.sim.identity import weights_sha256

from ..extras import need_training
from ..progress import bar
from ..summary import interval_of, parts_of
from ..tables import between, percent, table
from . import Report

if TYPE_CHECKING:
    from crossloom.training import Config, Dataset
    from crossloom.training.workflow import Finished


def summary(finished: Finished) -> dict[str, Any]:
    """The figures of a finished training, for JSON."""
    network, trained = finished.artifact.network, finished.trained
    return {
        "name": network.name,
        "artifact": str(finished.path),
        "sha256": finished.artifact.sha256,
        "weights_sha256": weights_sha256(network),
        "seed": trained.config.training.seed,
        "dataset": trained.dataset,
        "validation_accuracy": trained.validation_accuracy,
        "test_accuracy": finished.artifact.info["accuracy"]["value"],
        "interval": interval_of(finished.artifact.info["accuracy"]),
        "parts": parts_of(finished.artifact),
        "torch_test_accuracy": trained.test_accuracy,
        "stages": [dict(stage) for stage in trained.stages],
        "hierarchy": network.hierarchy,
        "coarse_accuracy": finished.artifact.info["accuracy"].get("coarse"),
        "proof": {"samples": finished.proof.samples, "edges": finished.proof.edges, "codes": finished.proof.codes},
        "differences": 0,  # export raises at the first one
        "origin": "measured",
    }


def run(args: argparse.Namespace) -> Report:
    """Train, prove and export one recipe."""
    need_training()
    from crossloom.training.spiking.fitting import event_steps
    from crossloom.training.workflow import adjusted, find_dataset, find_recipe, train_and_export

    if args.baseline and args.with_baselines:
        raise InputError("--with-baselines: given beside --baseline; needed one of them; remove the other")
    config = adjusted(find_recipe(args.recipe, args.seed), args.exclude, args.baseline)
    dataset = find_dataset(config.data, args.data, args.data_dir, steps=event_steps(config), bars=bar)
    if config.hierarchy is not None and config.hierarchy.branches == "shared":
        return _bcnn(config, dataset, args)
    finished = train_and_export(config, dataset, args.out or f"runs/{config.name}", resume=args.resume, bars=bar,
                                baselines=args.with_baselines, device=args.device)  # fmt: skip
    data, proof = summary(finished), finished.proof
    rows = [
        ["artifact", data["artifact"]],
        ["data set", data["dataset"]],
        [
            "images",
            f"{len(dataset.train):,} training, {len(dataset.validation):,} validation, {len(dataset.test):,} test",
        ],
        ["validation accuracy", percent(data["validation_accuracy"])],
        ["test accuracy", f"{percent(data['test_accuracy'])}{between(data['interval'])} (integer simulator)"],
        *([f"  {name}", f"{percent(v['value'])}{between(v['interval'])}"] for name, v in data["parts"].items()),
        *([f"  at {s['steps']} steps", f"{percent(s['test_accuracy'])} (torch)"] for s in data["stages"]),
        *([["super-classes right", percent(data["coarse_accuracy"])]] if data["hierarchy"] else []),
        ["proof", f"{proof.codes:,} codes on {proof.edges} edges of {proof.samples:,} images equal torch"],
    ]
    text = table([data["name"], ""], rows)
    if finished.trained.hierarchy is not None:
        from crossloom.training.hierarchy import tree

        text += f"\n\n{tree(finished.trained.hierarchy, finished.trained.classes)}"
    return Report(data, text)


def _bcnn(config: Config, dataset: Dataset, args: argparse.Namespace) -> Report:
    """Train a B-CNN, which has two levels of logits for every image and so no artifact."""
    from crossloom.training.loop import train

    folder = args.out or f"runs/{config.name}"
    trained = train(config, dataset, folder, resume=args.resume, device=args.device)
    data = {
        "name": config.name,
        "run": folder,
        "artifact": None,
        "seed": config.training.seed,
        "dataset": trained.dataset,
        "validation_accuracy": trained.validation_accuracy,
        "test_accuracy": trained.test_accuracy,
        "coarse_accuracy": trained.test_coarse_accuracy,
        "origin": "measured by torch",
    }
    rows = [
        ["run", folder],
        ["test accuracy", f"{percent(trained.test_accuracy)} (torch)"],
        ["super-classes right", f"{percent(trained.test_coarse_accuracy)} (torch)"],
        ["artifact", "none: a B-CNN computes two levels of logits for every image"],
    ]
    return Report(data, table([config.name, ""], rows))
