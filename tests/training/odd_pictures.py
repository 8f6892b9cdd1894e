"""Picture files that say something else than their pixels, as cameras, scanners and drawing programs write them."""

import struct
import zlib

import numpy as np
from PIL import ExifTags, Image

HEIGHT, WIDTH = 6, 5
GREY = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
COLOUR = np.random.default_rng(8).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
INDEXED = Image.fromarray(COLOUR).quantize(16)


def png(depth, kind, rows, *more):
    """A PNG file of `rows` of bytes, with other chunks before its pixels: what Pillow does not write itself."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, kind, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*m) for m in more) + body + chunk(b"IEND", b"")
    )


def tiff(bits, samples, photometric, data, sample_format=1):
    """An uncompressed TIFF file: what Pillow does not write itself."""
    tags = [
        (256, 3, 1, WIDTH), (257, 3, 1, HEIGHT), (258, 3, samples, bits if samples == 1 else 134), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, 134 + 2 * samples), (277, 3, 1, samples), (278, 3, 1, HEIGHT),
        (279, 4, 1, len(data)), (339, 3, 1, sample_format),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    assert 8 + len(directory) == 134
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack(f"<{samples}H", *[bits] * samples) + data


def write(content):
    return lambda path: path.write_bytes(content)


def save(image, **how):
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return lambda path: picture.save(path, **how)


def frames(path):
    first, *others = (Image.fromarray(np.roll(COLOUR, i, axis=0)) for i in range(3))
    first.save(path, save_all=True, append_images=others)


def with_alpha(pixels, alpha):
    return np.dstack([pixels, np.full((HEIGHT, WIDTH), 255, np.uint8) if alpha is None else alpha])


BLACK = bytes(1000)
WIDE = [bytes(2 * WIDTH * 4)] * HEIGHT
USED = INDEXED.getpixel((1, 2))
# By file name: how it is written, and what the refusal says.
REFUSED = {
    "rgba.png": (save(with_alpha(COLOUR, GREY)), "transparency"),
    "white-strokes.png": (save(with_alpha(np.full_like(COLOUR, 255), GREY)), "transparency"),
    "grey-alpha.png": (save(with_alpha(GREY, GREY)), "transparency"),
    "alpha.webp": (save(with_alpha(COLOUR, GREY), lossless=True), "transparency"),
    "alpha.tif": (save(with_alpha(COLOUR, GREY)), "transparency"),
    "clear-colour.png": (save(GREY, transparency=int(GREY[2, 2])), "transparency"),
    "clear-entry.png": (save(INDEXED, transparency=USED), "transparency"),
    "clear-entries.png": (save(INDEXED, transparency=bytes([128] * 16)), "transparency"),
    "clear-entry.gif": (save(INDEXED, transparency=USED), "transparency"),
    "clear-of-two-bits.png": (write(png(2, 0, [b"\x1b\x40"] * HEIGHT, (b"tRNS", b"\0\1"))), "transparency"),
    "grey-16.png": (save(GREY.astype(np.uint16) * 257), "16 bits"),
    "grey-16.tif": (save(GREY.astype(np.uint16) * 257), "16 bits"),
    "rgb-16.png": (write(png(16, 2, [r[: 2 * WIDTH * 3] for r in WIDE])), "16 bits"),
    "rgba-16.png": (write(png(16, 6, WIDE)), "16 bits"),
    "grey-alpha-16.png": (write(png(16, 4, [r[: 2 * WIDTH * 2] for r in WIDE])), "16 bits"),
    "rgb-16.tif": (write(tiff(16, 3, 2, BLACK[: 6 * WIDTH * HEIGHT])), "16 bits"),
    "rgb-12.ppm": (write(b"P6\n5 6\n4095\n" + BLACK), "16 bits"),
    "grey-16.pgm": (write(b"P5\n5 6\n65535\n" + BLACK), "bits"),
    "integers.tif": (save(GREY.astype(np.int32)), "32 bits"),
    "floats.tif": (save(GREY.astype(np.float32) / 255), "32 bits"),
    "signed.tif": (write(tiff(8, 1, 1, GREY.tobytes(), sample_format=2)), "signed"),
    "animated.gif": (frames, "3 frames"),
    "animated.png": (frames, "3 frames"),
    "animated.webp": (frames, "3 frames"),
    "pages.tif": (frames, "3 frames"),
    "stereo.mpo": (frames, "3 frames"),
    "ink.jpg": (save(Image.fromarray(COLOUR).convert("CMYK")), "colours of mode CMYK"),
    "ink.tif": (save(Image.fromarray(COLOUR).convert("CMYK")), "colours of mode CMYK"),
    "lab.tif": (save(Image.fromarray(COLOUR).convert("LAB")), "colours of mode LAB"),
    "icon.ico": (save(COLOUR), "format ICO"),
    "cut.png": (lambda path: path.write_bytes(png(8, 0, [row.tobytes() for row in GREY])[:60]), "damaged"),
    "cut.jpg": (lambda path: (save(COLOUR)(path), path.write_bytes(path.read_bytes()[:-40])), "damaged"),
    "empty.png": (write(b""), "not an image"),
    "notes.txt": (write(b"not a picture"), "not an image"),
    "pointer.png": (write(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "Git LFS"),
    "gone.png": (lambda path: path.symlink_to("nowhere.png"), "a link to data that is not there"),
}
# By file name: how it is written, and what its viewer shows.
SHOWN = {
    "grey.png": (save(GREY), GREY),
    "colour.png": (save(COLOUR), COLOUR),
    "opaque.png": (save(with_alpha(COLOUR, None)), COLOUR),
    "opaque-grey.png": (save(with_alpha(GREY, None)), GREY),
    "opaque.webp": (save(with_alpha(COLOUR, None), lossless=True), COLOUR),
    "unused-clear-entry.png": (save(INDEXED, transparency=bytes([255] * 16)), np.array(INDEXED.convert("RGB"))),
    "palette.png": (save(INDEXED), np.array(INDEXED.convert("RGB"))),
    "palette.gif": (save(INDEXED), np.array(INDEXED.convert("RGB"))),
    "palette.bmp": (save(INDEXED), np.array(INDEXED.convert("RGB"))),
    "one-bit.png": (save(GREY > 127), np.where(GREY > 127, 255, 0)),
    "one-bit.tif": (save(GREY > 127), np.where(GREY > 127, 255, 0)),
    "white-is-zero.tif": (write(tiff(8, 1, 0, GREY.tobytes())), 255 - GREY),
    "few-levels.pgm": (write(b"P5\n5 6\n15\n" + (GREY >> 4).tobytes()), (GREY >> 4) * 17),
    "four-bits.png": (write(png(4, 0, [b"\x01\x2e\xf0"] * HEIGHT)), np.array([[0, 17, 34, 238, 255]] * HEIGHT)),
}
# What turns a picture back that was turned before its orientation was written, by that orientation.
TURNS = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: lambda a: a.swapaxes(0, 1), 6: np.rot90, 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}  # fmt: skip


def turned(pixels, orientation, path):
    """Write pixels so that a viewer, which heeds the orientation, shows `pixels` again."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.ascontiguousarray(TURNS[orientation](pixels))
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(stored).save(path, exif=exif, **lossless)
    return path
