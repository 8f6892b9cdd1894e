"""What a host and a core say to each other: frames of codes, results, and loads of tensors, in 64-bit beats.

HLS, RTL, the virtual board and the driver take their formats from here.

A *frame* is one image: its codes step by step, each step's in channels-last order, in fields of 1, 2, 4, 8, 16 or 32
bits (the least that holds the input's type), two's complement where the type is signed, from the least significant bit
up.
A *result* is a header beat and one signed beat a score: for a routed network the coarse scores, then the fine ones of
the branch that ran, all rows of the capacity; for a flat network its scores.
A *load* carries the weights identity and every tensor that may change without a new core, `load_fields` in order.
A field never lies across two beats and every tensor starts a beat; unused bits are 0.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from .errors import DeviceError, InputError
from .identity import canonical_json, structure, weights_sha256
from .memo import once_per_network
from .network import Network
from .npy import npy_bytes
from .ops.base import parameters
from .result import Result, decide, macs_of
from .types import AnyArray, IntArray

BEAT_BITS = 64
IDENTITY_BEATS = 256 // BEAT_BITS
ROW_BITS = BRANCH_BITS = 16  # of a header beat: row, branch, then the status
CLASSES_BITS = ROW_BITS + 1  # how many rows a branch uses

Beats = npt.NDArray[np.uint64]


class Command(IntEnum):
    """What a core does with the beats that come."""

    RUN = 0
    LOAD = 1


class Status(IntEnum):
    """How a frame or a load went; anything but OK makes the answer worthless, and the next frame good again."""

    OK = 0
    SHORT = 1  # TLAST came early
    LONG = 2  # TLAST came late or never
    FOREIGN = 3  # a load of other size, or a command that the core does not have


def field_bits(bits: int) -> int:
    """The least of 1, 2, 4, ... 64 that holds `bits`.

    >>> field_bits(1), field_bits(5), field_bits(33)
    (1, 8, 64)
    """
    return 1 << (bits - 1).bit_length()


def beats_of(count: int, bits: int) -> int:
    """Beats that `count` values of `bits` bits take.

    >>> beats_of(64, 4), beats_of(65, 4), beats_of(10, 33)
    (4, 5, 10)
    """
    per_beat = BEAT_BITS // field_bits(bits)
    return -(-count // per_beat)


def pack(codes: AnyArray, bits: int) -> Beats:
    """Pack integers (N, count), each of at most `bits` bits with or without sign, into uint64 (N, beats)."""
    width = field_bits(bits)
    per_beat = BEAT_BITS // width
    n, count = codes.shape
    padded = np.zeros((n, beats_of(count, bits) * per_beat), np.uint64)
    padded[:, :count] = codes.astype(np.int64).view(np.uint64)
    if width < BEAT_BITS:
        padded &= np.uint64((1 << width) - 1)
    fields = padded.reshape(n, beats_of(count, bits), per_beat) << (
        np.arange(per_beat, dtype=np.uint64) * np.uint64(width)
    )
    beats: Beats = np.bitwise_or.reduce(fields, axis=2)
    return beats


def unpack(beats: Beats, bits: int, signed: bool, count: int) -> IntArray:
    """The int64 (N, count) codes of beats (N, beats): the inverse of `pack`."""
    width = field_bits(bits)
    per_beat = BEAT_BITS // width
    shifts = np.arange(per_beat, dtype=np.uint64) * np.uint64(width)
    # Up to the top bit and down again, which fills with zeros or with the sign.
    drop = np.uint64(BEAT_BITS - width)
    top = (beats[:, :, None] >> shifts) << drop
    codes = top.view(np.int64) >> drop.astype(np.int64) if signed else (top >> drop).view(np.int64)
    found: IntArray = codes.reshape(len(beats), beats.shape[1] * per_beat)[:, :count]
    return found


@dataclass(frozen=True)
class LoadField:
    """One tensor of a load: `section` 0 is the coarse head, i + 1 branch i; `bits` wide, from beat `beat` on.

    `tensor` is a field of the node's operator, or "classes", one number: the rows that a branch uses (node "").
    """

    section: int
    node: str
    tensor: str
    shape: tuple[int, ...]
    bits: int
    signed: bool
    beat: int

    @property
    def count(self) -> int:
        """Values in it."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class FrameLayout:
    """Beats of a network's frames, results and loads; `load_beats` is 0 where nothing may change."""

    input_bits: int
    input_signed: bool
    codes: int
    frame_beats: int
    coarse: int  # coarse scores in a result, 0 for a flat network
    scores: int
    result_beats: int
    load_beats: int


@once_per_network
def frame_layout(network: Network) -> FrameLayout:
    """The sizes that a core is built for; they follow from the structure."""
    edge = network.edges["input"]
    coarse = network.edges[network.output].size if network.route else 0
    scores = network.route.capacity if network.route else len(network.classes)
    last = list(load_fields(network))[-1:]
    return FrameLayout(
        edge.type.bits,
        edge.type.signed,
        edge.image_size,
        beats_of(edge.image_size, edge.type.bits),
        coarse,
        scores,
        1 + coarse + scores,
        last[0].beat + beats_of(last[0].count, last[0].bits) if last else 0,
    )


def load_fields(network: Network) -> Iterator[LoadField]:
    """The tensors of a load in their order: coarse head, then each branch's class count and tensors; C order each.

    A flat network has none.
    """
    if network.route is None:
        return
    beat = IDENTITY_BEATS
    for index, nodes, edges in network.sections():
        section = 0 if index is None else index + 1
        if index is not None:
            yield LoadField(section, "", "classes", (1,), CLASSES_BITS, False, beat)
            beat += 1
        for node in nodes:
            if index is None and node.name not in network.head:
                continue
            for tensor in node.op.tensors([edges[name] for name in node.inputs]):
                yield LoadField(section, node.name, tensor.name, tensor.shape, tensor.bits, tensor.signed, beat)
                beat += beats_of(tensor.count, tensor.bits)


def load_beats(network: Network) -> Beats:
    """The load of a routed network, uint64 (beats,): what turns its core's weights into this network's.

    Raises InputError for a flat network, whose tensors are fixed.
    """
    if network.route is None:
        raise InputError(f"{network.name}: a flat network; only the coarse head and branches of a routed one load")
    nodes = {(0, n.name): n for n in network.nodes}
    nodes |= {(i + 1, n.name): n for i, b in enumerate(network.route.branches) for n in b.nodes}
    parts = [np.frombuffer(bytes.fromhex(weights_sha256(network)), "<u8").astype(np.uint64)]
    for field in load_fields(network):
        if field.tensor == "classes":
            values = np.array([len(network.route.branches[field.section - 1].classes)])
        else:
            values = getattr(nodes[field.section, field.node].op, field.tensor)
        parts.append(pack(values.reshape(1, -1), field.bits)[0])
    return np.concatenate(parts)


def fixed_sha256(network: Network) -> str:
    """SHA-256 (hex) of what a load cannot change: the structure and every tensor outside coarse head and branches.

    A core serves a network when both have the same.
    """
    digest = hashlib.sha256(canonical_json(structure(network)))
    for node in network.nodes:
        if node.name in network.head:
            continue
        for name, value in sorted(parameters(node.op).items()):
            if isinstance(value, np.ndarray):
                digest.update(f"{node.name}.{name}\0".encode() + npy_bytes(value))
    return digest.hexdigest()


def frame_beats(network: Network, codes: IntArray) -> Beats:
    """Input codes (N, *image_shape) as frames, uint64 (N, frame_beats)."""
    return pack(codes.reshape(len(codes), math.prod(codes.shape[1:])), network.edges["input"].type.bits)


@once_per_network
def _classes(network: Network) -> tuple[IntArray, IntArray]:
    """Rows that each branch uses, (branches,), and the classes of its rows, (branches, most rows), 0 beyond them."""
    own = [b.classes for b in network.route.branches] if network.route else [tuple(range(len(network.classes)))]
    banks = np.array([len(classes) for classes in own], np.int64)
    names = np.zeros((len(own), banks.max()), np.int64)
    for row, classes in zip(names, own, strict=True):
        row[: len(classes)] = classes
    return banks, names


def read_results(network: Network, beats: Beats) -> Result:
    """Take results (N, result_beats) apart; the labels are those of the rows that the core names.

    Raises DeviceError where a status is not OK or a row or branch not there.
    """
    layout = frame_layout(network)
    if beats.shape[1:] != (layout.result_beats,):
        raise DeviceError(
            f"{network.name}: results of {beats.shape[1:]} beats; this network's have ({layout.result_beats},): "
            "the core was built for another network"
        )
    header = beats[:, 0].view(np.int64)
    row, branch = header & ((1 << ROW_BITS) - 1), (header >> ROW_BITS) & ((1 << BRANCH_BITS) - 1)
    status = header >> (ROW_BITS + BRANCH_BITS)
    if status.any():
        image = int(np.flatnonzero(status)[0])
        known = {int(s): s.name.lower() for s in Status}
        raise DeviceError(
            f"{network.name}: image {image}: status {known.get(int(status[image]), int(status[image]))}; the frame had "
            "another length than the core expects: check that the core was built for this network"
        )
    scores = beats[:, 1:].view(np.int64)
    banks, names = _classes(network)
    bad = (branch >= len(banks)) | (row >= banks[np.minimum(branch, len(banks) - 1)])
    if bad.any():
        image = int(np.flatnonzero(bad)[0])
        raise DeviceError(
            f"{network.name}: image {image}: row {row[image]} of branch {branch[image]}; there are {banks.tolist()}"
        )
    macs = np.full(len(beats), macs_of(network), np.int64)
    if network.route is None:
        return Result(scores, None, None, row, scores, macs)
    coarse, fine = scores[:, : layout.coarse], scores[:, layout.coarse :]
    labels = names[branch, row]
    return Result(coarse, branch, fine, labels, decide(network, coarse, branch, fine)[1], macs)


def result_beats(network: Network, result: Result) -> Beats:
    """The results (N, result_beats) that a core gives: the inverse of `read_results`."""
    if network.route is None or result.branch is None or result.fine is None:
        parts = [result.labels[:, None], result.logits]
    else:
        branches = network.route.branches
        rows = [branches[b].classes.index(label) for b, label in zip(result.branch, result.labels, strict=True)]
        header = np.array(rows, np.int64) | (result.branch << ROW_BITS)
        parts = [header[:, None], result.logits, result.fine]
    found: Beats = np.concatenate(parts, axis=1).astype(np.int64).view(np.uint64)
    return found
