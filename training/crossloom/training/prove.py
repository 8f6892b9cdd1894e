"""Proves that a torch model and its integer network compute the same, edge by edge, and writes the artifact."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from crossloom.sim import (
    Artifact,
    Comparison,
    ExportError,
    Network,
    compare,
    make_golden,
    run,
    save,
)
from crossloom.sim.identity import weights_sha256
from crossloom.sim.types import EXACT_FLOAT32, AnyArray, IntArray

from .export import Exported, convert
from .inputs import FloatArray, to_float
from .quantized import codes_of
from .runs import load_run
from .trace import Recorder, plain

MIN_SAMPLES = 1000
BATCH = 128

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Proof:
    """Equality shown for the network with this weights identity: samples, edges and codes compared, none differing."""

    weights_sha256: str
    samples: int
    edges: int
    codes: int


class RunMismatch(ExportError):
    """A training run whose network is not the one it is compared with."""


def torch_edges(exported: Exported, images: AnyArray) -> dict[str, IntArray]:
    """Return the codes (N, *shape) int64 of every edge that the torch model computes, for uint8 images (N, H, W, C).

    float32 on the CPU, no autocast; raises ExportError where a value is no multiple of its scale.
    """
    network = exported.network
    recorder = Recorder(exported.traced, {seen.tap for seen in exported.seen.values()})
    with torch.autocast("cpu", enabled=False):
        found = recorder.record(to_float(images, exported.values))
    edges = {}
    for name, seen in exported.seen.items():
        edge = network.edges[name]
        values = plain(found[seen.tap]).numpy()
        values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        if seen.order is not None:
            values = values[:, list(seen.order)]
        values = values.reshape(len(images), *edge.shape)
        edges[name] = codes_of(f"edge {name}", values, np.asarray(edge.type.frac))
    return edges


def compare_torch(exported: Exported, images: AnyArray, progress: Progress | None = None) -> Comparison:
    """Compare every edge of the torch model with the integer simulator on uint8 images (N, H, W, C)."""
    network = exported.network
    codes, differences, first = 0, dict[str, int](), None
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        expected = run(network, batch, edges=network.edges).edges
        part = compare(network, expected, torch_edges(exported, batch), start)
        codes += part.codes
        for name, count in part.differences.items():
            differences[name] = differences.get(name, 0) + count
        first = first or part.first
        if progress is not None:
            progress(start + len(batch))
    return Comparison(codes, differences, first)


def prove(exported: Exported, images: AnyArray, progress: Progress | None = None) -> Proof:
    """Return a Proof over uint8 images (N, H, W, C); raise ExportError naming the first code that differs.

    Also raised where an accumulator may reach 2^24: beyond it torch's own float32 sums are not exact.
    """
    network = exported.network
    for name, edge in network.edges.items():
        if edge.magnitude >= EXACT_FLOAT32:
            raise ExportError(
                f"{name}: partial sums reach {edge.magnitude}; torch adds exactly below 2^24 only: fewer bits for "
                "weights, bias or activations, or a smaller layer"
            )
    result = compare_torch(exported, images, progress)
    if result.first is not None:
        raise ExportError(
            f"the integer network differs from the torch model in {result.total} of {result.codes} codes; "
            f"first: {result.first}"
        )
    return Proof(weights_sha256(network), len(images), len(exported.seen), result.codes)


def export_model(
    model: nn.Module,
    *,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, int, int],
    values: FloatArray,
    images: AnyArray,
    progress: Progress | None = None,
) -> tuple[Network, Proof]:
    """Return the integer network of a Brevitas model and the proof that they are equal on `images`.

    `shape` (H, W, C); `values` (levels, 1 or C) float32: what an image value becomes at the model's input; `images`
    uint8 (N, H, W, C): at least 1,000 samples, or all there are. Raises ExportError for what has no exact integer
    form, and where a single code on any edge differs.
    """
    exported = convert(model, name=name, classes=classes, shape=shape, values=values)
    return exported.network, prove(exported, images, progress)


def compare_run(
    network: Network, run_dir: str | os.PathLike[str], images: AnyArray, progress: Progress | None = None
) -> tuple[int, str | None]:
    """Compare a network with the torch model of a training run: codes that differ, and the first one in words.

    Raises RunMismatch when the run's model has other weights than the network.
    """
    exported = convert_run(run_dir, network.name)
    if weights_sha256(exported.network) != weights_sha256(network):
        raise RunMismatch(
            f"{run_dir}: its checkpoint holds other weights than {network.name}; needed the run it was exported from"
        )
    result = compare_torch(exported, images, progress)
    return result.total, str(result.first) if result.first else None


def convert_run(run_dir: str | os.PathLike[str], name: str | None = None) -> Exported:
    """Return the network of a finished training run, not yet proved."""
    trained = load_run(run_dir)
    return convert(
        trained.model,
        name=name or trained.config.name,
        classes=trained.classes,
        shape=trained.shape,
        values=trained.values,
    )


def write_artifact(
    path: str | os.PathLike[str],
    network: Network,
    proof: Proof,
    *,
    dataset: str,
    images: AnyArray,
    labels: IntArray,
    info: Mapping[str, Any],
    progress: Progress | None = None,
) -> Artifact:
    """Measure accuracy on the test images uint8 (N, H, W, C), add golden vectors, and save the artifact.

    `info` is what belongs to the recipe alone (configuration, seed): no time, path or version, so that the same
    checkpoint gives the same bytes anywhere. Raises ExportError where the proof is of another network.
    """
    if proof.weights_sha256 != weights_sha256(network):
        raise ExportError(
            f"{path}: the proof is of other weights than {network.name}'s; prove this network, then write it"
        )
    right = int((run(network, images).labels == labels).sum())
    accuracy = {
        "value": right / len(labels),
        "right": right,
        "images": len(labels),
        "origin": f"measured by the integer simulator on {dataset}",
    }
    shown = {"samples": proof.samples, "edges": proof.edges, "codes": proof.codes, "differences": 0}
    golden = make_golden(network, dataset, images, labels, progress)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return save(Artifact(network, {**info, "accuracy": accuracy, "dataset": dataset, "proof": shown}, golden), path)
