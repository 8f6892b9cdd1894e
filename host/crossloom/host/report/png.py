"""Pictures as PNG in data: URIs, with zlib alone: the base install has no imaging library."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from crossloom.sim.types import AnyArray

# Pages stay small: every k-th pixel of what is larger, which is said beside the pictures.
MAX_SIDE = 128


def encode_png(pixels: AnyArray) -> bytes:
    """Return the PNG (ISO/IEC 15948) of uint8 pixels: (H, W, 1) grey, (H, W, 3) RGB, (H, W, 4) RGB and how opaque."""
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # filter 0, then the row
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    body = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def picture(image: AnyArray, levels: int) -> str | None:
    """Return a data: URI of one image, uint8 (H, W, C) below `levels` scaled to 0..255; None for a vector (C,).

    Images of other than 1 or 3 channels are shown as the grey mean of their channels.
    """
    if image.ndim != 3:
        return None
    step = -(-max(image.shape[:2]) // MAX_SIDE)
    shown = image[::step, ::step].astype(np.float64) * 255 / (levels - 1)
    if shown.shape[2] != 3:
        shown = shown.mean(axis=2, keepdims=True)
    return data_uri(np.rint(shown).astype(np.uint8))


def data_uri(pixels: AnyArray) -> str:
    """Return pixels as `encode_png` takes them as a data: URI."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")
