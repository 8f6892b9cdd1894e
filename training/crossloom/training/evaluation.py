"""How a network does on images: its loss, its right answers, and for spiking ones how a step of training goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .data.labelled import Dataset, Ints
from .hierarchical import Hierarchical
from .inputs import FloatArray, to_float
from .models import Network
from .spiking.by_steps import backward_by_steps
from .spiking.encoding import DIRECT, Encoder
from .spiking.neurons import activity_penalty
from .spiking.settings import SpikingConfig
from .steps import evaluation_batches


class Evaluation(NamedTuple):
    """Fractions of images answered right and of super-classes found right (None: a flat network), and mean loss."""

    accuracy: float
    loss: float
    coarse_accuracy: float | None


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    part: Ints,
    values: FloatArray,
    coarse_weight: float = 0.5,
    encoder: Encoder = DIRECT,
) -> Evaluation:
    """Return how `model` does, in eval mode, on the images with indices `part`.

    An `encoder` takes the images by their numbers in that part. The loss is the cross entropy, of a hierarchical
    network as `Hierarchical.assess` has it.
    """
    training = model.training
    model.eval()
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    right, coarse, loss = 0, 0, 0.0
    with torch.no_grad():
        done, (height, width, channels) = 0, dataset.shape
        for rows in evaluation_batches(part, (encoder.steps * height, width, channels)):
            images = to_float(dataset.images[rows], values, encoder, done).to(device)
            labels, done = torch.from_numpy(dataset.labels[rows]).to(device), done + len(rows)
            batch_loss, batch_right, batch_coarse = assess(model, images, labels, 0.0, coarse_weight)
            right += int(batch_right.sum())
            coarse += int(batch_coarse.sum()) if batch_coarse is not None else 0
            loss += float(batch_loss) * len(rows)
    model.train(training)
    count = len(part)
    return Evaluation(right / count, loss / count, coarse / count if isinstance(model, Hierarchical) else None)


def assess(
    model: nn.Module, images: Tensor, labels: Tensor, smoothing: float, coarse_weight: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (loss, right answers (N,), right super-classes (N,) or None)."""
    if isinstance(model, Hierarchical):
        return model.assess(images, labels, smoothing, coarse_weight)
    logits = model(images).float()
    loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    spiking = _spiking(model)
    if spiking is not None and spiking.rate_weight:
        loss = loss + activity_penalty(model, spiking)
    return loss, logits.argmax(1) == labels, None


ByStep = Callable[[Tensor, Tensor, float, np.random.Generator], tuple[Tensor, Tensor]]
"""Of images, labels, label smoothing and a generator: adds the gradients; returns (loss, right answers (N,))."""


def steps_of(model: nn.Module) -> ByStep | None:
    """Return what trains a network one time step after the other, without `assess`; None for any other.

    A float network is none: its batch norms take their statistics over all steps.
    """
    spiking = _spiking(model)
    if spiking is None or spiking.mode != "sltt" or not isinstance(model, Network) or not model.quantized:
        return None

    def by_steps(images: Tensor, labels: Tensor, smoothing: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        def loss_of(scores: Tensor) -> Tensor:
            return functional.cross_entropy(scores, labels, label_smoothing=smoothing)

        loss, scores = backward_by_steps(model, images, loss_of, spiking, rng)
        return loss, scores.argmax(1) == labels

    return by_steps


def _spiking(model: nn.Module) -> SpikingConfig | None:
    return model.plan.config.spiking if isinstance(model, Network) else None
