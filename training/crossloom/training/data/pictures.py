"""One picture file as its viewer shows it, in 8-bit grey or RGB; what has no such form is refused by name."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossloom.sim.errors import ConfigError, MissingExtraError

from .files import check_file, reason, shown
from .labelled import MAX_SIDE, Images

if TYPE_CHECKING:
    from PIL.Image import Image

# What these hold is known: their depth, alpha, orientation and frames are all seen below.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_NEEDED = "needed a PNG, JPEG, BMP, GIF, TIFF, WebP or PPM picture"
_GREY = ("1", "L", "LA", "La")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX")
_DEEP = ("I", "F")
_BITS, _SAMPLE_FORMAT, _UNSIGNED = 258, 339, 1  # two tags of TIFF, and a value of the second


def read_picture(path: Path, channels: int | None = None) -> Images:
    """Return a picture as uint8 (H, W, C), turned as its EXIF orientation says.

    C is 1 for a grey picture and 3 for another, or `channels`, to which it is converted. An alpha channel that is
    opaque everywhere is dropped. Raises ConfigError in one line for transparency, more than 8 bits a channel, several
    frames, other colours than grey and RGB, and what is no whole picture; MissingExtraError without Pillow.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise MissingExtraError(
            f"{shown(path)}: Pillow is not installed; needed to read pictures; pip install 'crossloom[training]'"
        ) from None
    log = logging.getLogger("PIL")
    if not log.handlers:  # what it tells a log is told by the errors below; without this it would go to stderr
        log.addHandler(logging.NullHandler())
    head = check_file(path, f"{_NEEDED}; remove or replace it")
    where = shown(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow only warns of is an error here, or seen below
            with Image.open(path) as image:
                _check(where, image, head)
                image.load()
                plain = _opaque(where, ImageOps.exif_transpose(image))
                kind = {None: "L" if plain.mode in _GREY else "RGB", 1: "L", 3: "RGB"}[channels]
                pixels = np.array(plain.convert(kind), dtype=np.uint8)
    except ConfigError:
        raise
    except UnidentifiedImageError:
        raise ConfigError(f"{where}: not an image that Pillow reads; {_NEEDED}; remove or replace it") from None
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files
        raise ConfigError(f"{where}: damaged ({reason(error)}); needed a whole image; replace it") from None
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _check(where: str, image: Image, head: bytes) -> None:
    """Raise ConfigError for what an opened picture's header tells and its pixels would not show."""
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise ConfigError(f"{where}: {width}x{height} pixels; needed sides up to {MAX_SIDE}; make it smaller")
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise ConfigError(f"{where}: {frames} frames; needed one image a file; save them apart")
    if image.format not in FORMATS:
        raise ConfigError(f"{where}: a file of format {image.format}; {_NEEDED}; save it as PNG")
    bits = _bits(image, head)
    if bits > 8:
        raise ConfigError(f"{where}: {bits} bits a channel (mode {image.mode}); needed at most 8; save it with 8 bits")
    if image.format == "TIFF" and any(f != _UNSIGNED for f in image.tag_v2.get(_SAMPLE_FORMAT, ())):  # type: ignore[attr-defined]  # as below
        raise ConfigError(f"{where}: signed values; needed 0..255; save it as PNG")
    if image.mode not in (*_GREY, *_COLOUR):
        raise ConfigError(f"{where}: colours of mode {image.mode}; needed 8-bit grey or RGB; save it as RGB")
    # A colour that means transparent, of fewer bits than the pixels that Pillow makes, would find none of them.
    if "transparency" in image.info and image.mode in _GREY and bits < 8:
        raise _transparent(where)


def _bits(image: Image, head: bytes) -> int:
    """Return the bits of a channel as the file stores it: Pillow gives 16-bit RGB as 8-bit without a word."""
    if image.format == "PNG" and head[12:16] == b"IHDR":
        return head[24]
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(_BITS, (1,))))  # type: ignore[attr-defined]  # TIFF's own
    if image.mode in _DEEP:
        return 32
    if image.mode.startswith("I;16"):
        return 16
    if image.format == "PPM":
        arguments = [tile[3] for tile in getattr(image, "tile", ())]  # of its decoder: the mode, or with the maximum
        return 16 if any(isinstance(a, tuple) and a[-1] > 255 for a in arguments) else 8
    return 8


def _opaque(where: str, image: Image) -> Image:
    """Return the picture without its alpha; raise ConfigError where a pixel shows what lies behind it."""
    if "transparency" in image.info:
        image = image.convert("RGBA" if image.mode in _COLOUR else "LA")
    elif image.getbands()[-1] not in ("A", "a"):
        return image
    if image.getchannel(len(image.getbands()) - 1).getextrema()[0] != 255:
        raise _transparent(where)
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    return image.convert("L" if image.mode == "LA" else "RGB")


def _transparent(where: str) -> ConfigError:
    return ConfigError(
        f"{where}: transparency; needed a picture that is opaque, as what lies behind it is not known; "
        "lay it on its background and save it without alpha"
    )
