"""What every training shares: batches, optimizer, learning rate, number of threads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from .config import TrainingConfig
from .data.labelled import Ints

WARM_UP = 0.3
"""The part of a one-cycle phase in which the learning rate rises."""

EVALUATION_IMAGES = 512
EVALUATION_BYTES = 256 << 20


def optimizer(learned: Sequence[nn.Parameter], training: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW; weight matrices decay, biases, batch norms and learned ranges do not."""
    groups = [
        {"params": [p for p in learned if p.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in learned if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate)


def evaluation_batches(indices: Ints, shape: tuple[int, ...]) -> list[Ints]:
    """Return the indices of images (H, W, C) in order, in batches of up to 512: of large images in smaller ones.

    64 channels of float32 at the images' size fit into 256 MiB: what a wide first layer takes.
    """
    size = min(max(1, EVALUATION_BYTES // (4 * 64 * shape[0] * shape[1])), EVALUATION_IMAGES)
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def batches_of(order: Ints, size: int) -> list[Ints]:
    """Return the indices in batches of about equal size, at most `size` but never one alone: batch norm needs two."""
    return np.array_split(order, max(1, min(-(-len(order) // size), len(order) // 2)))


def learning_rate(training: TrainingConfig, peak: float, done: float) -> float:
    """Return the schedule's learning rate where the fraction `done` of a phase is over.

    "one-cycle" (arXiv 1708.07120): in even steps from 1/25 of the peak to the peak, then along a cosine to 0.
    """
    if training.schedule == "constant":
        return peak
    if training.schedule == "one-cycle":
        if done < WARM_UP:
            return peak * (1 / 25 + (1 - 1 / 25) * done / WARM_UP)
        done = (done - WARM_UP) / (1 - WARM_UP)
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))


@contextmanager
def torch_threads(count: int | str) -> Iterator[None]:
    """Give torch `count` threads for a while; 0 and "auto" leave its own number, which may change in between."""
    before = torch.get_num_threads()
    try:
        if isinstance(count, int) and count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
