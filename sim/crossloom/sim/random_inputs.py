"""Inputs for random and other networks, corners first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .network import INPUT, Network, Node
from .ops import Conv2d, Dense
from .types import IntArray


def random_codes(network: Network, seed: int, count: int) -> IntArray:
    """Return int32 input codes (count, *image_shape), int64 where the type needs it; corners first.

    All lowest, all highest, a checkerboard of both, and for each output channel of the layers that read the input
    the codes that drive its accumulator to its highest and lowest value; then random codes, every other image of
    extremes alone.
    """
    rng = np.random.default_rng(seed)
    shape, type_ = network.input.edge.image_shape, network.input.type
    lo, hi = type_.lo, type_.hi
    driving = [np.broadcast_to(image, shape) for image in _driving(network.nodes, network.input.shape, lo, hi)]
    board = np.where(np.indices(shape).sum(0) % 2, lo, hi)
    images = [np.full(shape, lo), np.full(shape, hi), board, *driving]
    while len(images) < count:
        low = rng.random(shape) < 0.5
        images.append(np.where(low, lo, hi) if len(images) % 2 else rng.integers(lo, hi, shape, endpoint=True))
    found: IntArray = np.stack(images[:count]).astype(np.promote_types(np.int32, type_.dtype))
    return found


def _driving(nodes: Sequence[Node], shape: tuple[int, ...], lo: int, hi: int) -> list[IntArray]:
    images: list[IntArray] = []
    for node in nodes:
        op = node.op
        if node.inputs != (INPUT,) or not isinstance(op, Conv2d | Dense):
            continue
        for channel, weight in enumerate(op.weight):
            for up in (True, False):
                wanted = np.where((weight > 0) == up, hi, lo)
                image = np.full(shape, lo)
                if isinstance(op, Dense):
                    image = wanted
                else:
                    kh, kw, per_group = wanted.shape
                    at = channel // (len(op.weight) // op.groups) * per_group
                    part = image[:kh, :kw, at : at + per_group]
                    part[...] = wanted[: part.shape[0], : part.shape[1]]
                images.append(image)
    return images
