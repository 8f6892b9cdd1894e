"""The way from a recipe to a proved artifact: find it, train it, export it, prove it, save it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from crossloom.sim import Artifact, ConfigError

from .config import Config, DataConfig, config_dict, load_config, override
from .datasets import Dataset, Images, load_dataset
from .loop import train
from .prove import MIN_SAMPLES, Proof, convert_run, prove, write_artifact
from .runs import TrainedModel

TEST = " test"

Bars: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Makes a progress bar from a label and a total; it is told how many are done."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A trained, proved and saved network."""

    path: Path
    artifact: Artifact
    proof: Proof
    trained: TrainedModel


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


def find_dataset(data: DataConfig, own: str | None = None, data_dir: str | None = None) -> Dataset:
    """Return a recipe's data set; `own` names images instead, `data_dir` where a named set lies."""
    if own is not None:
        return load_dataset(replace(data, name=None, path=own))
    return load_dataset(data if data_dir is None else replace(data, path=data_dir))


def test_images(golden: str, own: str | None = None, data_dir: str | None = None) -> Images:
    """Return the test images (N, H, W, C) that golden vectors of the data set `golden` ("NAME test") were made with."""
    name = golden.removesuffix(TEST)
    dataset = find_dataset(DataConfig(name=name if own is None else None), own, data_dir)
    return dataset.images[dataset.test]


def train_and_export(
    config: Config,
    dataset: Dataset,
    run_dir: str | os.PathLike[str],
    *,
    resume: bool = False,
    bars: Bars | None = None,
) -> Finished:
    """Train a recipe, prove its integer network equal, and save `NAME.loom` in `run_dir`.

    Proved on the test images and as many training images as make 1,000 samples (all where there are fewer). `bars`
    makes a progress bar from a label and a total. Raises ConfigError or ExportError.
    """
    folder = Path(run_dir)
    trained = train(config, dataset, folder, resume=resume, progress=bars is not None)
    return export_trained(trained, dataset, folder, bars)


def export_trained(trained: TrainedModel, dataset: Dataset, folder: Path, bars: Bars | None = None) -> Finished:
    """Prove and save the network of a finished run; see `train_and_export`."""
    exported = convert_run(folder)
    spare = max(0, MIN_SAMPLES - len(dataset.test))
    samples = dataset.images[np.concatenate([dataset.test, dataset.train[:spare]])]
    images, labels = dataset.images[dataset.test], dataset.labels[dataset.test]
    plain: dict[str, Any] = config_dict(trained.config)
    plain["data"].pop("path", None)
    info = {"config": plain, "seed": trained.config.training.seed, "dataset_sha256": dataset.sha256}
    path = folder / f"{trained.config.name}.loom"
    with bars("proof", len(samples)) if bars else nullcontext() as tick:
        proof = prove(exported, samples, tick)
    with bars("golden vectors", len(images)) if bars else nullcontext() as tick:
        artifact = write_artifact(
            path,
            exported.network,
            proof,
            dataset=dataset.name + TEST,
            images=images,
            labels=labels,
            info=info,
            progress=tick,
        )
    return Finished(path, artifact, proof, trained)
