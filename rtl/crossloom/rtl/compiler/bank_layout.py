"""Where the words of coarse head and branches lie in a core's memories, and what another network puts there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crossloom.sim.network import Network
from crossloom.sim.types import IntArray

from ..errors import RtlError
from .lowering import passes_of
from .memories import block_words, neuron_words, param_words, table_words
from .memory_files import LEAK_BITS, SHIFT_BITS, packed, packed_neurons, packed_params
from .passes import Pass
from .program import Program
from .sizes import Folding, Sizes
from .words import Bank, Kind, Memory

PART_BITS = 36  # of a memory's word that a host writes at once: half a block RAM's


@dataclass(frozen=True)
class Place:
    """One sweep of a layer that can be rewritten: its first output channel, and its first word of each memory.

    Of a banked layer the words of branch i lie `BankLayout.banks[i]` further on.
    """

    layer: str
    kind: Kind
    channel: int
    banked: bool
    weights: int
    params: int
    tables: int
    neurons: int


@dataclass(frozen=True)
class BankLayout:
    """What a host must know of a core to write another network's banks into it: nothing of the trunk."""

    folding: Folding
    sizes: Sizes
    banks: tuple[Bank, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class BankWord:
    """Parts of PART_BITS bits, from part `first` on, of one word of a memory."""

    memory: Memory
    word: int
    first: int
    parts: tuple[int, ...]


def bank_layout(program: Program) -> BankLayout:
    """Where a program has the words of coarse head and branches; of a flat network nothing can be rewritten."""
    head, places = program.network.head, []
    for entry, channel, sweep, drain in zip(
        program.passes, program.channels, program.sweeps, program.drains, strict=True
    ):
        if entry.kind is not Kind.POOL and (entry.banked or entry.name in head):
            places.append(
                Place(
                    entry.name,
                    entry.kind,
                    channel,
                    entry.banked,
                    sweep.weights,
                    drain.params,
                    drain.tables,
                    drain.neurons,
                )
            )
    # Sweeps over other rows of the same channels read the same words.
    return BankLayout(program.folding, program.sizes, program.banks if places else (), tuple(dict.fromkeys(places)))


def bank_words(layout: BankLayout, network: Network) -> Iterator[BankWord]:
    """The words of a network's coarse head and branches, and the rows that each branch uses.

    The network must have the structure that the layout is of (`frames.fixed_sha256` tells); RtlError where a layer is
    not there.
    """
    f, s = layout.folding, layout.sizes
    passes = {(entry.name, entry.kind): entry for entry in passes_of(network, f, s.unroll)[1]}
    table_bits = s.acc_bits + 1
    for place in layout.places:
        entry = passes.get((place.layer, place.kind))
        if entry is None:
            raise RtlError(f"{network.name}: no layer {place.layer!r}; the core has one: load one of its structure")
        chunks = _chunks(entry, place.channel, f)
        for at, words in _banks(layout, place, "weights", block_words(entry, place.channel, f, s.w_bits)):
            values = packed(words.reshape(len(words), -1), s.w_bits)
            yield from _whole(Memory.WEIGHTS, at, values, f.rows * f.cols * s.w_bits)
        for at, words in _banks(layout, place, "params", param_words(entry, place.channel, chunks, f.lanes)):
            values = packed_params(words[..., 0], words[..., 1], s.acc_bits)
            yield from _whole(Memory.PARAMS, at, values, f.lanes * (s.acc_bits + SHIFT_BITS))
        for at, words in _banks(layout, place, "neurons", neuron_words(entry, place.channel, chunks, f.lanes)):
            values = packed_neurons(words[..., 0], words[..., 1], s.mem_bits)
            yield from _whole(Memory.NEURONS, at, values, f.lanes * (s.mem_bits + LEAK_BITS))
        tables = table_words(entry, place.channel, chunks, f.lanes, table_bits)
        for at, words in _banks(layout, place, "tables", tables):
            for lane in range(f.lanes):
                values = packed(words[:, lane : lane + 1], table_bits)
                for i, value in enumerate(values):  # two parts a lane
                    yield BankWord(Memory.TABLES, at + i, 2 * lane, _parts(value, 2 * PART_BITS))
    if network.route:
        for i, branch in enumerate(network.route.branches):
            yield BankWord(Memory.ROWS, i, 0, (len(branch.classes),))


def _chunks(entry: Pass, channel: int, folding: Folding) -> int:
    """Chunks of lanes that the output channels of one sweep from `channel` on make."""
    return -(-min(entry.sums.shape[2] - channel, folding.cols) // folding.lanes)


def _banks(layout: BankLayout, place: Place, memory: str, banks: list[IntArray]) -> Iterator[tuple[int, IntArray]]:
    """The first word and the words of each bank; what all banks have alike stands in each of them."""
    first = getattr(place, memory)
    if not place.banked:
        yield from ((first, words) for words in banks)
        return
    for i, bank in enumerate(layout.banks):
        if banks:
            yield first + getattr(bank, memory), banks[i % len(banks)]


def _parts(value: int, bits: int) -> tuple[int, ...]:
    return tuple(value >> PART_BITS * i & ((1 << PART_BITS) - 1) for i in range(-(-bits // PART_BITS)))


def _whole(memory: Memory, at: int, values: list[int], bits: int) -> Iterator[BankWord]:
    return (BankWord(memory, at + i, 0, _parts(value, bits)) for i, value in enumerate(values))
