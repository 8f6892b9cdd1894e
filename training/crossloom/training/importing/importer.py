"""Imports spiking networks of other programs: reads, converts, measures what that changes, writes the artifact."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import Artifact, ForeignError, Network, make_golden, run, save
from crossloom.sim.types import AnyArray, IntArray, check_network_name

from .chain import Chain
from .integers import Converted, ImportSettings, convert
from .measuring import Measured, Original, by_rule, listed, measure
from .nir_dialects import WRITERS, Unsaid
from .nir_file import read_nir
from .nir_graph import chain_of
from .nir_own import own_network

Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Imported:
    """A network of another program as integers, and what is known of the way.

    `settings` and `measured` are None for a file of ours, which holds the integers; `measured` also without images.
    """

    network: Network
    writer: str
    settings: ImportSettings | None = None
    rounded: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    measured: Measured | None = None

    def report(self) -> dict[str, Any]:
        """The import as plain data: the stable keys of `import --json`."""
        found = self.measured
        return {
            "writer": self.writer,
            "layers": [] if found is None else list(listed(found)),
            "spikes": None if found is None else found.spikes,
            "spikes_differing": None if found is None else found.differing,
            "guard": None if self.settings is None else self.settings.guard,
            "rounded": list(self.rounded),
            "assumed": list(self.assumed),
            "images": 0 if found is None else found.images,
            "accuracy_original": None if found is None else found.original,
            "accuracy": None if found is None else found.integers,
            "against": None if found is None else found.against,
        }


@dataclass(frozen=True, eq=False)
class RealInputs:
    """Real inputs to measure on: uint8 (N, H, W, C) or (N, C), labels (N,) where they are known, the set's name."""

    images: AnyArray
    labels: IntArray | None = None
    dataset: str = "images given"


def import_nir(
    path: str | os.PathLike[str],
    writer: str,
    settings: ImportSettings | None = None,
    *,
    step: float | None = None,
    shape: tuple[int, ...] | None = None,
    unsaid: Unsaid | None = None,
    images: RealInputs | None = None,
    classes: Sequence[str] = (),
    name: str = "",
    progress: Progress | None = None,
) -> Imported:
    """Return the network of a NIR file that the library `writer` wrote; "crossloom" for one of ours.

    `settings` are needed but for ours. `step` in seconds where the writer's exporter was given another one;
    `shape` (H, W, C) or (C,) of the images, where the file's Input does not say it; `unsaid`: what no file says of its
    neurons. On `images` the original runs beside the integers: by the library where it is installed, else by its rule
    in float64. Raises ForeignError, or MissingExtraError without nir.
    """
    if writer not in WRITERS:
        raise ForeignError(
            f"--writer {str(writer)[:40]!r}: needed the library that wrote the file: {', '.join(WRITERS)}"
        )
    file, plain = read_nir(path), _name(name or Path(path).stem)
    if writer == "crossloom":
        return Imported(own_network(file), writer)
    if settings is None:
        raise ForeignError("--steps: missing; needed the number of time steps: no NIR file says it")
    chain = chain_of(file, writer, step, shape, Unsaid() if unsaid is None else unsaid)
    original = _library(chain, settings) if images is not None else None
    return _imported(chain, settings, plain, classes, images, original, progress)


def import_model(
    model: Any,
    settings: ImportSettings,
    *,
    shape: tuple[int, ...],
    images: RealInputs | None = None,
    classes: Sequence[str] = (),
    name: str = "imported",
    progress: Progress | None = None,
) -> Imported:
    """Return the network of a torch model with neurons of snnTorch, SpikingJelly, sinabs or norse.

    `shape` (H, W, C) or (C,) of its images. On `images` the model itself runs beside the integers. Raises ForeignError
    naming the layer that has no integer form.
    """
    from .modules import model_chain
    from .running import by_model

    found = model_chain(model, shape)
    if found.calls > 1 and found.calls != settings.steps:
        raise ForeignError(f"steps: {settings.steps}; the model's forward takes {found.calls}; needed as many")
    original = by_model(found, settings) if images is not None else None
    return _imported(found.chain, settings, _name(name), classes, images, original, progress)


def _imported(
    chain: Chain,
    settings: ImportSettings,
    name: str,
    classes: Sequence[str],
    images: RealInputs | None,
    original: Original | None,
    progress: Progress | None,
) -> Imported:
    converted: Converted = convert(chain, settings, name, classes)
    measured = None
    if images is not None and original is not None:
        pixels = fitting(images.images, converted.network)
        measured = measure(original, converted, chain, settings, pixels, images.labels, progress)
    return Imported(converted.network, chain.writer, settings, converted.rounded, converted.assumed, measured)


def fitting(images: AnyArray, network: Network) -> AnyArray:
    """Return images (N, *shape) in the shape of a network's input; raise ForeignError where they are others."""
    shape = network.input.image_shape
    if images.dtype == np.uint8 and images.shape[1:] != shape and len(shape) == 1:
        flat = images.reshape(len(images), -1)
        if flat.shape[1:] == shape and (images.ndim < 4 or images.shape[-1] == 1):
            return flat
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        wanted = " x ".join(map(str, shape))
        raise ForeignError(f"images: {images.dtype} {list(images.shape)}; needed uint8 of {wanted}, at least one")
    return images


def _library(chain: Chain, settings: ImportSettings) -> Original:
    """The chain with neurons of the library that wrote it, where it is installed; else by its rule."""
    try:
        from .running import by_library
    except ImportError:  # without torch there is no library either
        return by_rule(chain, settings)
    return by_library(chain, settings)


def _name(text: str) -> str:
    """A network's name out of a file's."""
    plain = "-".join(part for part in "".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
    plain = plain[:60].strip("-")
    return check_network_name(plain if plain[:1].isalpha() else f"net-{plain}".rstrip("-"))


def write_imported(
    imported: Imported,
    path: str | os.PathLike[str],
    images: RealInputs | None = None,
    more: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Artifact:
    """Save an import as an artifact: what was measured stands in its info; `images` become its golden vectors."""
    report = imported.report()
    info: dict[str, Any] = {"imported": {**report, **(more or {})}}
    golden = None
    if images is not None:
        pixels = fitting(images.images, imported.network)
        info["dataset"] = images.dataset
        if images.labels is not None:
            right = int((run(imported.network, pixels).labels == images.labels).sum())
            info["accuracy"] = {
                "value": right / len(pixels),
                "right": right,
                "images": len(pixels),
                "origin": f"measured by the integer simulator on {images.dataset}",
            }
        golden = make_golden(imported.network, images.dataset, pixels, images.labels, progress)
    return save(Artifact(imported.network, info, golden), path)
