"""The way from a recipe to a proved artifact: find it, train it, export it, prove it, save it, add a class to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import Artifact, ConfigError
from crossloom.sim.crossbar import ArraySpec, Physics
from crossloom.sim.places import check_file_place

from .arguments import refuse_size
from .beforehand import refuse_beforehand
from .config import Config, DataConfig, bcnn_recipe, config_dict, flat_recipe, load_config, override
from .data.labelled import Dataset, Ints
from .data.loading import load_dataset
from .data.named import Bars
from .data.regroup import labels_in
from .export import Exported
from .growing import EPOCHS, Grown, grow
from .loop import train
from .physics import Tuned, fine_tune, tuning_steps
from .prove import MIN_SAMPLES, Proof, convert_run, prove, write_artifact
from .runs import TrainedModel, earlier_state


@dataclass(frozen=True, eq=False)
class Finished:
    """A trained, proved and saved network."""

    path: Path
    artifact: Artifact
    proof: Proof
    trained: TrainedModel


@dataclass(frozen=True, eq=False)
class Growth:
    """A grown, proved and saved network."""

    path: Path
    artifact: Artifact
    proof: Proof
    grown: Grown


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned, proved and saved network; `dataset_sha256` is of the images it was tuned with."""

    path: Path
    artifact: Artifact
    proof: Proof
    tuned: Tuned
    dataset_sha256: str


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    folder = _recipes()
    return sorted(path.stem for path in folder.glob("*.toml")) if folder else []


def _recipes() -> Path | None:
    """The folder of shipped recipes: beside the installed package, or in the checkout."""
    here = Path(__file__).resolve()
    return next((f for f in (here.parent / "configs", here.parents[2] / "configs") if f.is_dir()), None)


def find_recipe(recipe: str | os.PathLike[str], seed: int | None = None) -> Config:
    """Return a shipped recipe by name, or one from a `.toml` file, with another seed where one is given."""
    path, folder = Path(recipe), _recipes()
    if isinstance(recipe, str) and path.suffix != ".toml" and path.name == recipe:
        if folder is None or recipe not in recipe_names():
            known = ", ".join(recipe_names()) or "none is installed"
            raise ConfigError(
                f"recipe {recipe[:80]!r}: not found; shipped recipes: {known}; or give the path of a .toml file"
            )
        path = folder / f"{recipe}.toml"
    config = load_config(path)
    return config if seed is None else override(config, {"training": {"seed": seed}})


def find_dataset(
    data: DataConfig,
    own: str | None = None,
    data_dir: str | None = None,
    least: int = 2,
    steps: int | None = None,
    bars: Bars | None = None,
) -> Dataset:
    """Return a recipe's data set; `own` names images of at least `least` classes, `data_dir` where a named set lies.

    Recordings are counted in so many `steps`, `event_steps` of the recipe.
    """
    if own is not None:
        return load_dataset(replace(data, name=None, path=own, test=None, test_path=None), least, steps, bars)
    moved = data if data_dir is None else replace(data, path=data_dir, test_path=None)
    return load_dataset(moved, steps=steps, bars=bars)


def adjusted(config: Config, without: Sequence[str] = (), baseline: str | None = None) -> Config:
    """Return the recipe without some classes, or its baseline: "flat" or "bcnn"."""
    if without:
        config = override(config, {"data": {"exclude": [*config.data.exclude, *without]}})
    return config if baseline is None else {"flat": flat_recipe, "bcnn": bcnn_recipe}[baseline](config)


def train_and_export(
    config: Config,
    dataset: Dataset,
    run_dir: str | os.PathLike[str],
    *,
    resume: bool = False,
    bars: Bars | None = None,
    baselines: bool = False,
    device: str = "cpu",
) -> Finished:
    """Train a recipe, prove its integer network equal, and save `NAME.loom` in `run_dir`.

    Proved on the test images and as many training images as make 1,000 samples (all where there are fewer). `bars`
    makes a progress bar from a label and a total. `baselines`: train the flat and the B-CNN baseline as well, in
    folders inside, and state their accuracies in the artifact. `device`: as in `train`. Raises ConfigError or
    ExportError.
    """
    folder, quiet = Path(run_dir), bars is None
    recipes = {kind: adjusted(config, baseline=kind) for kind in ("flat", "bcnn")} if baselines else {}
    path = folder / f"{config.name}.loom"
    check_file_place(path, ConfigError)
    for kind, recipe in recipes.items():
        earlier_state(folder / kind, recipe, dataset.sha256, resume)
    refuse_beforehand(config, dataset)
    trained = train(config, dataset, folder, resume=resume, progress=not quiet, device=device)
    found = {}
    for kind, recipe in recipes.items():
        other = train(recipe, dataset, folder / kind, resume=resume, progress=not quiet, device=device)
        found[kind] = {"accuracy": other.test_accuracy, "origin": f"measured by torch on {dataset.test_name}"}
    exported = convert_run(folder)
    info: dict[str, Any] = {
        "config": _recipe(config),
        "seed": config.training.seed,
        "dataset_sha256": dataset.sha256,
    }
    if trained.hierarchy is not None:
        info["hierarchy_origin"] = trained.hierarchy.origin
    if trained.init_sha256 is not None:
        info["init_sha256"] = trained.init_sha256
    if trained.stages:
        info["stages"] = [{**stage, "origin": f"measured by torch on {dataset.test_name}"} for stage in trained.stages]
    if found:
        info["baselines"] = found
    artifact, proof = _prove_and_write(path, exported, dataset, dataset.labels, info, bars)
    return Finished(path, artifact, proof, trained)


def _recipe(config: Config) -> dict[str, Any]:
    """Return the recipe for an artifact: files by their names alone, as where they lie belongs to one machine."""
    table = config_dict(config)
    for section, key in (("data", "path"), ("hierarchy", "file"), ("training", "init")):
        if key in table.get(section, {}):
            table[section][key] = Path(table[section][key]).name or "."
    if "name" in table["data"]:
        table["data"].pop("path", None)
    table["data"].pop("test_path", None)
    return table


def _prove_and_write(
    path: Path, exported: Exported, dataset: Dataset, labels: Ints, info: Mapping[str, Any], bars: Bars | None
) -> tuple[Artifact, Proof]:
    """Prove a network on the data set's test images and enough training images, and save it."""
    spare = max(0, MIN_SAMPLES - len(dataset.test))
    samples = dataset.images[np.concatenate([dataset.test, dataset.train[:spare]])]
    images = dataset.images[dataset.test]
    with bars("proof", len(samples)) if bars else nullcontext() as tick:
        proof = prove(exported, samples, tick)
    with bars("golden vectors", len(images)) if bars else nullcontext() as tick:
        artifact = write_artifact(
            path,
            exported.network,
            proof,
            dataset=dataset.test_name,
            parts=dataset.tests,
            images=images,
            labels=labels[dataset.test],
            info=info,
            progress=tick,
        )
    return artifact, proof


def grow_and_export(
    artifact: Artifact,
    dataset: Dataset,
    name: str,
    path: Path,
    *,
    keep_coarse: bool = False,
    epochs: int | None = None,
    seed: int | None = None,
    bars: Bars | None = None,
) -> Growth:
    """Add the class `name` to a hierarchical artifact, prove the result equal, and save it at `path`.

    Raises ConfigError or ExportError; see `growing.grow`.
    """
    count = EPOCHS if epochs is None else epochs
    check_file_place(path, ConfigError)
    refuse_size(artifact.network, len(dataset.test))
    with bars("growing", count) if bars else nullcontext() as tick:
        grown = grow(artifact, dataset, name, keep_coarse=keep_coarse, epochs=count, seed=seed, progress=tick)
    before = artifact.info.get("grown")
    record = {
        "class": grown.name,
        "branch": grown.branch,
        "old_before": grown.old_before,
        "old_after": grown.result.old_after,
        "new_accuracy": grown.result.new_accuracy,
        "coarse_retrained": grown.coarse_retrained,
        "kept": asdict(grown.kept),
        "retrained": asdict(grown.retrained),
    }
    info = {k: v for k, v in artifact.info.items() if k not in ("accuracy", "dataset", "proof", "baselines")}
    info["grown"] = [*(before if isinstance(before, list) else []), record]
    written, proof = _prove_and_write(path, grown.exported, grown.data, grown.labels, info, bars)
    return Growth(path, written, proof, grown)


def tune_and_export(
    artifact: Artifact,
    dataset: Dataset,
    path: Path,
    spec: ArraySpec,
    physics: Physics,
    *,
    epochs: int,
    seed: int | None = None,
    most: int | None = None,
    bars: Bars | None = None,
) -> FineTuned:
    """Train an artifact further with its arrays in the forward pass, prove the result equal, and save it at `path`.

    Raises ConfigError or ExportError; see `physics.fine_tune`.
    """
    check_file_place(path, ConfigError)
    refuse_size(artifact.network, len(dataset.test))
    steps = tuning_steps(artifact, dataset, epochs)
    with bars("fine-tuning", steps) if bars else nullcontext() as tick:
        tuned = fine_tune(artifact, dataset, spec, physics, epochs=epochs, seed=seed, most=most, progress=tick)
    done = artifact.info.get("fine_tuned")
    record = {
        **{"device": physics.device.name, "rho": physics.rho, "variation": physics.variation, "noise": physics.noise},
        **{"arrays": asdict(spec), "epochs": epochs, "images": tuned.images, "origin": "simulated"},
        **{"before": tuned.before, "after": tuned.after},
    }
    info = {k: v for k, v in artifact.info.items() if k not in ("accuracy", "dataset", "proof", "baselines")}
    info["fine_tuned"] = [*(done if isinstance(done, list) else []), record]
    labels = labels_in(artifact.network.classes, dataset)
    written, proof = _prove_and_write(path, tuned.exported, dataset, labels, info, bars)
    return FineTuned(path, written, proof, tuned, dataset.sha256)
