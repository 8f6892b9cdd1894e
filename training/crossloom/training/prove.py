"""Proves that a torch model and its integer network compute the same, edge by edge, and writes the artifact."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from crossloom.sim import (
    Artifact,
    ArtifactError,
    Comparison,
    Edge,
    ExportError,
    Network,
    batches,
    compare,
    images_at_once,
    make_golden,
    run,
    save,
)
from crossloom.sim.comparison import joined
from crossloom.sim.crossbar import wilson
from crossloom.sim.identity import weights_sha256
from crossloom.sim.loom import from_bytes, to_bytes
from crossloom.sim.types import EXACT_FLOAT32, AnyArray, IntArray

from .arguments import bare, checked_dataset, checked_images, checked_info, checked_labels, checked_shape, refuse_size
from .export import Exported, TracedSection, convert, convert_routed
from .geometry import NO_PADS
from .hierarchical import AnyNetwork, Hierarchical, rows_of
from .inputs import FloatArray
from .quantized import codes_of
from .runs import load_run
from .spiking.encoding import DIRECT, Encoder
from .spiking.fitting import encoder_of
from .state import evaluating, unchanged
from .tracing import Recorder, plain, random_node

MIN_SAMPLES = 1000
IDLE_IMAGES = 128  # at most, for a branch that none of them takes

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Proof:
    """Equality shown for the network with this weights identity: samples, edges and codes compared, none differing.

    `precision` is torch's in the sums of layers: "float64" where sums may reach 2^24, which float32 does not carry.
    """

    weights_sha256: str
    samples: int
    edges: int
    codes: int
    precision: str = "float32"


class RunMismatch(ExportError):
    """A training run whose network is not the one it is compared with."""


def torch_edges(exported: Exported, images: AnyArray, index: int = 0) -> dict[str, IntArray]:
    """Return the codes (N, *shape) of every edge that the torch model computes, for uint8 images (N, H, W, C).

    `index` is the first image's number in its set. In the dtype of the edge's type, or int64 where a code is outside of
    it.

    A routed model runs for each image the branch of torch's own coarse logits. float32 on the CPU, sums of layers in
    `precision` (`Proof`), no autocast; raises ExportError where a value is no multiple of its scale.
    """
    network, (first, *rest) = exported.network, exported.sections
    with evaluating(*(section.traced for section in exported.sections)):
        exact = precision(network) == "float64"
        edges, source = _section_edges(first, exported.reads(images, index), network.edges, exact)
        if network.route is None:
            return edges
        head, *branches = rest
        found, _ = _section_edges(head, source, network.edges, exact)
        edges |= found
        taken = edges[network.output].argmax(axis=1)
        for index, branch in enumerate(branches):
            inside = np.flatnonzero(taken == index)
            if not len(inside):
                continue
            own = rows_of(source, torch.from_numpy(inside), len(images))
            found, _ = _section_edges(branch, own, network.branch_edges[index], exact)
            for name, codes in found.items():
                whole = edges.setdefault(name, np.zeros((len(images), *codes.shape[1:]), codes.dtype))
                edges[name] = whole = whole.astype(np.promote_types(whole.dtype, codes.dtype), copy=False)
                whole[inside] = codes
    return edges


def precision(network: Network) -> str:
    """Return in what torch must add for its sums to be exact: "float32", or "float64" where they may reach 2^24."""
    edges = [*network.edges.values(), *(edge for branch in network.branch_edges for edge in branch.values())]
    return "float64" if any(edge.magnitude >= EXACT_FLOAT32 for edge in edges) else "float32"


def _section_edges(
    section: TracedSection, reads: Any, types: Mapping[str, Edge], exact: bool
) -> tuple[dict[str, IntArray], Any]:
    """Return the codes of a section's edges, and what it returns in torch."""
    recorder = Recorder(section.traced, {seen.tap for seen in section.seen.values()}, exact)
    found = recorder.record(reads.flatten(1) if section.flat else reads)
    edges = {}
    for name, seen in section.seen.items():
        edge = types[name]
        values = plain(found[seen.tap]).numpy()
        values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        if seen.border != NO_PADS:
            top, bottom, left, right = seen.border
            values = values[:, top : values.shape[1] - bottom, left : values.shape[2] - right]
        if seen.zero_first:
            values = np.concatenate([np.zeros_like(values), values], axis=-1)
        if seen.order is not None:
            values = values[:, list(seen.order)]
        values = values.reshape(len(values), *edge.shape)
        codes = codes_of(f"edge {name}", values, np.asarray(edge.type.frac))
        inside = edge.type.lo <= codes.min(initial=0) and codes.max(initial=0) <= edge.type.hi
        codes = codes.astype(edge.type.dtype) if inside else codes
        if edge.steps > 1:  # torch has one step after the other
            codes = codes.reshape(edge.steps, -1, *edge.shape).swapaxes(0, 1)
        edges[name] = codes
    return edges, recorder.result


def _compare_bank(exported: Exported, index: int, images: AnyArray, first_image: int) -> Comparison:
    """Compare the edges of one branch on images that may take another."""
    network, branch = exported.network, exported.sections[2 + index]
    route = network.route
    assert route is not None
    exact = precision(network) == "float64"
    _, source = _section_edges(exported.sections[0], exported.reads(images, first_image), network.edges, exact)
    found, _ = _section_edges(branch, source, network.branch_edges[index], exact)
    edges = {**network.edges, **network.branch_edges[index]}
    codes = dict(run(network, images, edges=[route.source], index=first_image).edges)
    for node in route.branches[index].nodes:
        kernel = node.op.batch_kernel([edges[name] for name in node.inputs], edges[node.name])
        codes[node.name] = kernel(*(codes[name].astype(edges[name].carrier) for name in node.inputs))
    return compare(network, codes, found, first_image)


def compare_torch(exported: Exported, images: AnyArray, progress: Progress | None = None) -> Comparison:
    """Compare every edge of the torch model with the integer simulator on uint8 images (N, H, W, C).

    A branch that none of the images takes is compared on the first of them all the same.
    """
    network = exported.network
    idle = set(range(len(exported.sections) - 2))  # all that follow trunk and head; none in a flat network
    parts = []
    for rows in batches(network, len(images)):
        found = torch_edges(exported, images[rows], rows.start)
        expected = run(network, images[rows], edges=network.edges, index=rows.start)
        parts.append(compare(network, expected.edges, found, rows.start))
        idle -= set() if expected.branch is None else set(expected.branch.tolist())
        del found, expected  # two batches would be there at once
        if progress is not None:
            progress(rows.stop)
    with evaluating(*(section.traced for section in exported.sections)):
        for rows in batches(network, min(len(images), IDLE_IMAGES)):
            parts += [_compare_bank(exported, index, images[rows], rows.start) for index in sorted(idle)]
    return joined(network, parts)


def prove(exported: Exported, images: AnyArray, progress: Progress | None = None) -> Proof:
    """Return a Proof over uint8 images (N, H, W, C); raise ExportError naming the first code that differs.

    Also raised without an image, and where torch itself does not answer twice the same: something random is on.
    """
    network = exported.network
    images = checked_images(images, network.input.image_shape)
    try:
        result = compare_torch(exported, images, progress)
    except ExportError:
        _refuse_random(exported, images)
        raise
    if result.first is not None:
        _refuse_random(exported, images)
        raise ExportError(
            f"the integer network differs from the torch model in {result.total} of {result.codes} codes; "
            f"first: {result.first}"
        )
    return Proof(weights_sha256(network), len(images), exported.edges, result.codes, precision(network))


def _refuse_random(exported: Exported, images: AnyArray) -> None:
    """Raise ExportError naming a layer of the torch model that answers otherwise when run again."""
    reads: Any = exported.reads(images[: images_at_once(exported.network)])
    with evaluating(*(section.traced for section in exported.sections)):
        for section in exported.sections:
            values = reads.flatten(1) if section.flat else reads
            name = random_node(section.traced, values)
            if name is not None:
                raise ExportError(
                    f"{name}: torch gives other values when run again; needed a model without chance in eval mode; "
                    "switch the random layer off"
                )
            if section is exported.sections[0]:
                recorder = Recorder(section.traced)
                recorder.record(values)
                reads = recorder.result


def export_model(
    model: nn.Module,
    *,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, ...],
    values: FloatArray,
    images: AnyArray,
    encoder: Encoder = DIRECT,
    progress: Progress | None = None,
) -> tuple[Network, Proof]:
    """Return the integer network of a Brevitas model and the proof that they are equal on `images`.

    `shape` (H, W, C); `values` (levels, 1 or C) float32: what an image value becomes at the model's input; `images`
    uint8 (N, H, W, C): at least 1,000 samples, or all there are. `encoder` makes time steps of an image: the model then
    reads them one after the other in its batch, and "events" are images (N, steps, H, W, C). Of a model with one logit
    name both classes, the second being the answer where it is above 0, or that one alone: the first is "not" it. Raises
    ExportError for what has no exact integer form, and where a single code on any edge differs.
    """
    time = (encoder.steps,) if encoder.kind == "events" and encoder.steps > 1 else ()
    images = checked_images(images, (*time, *checked_shape(shape)))
    with unchanged(bare("model", model)):
        exported = convert(model, name=name, classes=classes, shape=shape, values=values, encoder=encoder)
        refuse_size(exported.network)
        return exported.network, prove(exported, images, progress)


def export_routed(
    trunk: nn.Module,
    head: nn.Module,
    branches: Mapping[str, nn.Module],
    members: Sequence[Sequence[int]],
    *,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, ...],
    values: FloatArray,
    images: AnyArray,
    progress: Progress | None = None,
) -> tuple[Network, Proof]:
    """Return the integer network of a hierarchical Brevitas model and the proof that they are equal on `images`.

    `trunk`, `head`, `branches` and `members` as in `export.convert_routed`, all else as in `export_model`.
    """
    images = checked_images(images, checked_shape(shape))
    parts = {"trunk": trunk, "head": head, **(branches if isinstance(branches, Mapping) else {})}
    with unchanged(*(bare(what, part) for what, part in parts.items())):
        exported = convert_routed(
            trunk, head, branches, members, name=name, classes=classes, shape=shape, values=values
        )
        refuse_size(exported.network)
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
    return convert_model(
        trained.model,
        name or trained.config.name,
        trained.classes,
        trained.shape,
        trained.values,
        encoder_of(trained.config),
    )


def convert_model(
    model: AnyNetwork,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, ...],
    values: FloatArray,
    encoder: Encoder = DIRECT,
) -> Exported:
    """Return the network of a model that a recipe made, flat or hierarchical, not yet proved."""
    if not isinstance(model, Hierarchical):
        return convert(model, name=name, classes=classes, shape=shape, values=values, encoder=encoder)
    if not model.routed:
        raise ExportError(
            f"{name}: a B-CNN computes two levels of logits for every image, and an artifact has one; needed a routed "
            'network: write branches = "routed", or drop the coarse head'
        )
    branches = {bank: module for bank, module in zip(model.hierarchy.names, model.banks, strict=True)}
    return convert_routed(
        model.trunk, model.head, branches, model.members, name=name, classes=classes, shape=shape, values=values
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
    parts: Sequence[tuple[str, int]] = (),
    progress: Progress | None = None,
) -> Artifact:
    """Measure accuracy on the test images uint8 (N, H, W, C), add golden vectors, and save the artifact.

    `info` is what belongs to the recipe alone (configuration, seed): no time, path or version, so that the same
    checkpoint gives the same bytes anywhere. `parts`: names and sizes of pieces of the test images, in their order,
    whose accuracies are stated too. Raises ExportError where the proof is of another network.
    """
    if proof.weights_sha256 != weights_sha256(network):
        raise ExportError(
            f"{path}: the proof is of other weights than {network.name}'s; prove this network, then write it"
        )
    images = checked_images(images, network.input.image_shape)
    labels, dataset = checked_labels(labels, len(images), len(network.classes)), checked_dataset(dataset)
    info = checked_info(info)
    answers = run(network, images)
    right = answers.labels == labels
    accuracy = {**_share(right), "origin": f"measured by the integer simulator on {dataset}"}
    if parts:
        ends = np.cumsum([0, *(size for _, size in parts)]).tolist()
        pieces = zip(parts, ends, ends[1:], strict=False)
        accuracy["parts"] = {name: _share(right[first:last]) for (name, _), first, last in pieces}
    if network.route is not None and answers.branch is not None:
        taken = [branch.classes for branch in network.route.branches]
        found = sum(int(label) in taken[int(branch)] for label, branch in zip(labels, answers.branch, strict=True))
        accuracy["coarse"] = found / len(labels)
    shown: dict[str, Any] = {"samples": proof.samples, "edges": proof.edges, "codes": proof.codes, "differences": 0}
    if proof.precision != "float32":
        shown["precision"] = proof.precision
    golden = make_golden(network, dataset, images, labels, progress)
    artifact = Artifact(network, {**info, "accuracy": accuracy, "dataset": dataset, "proof": shown}, golden)
    try:
        from_bytes(to_bytes(artifact))
    except ArtifactError as error:
        raise ExportError(f"{path}: what would be written cannot be read ({error}); nothing was written") from None
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"{Path(path).parent}: cannot be made ({error.strerror}); needed a folder to write in; choose another one"
        ) from None
    return save(artifact, path)


def _share(right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """The share of right answers, of how many, and Wilson's interval of 95 % for it."""
    count, images = int(right.sum()), len(right)
    interval = [float(end) for end in wilson(count, images)]
    return {"value": count / images, "right": count, "images": images, "interval": interval}
