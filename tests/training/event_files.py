"""Files of recordings written by hand, byte for byte as their formats say."""

from __future__ import annotations

import struct

import numpy as np

HEADER = "% camera_integrator_name Prophesee\n% evt {version}.0\n% format EVT{version};height={h};width={w}\n% end\n"


def atis(events):
    """N-MNIST's format: 5 bytes an event; a marker of an overflow is an event with y = 240."""
    return b"".join(bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for t, x, y, p in events)


def evt(version, words, size=(720, 1280)):
    """A `.raw` of Prophesee: lines of a header, then little-endian words."""
    header = HEADER.format(version=version, h=size[0], w=size[1]).encode()
    return header + np.array(words, {2: "<u4", 3: "<u2"}[version]).tobytes()


def evt2_time(high):
    return 0x8 << 28 | high


def evt2_event(low, x, y, p):
    """A change of contrast: the type is the polarity; 6 bits of time, 11 of x, 11 of y."""
    return p << 28 | low << 22 | x << 11 | y


def evt3_high(time):
    return 0x8 << 12 | time


def evt3_low(time):
    return 0x6 << 12 | time


def evt3_y(y):
    return y


def evt3_x(x, p):
    return 0x2 << 12 | p << 11 | x


def evt3_vector(x, p, mask):
    """Twelve pixels of a row from `x` on, those of the mask: a base and a vector."""
    return [0x3 << 12 | p << 11 | x, 0x4 << 12 | mask]


EVT3_TRIGGER = 0xA << 12 | 1


def aedat4(packets, size=(6, 8), streams=(0,)):
    """An AEDAT4 file without compression or table: a header, then packets (stream, events), both flatbuffers."""
    nodes = "".join(
        f'<node name="{k}" path="/outInfo/{k}/"><attr key="compression" type="string">NONE</attr>'
        f'<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/outInfo/{k}/info/">'
        f'<attr key="sizeX" type="int">{size[1]}</attr><attr key="sizeY" type="int">{size[0]}</attr></node></node>'
        for k in streams
    )
    text = f'<dv version="2.0"><node name="outInfo" path="/outInfo/">{nodes}</node></dv>'.encode()
    # Root, identifier, a table of three fields (compression, position of the table, text), and the text.
    head = struct.pack("<I4s6x5HiiIqI", 24, b"IOHE", 10, 20, 4, 12, 8, 10, 0, 12, -1, len(text)) + text
    file = b"#!AER-DAT4.0\r\n" + sized(head + b"\0" * (4 - len(text) % 4))
    for stream, events in packets:
        body = b"".join(struct.pack("<qhh?3x", t, x, y, bool(p)) for t, x, y, p in events)
        packet = sized(struct.pack("<I4s2x3HiII", 16, b"EVTS", 6, 8, 4, 6, 4, len(events)) + body)
        file += struct.pack("<ii", stream, len(packet)) + packet
    return file


def sized(data):
    return struct.pack("<I", len(data)) + data


def packed(recordings, size=(34, 34), **extras):
    """The arrays of a packed `.npz`: recordings are lists of (t, x, y, p)."""
    every = [event for events in recordings for event in events]
    _, x, y, p = (np.array(values) for values in zip(*every, strict=True))
    steps = [np.diff([0, *(event[0] for event in events)]) for events in recordings]
    return {
        "offset": np.cumsum([0, *map(len, recordings)]).astype(np.uint32),
        "dt": np.concatenate(steps).astype(np.uint32),
        "x": x.astype(np.uint8),
        "y": y.astype(np.uint8),
        "p": p.astype(bool),
        "size": np.array(size[::-1], np.uint16),
        **{name: np.array(values, np.uint16) for name, values in extras.items()},
    }


def nmnist():
    """Three training recordings and a test one a digit, told apart by their first pixel: events, labels, tests."""
    events = [(0, 1, 2, 1), (52_499, 1, 2, 1), (52_500, 33, 0, 0), (314_999, 5, 6, 1)]
    labels, tests = [digit for _ in range(4) for digit in range(10)], [0] * 30 + [1] * 10
    return [[(0, k % 34, k // 34, 0), *events] for k in range(40)], labels, tests


def write_nmnist(folder, **change):
    """Write them as a packed file, with arrays changed."""
    events, labels, tests = nmnist()
    np.savez(folder / "nmnist_1100.npz", **{**packed(events, label=labels, split=tests), **change})
