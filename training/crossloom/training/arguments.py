"""Takes what a caller of export may have meant, and refuses in one line what nobody can know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from crossloom.sim import ArtifactError, ExportError, Network
from crossloom.sim.loom import check_size
from crossloom.sim.types import AnyArray, IntArray

from .inputs import FloatArray


def bare(what: str, model: Any) -> nn.Module:
    """Return the torch model inside what torch wraps around one to train or compile it; refuse what is none."""
    while isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        model = model.module
    model = getattr(model, "_orig_mod", model)  # torch.compile
    if isinstance(model, torch.jit.ScriptModule):
        raise ExportError(f"{what}: a scripted model; needed the nn.Module that it was made from")
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ExportError(f"{what}: the class {model.__name__}; needed a model: {model.__name__}(), with its weights")
    if not isinstance(model, nn.Module):
        remedy = "load it into one by load_state_dict" if isinstance(model, Mapping) else "give the trained model"
        raise ExportError(f"{what}: {type(model).__name__}; needed an nn.Module; {remedy}")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.device.type != "cpu":
            raise ExportError(f"{what}: {name} is on {tensor.device}; needed the cpu: model.cpu()")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ExportError(f"{what}: {name} is {tensor.dtype}; needed float32: model.float()")
    return model


def checked_classes(classes: Any, least: int = 2) -> tuple[str, ...]:
    """Return the names of the classes, `least` or more."""
    if isinstance(classes, str | Mapping) or not isinstance(classes, Sequence | np.ndarray):
        raise ExportError(f"classes: {classes!r:.80}; needed the name of every class, in a tuple")
    for name in classes:
        if not isinstance(name, str):
            raise ExportError(f"classes: {name!r:.80} is no name; needed text: [str(c) for c in classes]")
    if len(classes) < least:
        raise ExportError(f"classes: {len(classes)} of them; needed {least} or more; name every class")
    return tuple(map(str, classes))


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Return the shape of an image (H, W, C), or of a sample of features (C,)."""
    try:
        found = tuple(int(n) if int(n) == n else 0 for n in shape)
    except (TypeError, ValueError):
        found = ()
    if len(found) == 2:
        raise ExportError(f"shape: {found}; needed (H, W, C); of grey images write ({found[0]}, {found[1]}, 1)")
    if len(found) not in (1, 3) or min(found) < 1:
        raise ExportError(f"shape: {shape!r:.80}; needed (H, W, C) of one image, or (C,) of one sample of features")
    return found


def checked_values(values: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return the table (levels, 1 or C) float32 of what image values become."""
    try:
        found = np.asarray(values)
        table = found.astype(np.float32) if found.dtype.kind in "fiu" else None
    except (TypeError, ValueError, RuntimeError):
        table = None
    if table is not None and table.ndim == 1:
        table = table[:, None]
    if table is None or table.ndim != 2 or table.shape[1] not in (1, shape[-1]) or not 2 <= len(table) <= 256:
        shown = type(values).__name__ if table is None else f"shape {list(table.shape)}"
        raise ExportError(
            f"values: {shown}; needed float32 of (256, 1) or (256, {shape[-1]}): what each image value becomes at the "
            "model's input"
        )
    if not np.isfinite(table).all():
        raise ExportError("values: one is not finite; needed numbers: what each image value becomes")
    return table


def checked_images(images: Any, shape: tuple[int, ...]) -> AnyArray:
    """Return uint8 images (N, *shape), at least one."""
    try:
        found = np.asarray(images)
    except (TypeError, ValueError, RuntimeError):
        raise ExportError(f"images: {type(images).__name__}; needed a uint8 array of (N, {_listed(shape)})") from None
    if found.dtype.kind in "iu" and found.dtype != np.uint8 and found.size and 0 <= found.min() <= found.max() <= 255:
        found = found.astype(np.uint8)
    if found.dtype != np.uint8:
        raise ExportError(
            f"images: {found.dtype}; needed uint8, the image values themselves: `values` says what each becomes"
        )
    if found.shape[1:] != shape:
        remedy = "give them so"
        if found.shape == shape:
            remedy = "write images[None] for a single one"
        elif shape[-1] == 1 and found.shape[1:] == shape[:-1]:
            remedy = "write images[..., None]"
        elif len(shape) == 3 and found.shape[1:] == (shape[2], *shape[:2]):
            remedy = "write images.transpose(0, 2, 3, 1)"
        raise ExportError(f"images: shape {list(found.shape)}; needed (N, {_listed(shape)}); {remedy}")
    if not len(found):
        raise ExportError("images: 0 images; needed at least 1, and 1,000 to prove much; give some")
    return found


def checked_labels(labels: Any, count: int, classes: int) -> IntArray:
    """Return the labels (count,) of test images as int64."""
    try:
        found = np.asarray(labels)
    except (TypeError, ValueError, RuntimeError):
        found = np.asarray(None)
    if found.dtype.kind not in "iu" or found.shape != (count,):
        shown = f"{found.dtype} of shape {list(found.shape)}"
        raise ExportError(f"labels: {shown}; needed integers of ({count},), the class index of each image")
    if int(found.min()) < 0 or int(found.max()) >= classes:
        raise ExportError(
            f"labels: {int(found.min())}..{int(found.max())}; needed class indices, 0..{classes - 1}; count from 0"
        )
    return found.astype(np.int64)


def checked_dataset(dataset: Any) -> str:
    """Return the name of the test images."""
    if not isinstance(dataset, str) or not dataset:
        raise ExportError(f"dataset: {dataset!r:.80}; needed the name of the test images, as text: 'pets test'")
    return dataset


def checked_info(info: Any) -> dict[str, Any]:
    """Return what belongs to the recipe as a JSON object."""
    if not isinstance(info, Mapping) or not all(isinstance(key, str) for key in info):
        raise ExportError(f"info: {type(info).__name__}; needed a dict of names to values; write info={{}} for nothing")
    try:
        json.dumps(dict(info), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        text = next(iter(str(error).splitlines()), "")
        raise ExportError(f"info: it is no JSON ({text[:120]}); needed text, numbers, lists and dicts") from None
    return dict(info)


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def refuse_size(network: Network, images: int = 0) -> None:
    """Raise ExportError where no artifact could hold the network, and golden vectors of `images` test images."""
    try:
        check_size(network, images)
    except ArtifactError as error:
        raise ExportError(str(error)) from None
