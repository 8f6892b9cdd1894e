"""Small pictures of what changes from step to step: events and spikes on a layer's pixels, and rasters of neurons."""

from __future__ import annotations

import numpy as np

from crossloom.sim.network import Input
from crossloom.sim.types import AnyArray

from .markup import Markup, el
from .png import MAX_SIDE, data_uri, picture

SPIKE = (48, 136, 210)  # as the style sheet's c0, between light and dark: pictures cannot ask which is shown
DARKER, BRIGHTER = (206, 84, 40), SPIKE
ROWS = 216  # of a raster at most; neurons share rows beyond
_WIDTH, _HEIGHT = 168, 216  # of a raster in pixels, at least
MOST_PICTURES = 32  # of a strip; more steps are joined
OF_LAYERS = 6  # as many beside each other as a raster is wide


def colored(amounts: AnyArray, *colors: tuple[int, int, int]) -> AnyArray:
    """Return RGBA uint8 (H, W, 4) of amounts 0..1 (H, W, colors): each one's colour, as opaque as their sum."""
    whole = amounts.sum(2)
    mixed = amounts @ np.array(colors, np.float64) / np.maximum(whole, 1e-9)[..., None]
    found: AnyArray = np.rint(np.concatenate([mixed, 255 * np.minimum(whole, 1)[..., None]], 2)).astype(np.uint8)
    return found


def frame_picture(counts: AnyArray, most: float, *, polarities: bool) -> str:
    """Return a data: URI of counts (H, W, C): of two polarities in their colours, else of all channels together."""
    step = -(-max(counts.shape[:2]) // MAX_SIDE)
    shown = counts[::step, ::step].astype(np.float64)
    # The square root keeps single events in sight.
    shown = np.sqrt((shown if polarities else shown.sum(2, keepdims=True)) / max(most, 1))
    return data_uri(colored(shown, *((DARKER, BRIGHTER) if polarities else (SPIKE,))))


def input_picture(given: Input, image: AnyArray) -> str | None:
    """Return a data: URI of an image as a network takes it, its events of all steps together; None for a vector."""
    if given.encoder != "events" or len(given.shape) != 3:
        return picture(image, given.levels)
    counts = image.reshape(-1, *given.shape).sum(0, dtype=np.int64)
    polarities = given.shape[2] == 2
    return frame_picture(counts, (counts if polarities else counts.sum(2)).max(), polarities=polarities)


def strip(counts: AnyArray, *, polarities: bool, words: str, most: int = MOST_PICTURES) -> Markup:
    """Up to `most` small pictures of counts (steps, H, W, C); `words` say what they show, to those who see none."""
    joined = -(-len(counts) // most)
    parts = [counts[start : start + joined].sum(0, dtype=np.int64) for start in range(0, len(counts), joined)]
    highest = max((part if polarities else part.sum(2)).max() for part in parts)
    pictures = []
    for index, part in enumerate(parts):
        first, last = index * joined + 1, min((index + 1) * joined, len(counts))
        label = f"step {first}" if first == last else f"steps {first} to {last}"
        source = frame_picture(part, highest, polarities=polarities)
        image = el("img", src=source, alt=f"{words}, {label}", title=f"{label}: {int(part.sum()):,}")
        pictures.append(el("li", image, el("span", f"{first}" if first == last else f"{first}-{last}")))
    return el("ul", *pictures, class_="strip")


def raster(spikes: AnyArray, words: str) -> tuple[Markup, int]:
    """Spikes (steps, *shape) as a picture, steps to the right, neurons downwards by channel; and how many share a row.

    The row with most spikes in a step is opaque.
    """
    steps = len(spikes)
    flat = np.moveaxis(spikes, -1, 1).reshape(steps, -1).astype(np.float64)
    together = -(-flat.shape[1] // ROWS)
    rows = -(-flat.shape[1] // together)
    padded = np.zeros((steps, rows * together))
    padded[:, : flat.shape[1]] = flat
    amounts = padded.reshape(steps, rows, together).mean(2).T
    amounts /= max(amounts.max(), 1e-9)
    across, down = max(1, _WIDTH // steps), max(1, _HEIGHT // rows)
    drawn = np.sqrt(amounts).repeat(down, 0).repeat(across, 1)
    if across > 5:
        drawn[:, across - 1 :: across] = 0
    if down > 4:
        drawn[down - 1 :: down] = 0
    return el("img", src=data_uri(colored(drawn[..., None], SPIKE)), alt=words, title=words), together
