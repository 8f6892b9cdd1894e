"""`crossloom bench sha`: a hierarchical recipe, its baselines and its growth, over several seeds."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import InputError, cost, load
from crossloom.sim.places import check_folder_place, write_file

from ...extras import need_training
from ...progress import bar
from ...tables import percent, table
from ...workers import worker_processes
from .. import Report

if TYPE_CHECKING:
    from crossloom.training import Dataset

RESULTS = "results.json"


def run(args: argparse.Namespace) -> Report:
    """Train what is not in the folder's results yet, and sum up.

    Each training is a task of its own whose figures go to `results.json` at once, so that a stopped run goes on.
    """
    need_training()
    from crossloom.training.config import config_dict
    from crossloom.training.workflow import find_dataset, find_recipe

    for name, value in (("--seeds", args.seeds), ("--jobs", args.jobs)):
        if value < 1:
            raise InputError(f"{name}: {value}; needed at least 1")
    config = find_recipe(args.recipe)
    if config.hierarchy is None:
        raise InputError(f"{args.recipe}: a flat recipe; needed one with [hierarchy]")
    folder = Path(args.out)
    check_folder_place(folder, InputError)
    dataset = find_dataset(config.data, args.data, args.data_dir)
    origin = {"recipe": config_dict(config), "dataset_sha256": dataset.sha256}
    done = _earlier(folder, origin)
    tasks = list(_tasks(args.seeds, () if args.no_grow else dataset.classes))
    left = [task for task in tasks if task not in done]
    folder.mkdir(parents=True, exist_ok=True)
    with bar("trainings", len(tasks)) as progress:
        progress(len(tasks) - len(left))
        for task, figures in _work(args, left):
            done[task] = figures
            write_file(folder / RESULTS, json.dumps({**origin, "tasks": done}, indent=1) + "\n", InputError)
            progress(sum(t in done for t in tasks))
    return _report(config.name, dataset, args.seeds, {task: done[task] for task in tasks})


def _tasks(seeds: int, classes: Sequence[str]) -> Iterator[str]:
    """Yield the names of the trainings: KIND/SEED, and grow/SEED/CLASS."""
    for seed in range(1, seeds + 1):
        for kind in ("sha", "flat", "bcnn"):
            yield f"{kind}/{seed}"
    for seed in range(1, seeds + 1):
        for index in range(len(classes)):
            yield f"grow/{seed}/{index}"


def _earlier(folder: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that the folder holds already; refuse those of another recipe or data set."""
    path = folder / RESULTS
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text())
        tasks = dict(found.pop("tasks"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path}: not the results of an earlier run; move it, or name another folder by --out"
        ) from None
    if found != json.loads(json.dumps(origin)):
        raise InputError(f"{path}: results of another recipe or data set; move it, or name another folder by --out")
    return tasks


def _work(args: argparse.Namespace, tasks: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (task, figures) as they are done, `args.jobs` processes working side by side."""
    if args.jobs == 1:
        for task in tasks:
            yield task, perform(task, args.recipe, args.data, args.data_dir, args.out)
        return
    with worker_processes(args.jobs) as pool:
        running = {pool.submit(perform, task, args.recipe, args.data, args.data_dir, args.out): task for task in tasks}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            for future in running:
                future.cancel()


def perform(task: str, recipe: str, data: str | None, data_dir: str | None, out: str) -> dict[str, Any]:
    """Do one training, or one growing, in a folder of its own; return its figures (accuracies as fractions)."""
    from crossloom.training.loop import train
    from crossloom.training.workflow import adjusted, find_dataset, find_recipe, grow_and_export, train_and_export

    kind, seed, *rest = task.split("/")
    folder = Path(out, *task.split("/"))
    config = find_recipe(recipe, int(seed))
    if kind == "bcnn":
        config = adjusted(config, baseline="bcnn")
        trained = train(config, find_dataset(config.data, data, data_dir), folder, resume=True, progress=False)
        return {
            "accuracy": trained.test_accuracy,
            "coarse": trained.test_coarse_accuracy,
            "origin": "measured by torch",
        }
    everything = find_dataset(config.data, data, data_dir)
    excluded = [everything.classes[int(index)] for index in rest]
    config = adjusted(config, excluded, "flat" if kind == "flat" else None)
    finished = train_and_export(config, find_dataset(config.data, data, data_dir), folder, resume=True)
    accuracy = finished.artifact.info["accuracy"]
    if kind != "grow":
        counted = cost(finished.artifact.network)
        found = {"accuracy": accuracy["value"], "origin": accuracy["origin"], "macs": counted.macs}
        if kind == "sha":
            found |= {"coarse": accuracy["coarse"], "macs_flat": counted.macs_flat, "macs_bcnn": counted.macs_bcnn}
        return found
    grown = grow_and_export(load(finished.path), everything, excluded[0], folder / "grown.loom").grown
    ways = {"kept": grown.kept, "retrained": grown.retrained}
    return {
        "class": excluded[0],
        "branch": grown.branch,
        "old_before": grown.old_before,
        **{way: {"old_after": found.old_after, "new_accuracy": found.new_accuracy} for way, found in ways.items()},
        "origin": "measured by the integer simulator",
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation, least and greatest, and the values themselves."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "mean": statistics.fmean(values),
        "deviation": deviation,
        "least": min(values),
        "greatest": max(values),
        "values": list(values),
    }


def _report(name: str, dataset: Dataset, seeds: int, done: Mapping[str, dict[str, Any]]) -> Report:
    """Sum up: accuracies and products of the three networks, and what growing does."""
    of = {kind: [done[f"{kind}/{seed}"] for seed in range(1, seeds + 1)] for kind in ("sha", "flat", "bcnn")}
    counts = {key: [figures[key] for figures in of["sha"]] for key in ("macs", "macs_flat", "macs_bcnn")}
    macs, macs_flat, macs_bcnn = (statistics.fmean(values) for values in counts.values())
    data: dict[str, Any] = {
        "origin": "accuracies measured on the test images, products counted",
        "recipe": name,
        "dataset": dataset.name,
        "seeds": seeds,
        **{kind: {"accuracy": _spread([figures["accuracy"] for figures in of[kind]])} for kind in of},
        "macs_mean": macs,
        "macs_flat": macs_flat,
        "macs_bcnn": macs_bcnn,
        "saved_flat": 1 - macs / macs_flat,
        "saved_bcnn": 1 - macs / macs_bcnn,
    }
    for kind in ("sha", "bcnn"):
        data[kind]["coarse"] = _spread([figures["coarse"] for figures in of[kind]])
    saved = {"sha": "", "flat": percent(data["saved_flat"]), "bcnn": percent(data["saved_bcnn"])}
    products = {"sha": macs, "flat": macs_flat, "bcnn": macs_bcnn}
    rows = []
    for kind, words in (("sha", "routed"), ("flat", "flat"), ("bcnn", "B-CNN")):
        found = data[kind]["accuracy"]
        spread = f"{100 * found['least']:.2f} to {100 * found['greatest']:.2f}"
        rows.append([words, percent(found["mean"]), spread, f"{products[kind]:,.0f}", saved[kind]])
    text = f"{name}, test images of {dataset.name}, {seeds} seeds; accuracies measured, products counted\n"
    text += table(["network", "accuracy", "least to greatest", "products an image", "routing saves"], rows)
    grown = [figures for task, figures in done.items() if task.startswith("grow/")]
    if grown:
        data["grow"] = {"runs": len(grown)}
        rows = []
        for way, words in (("retrained", "coarse head retrained"), ("kept", "coarse head kept")):
            lost = [figures["old_before"] - figures[way]["old_after"] for figures in grown]
            new = [figures[way]["new_accuracy"] for figures in grown]
            data["grow"][way] = {"new_accuracy": _spread(new), "old_lost": _spread(lost)}
            mean = f"{100 * statistics.fmean(lost):.2f} points"
            rows.append(
                [words, percent(statistics.fmean(new)), percent(min(new)), mean, f"{100 * max(lost):.2f} points"]
            )
        text += f"\n\neach class left out and added again, {len(grown)} times; measured\n"
        text += table(["growing", "new class, mean", "least", "old classes lose, mean", "most"], rows)
    return Report(data, text)
