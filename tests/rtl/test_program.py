"""The engine's compiler: a program, run word for word in numpy, gives every edge that the simulator gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_interpreter import Interpreter, differing
from other_banks import other_banks

from crossloom.rtl import RtlError
from crossloom.rtl.compiler.bank_layout import PART_BITS, bank_layout, bank_words
from crossloom.rtl.compiler.lowering import passes_of
from crossloom.rtl.compiler.memories import block_words, weight_words
from crossloom.rtl.compiler.memory_files import memory_words
from crossloom.rtl.compiler.passes import useful_shifts
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.compiler.words import Drain, Kind, Memory, Sweep, widths, word
from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Edge,
    Flatten,
    Input,
    Network,
    Node,
    QType,
    Requant,
    Rounding,
    load,
    random_codes,
    random_network,
    run,
)

FOLDINGS = [Folding(8, 8, 2, 4), Folding(4, 8, 2, 2), Folding(16, 4, 1, 4), Folding(3, 6, 2, 3), Folding(1, 1, 1, 1)]
# From 1000 on with LeakyReLU, from 2000 on with neurons and time steps.
SEEDS = [*range(100), *range(1000, 1040), *range(2000, 2030)]
BITSTREAMS = Path(__file__).parents[2] / "bitstreams"
DESIGNS = sorted(path.stem for path in BITSTREAMS.glob("*/*.loom"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_compiled_exactly(seed):
    network = random_network(seed)
    assert differing(compile_network(network, FOLDINGS[seed % len(FOLDINGS)]), random_codes(network, seed, 5)) == 0


def memories(program):
    """The words of the memories that a host may write, by memory."""
    kept = "banks", "weights", "params", "tables", "neurons"
    return {name: words for name, _, words in memory_words(program) if name.rstrip("0123456789") in kept}


def rewritten(program, written):
    """The same after a host's writes."""
    found = {name: list(words) for name, words in memories(program).items()}
    for each in written:
        value = sum(part << PART_BITS * i for i, part in enumerate(each.parts))
        if each.memory is Memory.ROWS:
            found["banks"][each.word] += value - program.banks[each.word].rows
        elif each.memory is Memory.TABLES:
            found[f"tables{each.first // 2}"][each.word] = value
        else:
            found[each.memory.name.lower()][each.word] = value
    return found


@pytest.mark.parametrize("seed", [*range(8), 331])
def test_weights_are_told_apart_without_packing_them(seed):
    network, folding = random_network(seed), FOLDINGS[seed % len(FOLDINGS)]
    _, passes = passes_of(network, folding, 0)
    silent = [replace(p, sums=replace(p.sums, sources=tuple(map(zeroed, p.sums.sources)))) for p in passes]
    keys, packed = [], []
    for entry in (p for p in (*passes, *silent) if p.kind is not Kind.POOL):
        for start in range(0, entry.sums.shape[2], folding.cols):
            words, made = weight_words(entry, start, folding, 17), block_words(entry, start, folding, 17)
            assert {len(bank) for bank in made} == {words.count}
            np.testing.assert_array_equal(words.make(), made)
            keys.append((words.count, words.key()))
            packed.append((words.count, made[0].tobytes()))
    assert [keys.index(key) for key in keys] == [packed.index(each) for each in packed]
    assert len(set(keys)) < len(keys)


def zeroed(source):
    """The same without a weight."""
    return replace(source, weights=tuple(0 * weights for weights in source.weights))


@pytest.mark.parametrize("shifts", [0, 2, 63])
@pytest.mark.parametrize("seed", [seed for seed in SEEDS if random_network(seed).route])
def test_an_engine_takes_any_other_head_and_branches(seed, shifts):
    compiled = compile_network(random_network(seed), FOLDINGS[seed % len(FOLDINGS)])
    other = other_banks(compiled.network, seed, shifts)
    target = compile_network(other, compiled.folding, compiled.sizes)
    for name in ("sweeps", "segments", "drains", "config"):
        assert getattr(target, name) == getattr(compiled, name)
    # What a host writes from the layout of the first is what a compiler would have made of the second.
    assert rewritten(compiled, bank_words(bank_layout(compiled), other)) == memories(target)
    assert differing(target, random_codes(other, seed, 5)) == 0


@pytest.mark.parametrize("seed", [1, 5])
def test_words_of_a_head_that_are_alike_have_places_of_their_own(seed):
    network = random_network(seed)
    silent = tuple(
        replace(n, op=replace(n.op, weight=n.op.weight * 0, bias=n.op.bias * 0)) if n.name == network.output else n
        for n in network.nodes
    )
    compiled = compile_network(replace(network, nodes=silent), Folding(1, 1, 1, 1))
    target = compile_network(network, compiled.folding, compiled.sizes)
    assert rewritten(compiled, bank_words(bank_layout(compiled), network)) == memories(target)


@pytest.mark.parametrize("out", [QType(0, 1), QType(-1, 0), QType(0, 3), QType(-2, 2), QType(-4, 3), QType(-5, 2)])
@pytest.mark.parametrize("rounding", Rounding)
def test_every_shift_has_an_equal_among_the_useful_ones(out, rounding):
    bits = 5
    wide, edge = QType(-(1 << 31), (1 << 31) - 1), Edge((1,), QType(-16, 15), True, 16)
    values = np.arange(-16.0, 16)[:, None]

    def codes(shift):
        """What is clipped or not: both the codes and whether they are those of a wider type."""
        op = [Requant([shift], rounding, type_) for type_ in (out, wide)]
        narrow, free = (o.kernel([edge], Edge((1,), o.out))(values).astype(np.int64) for o in op)
        return narrow.tobytes() + (narrow != free).tobytes()

    least, most = useful_shifts(bits, out)
    assert -16 < least < 0 < most < 47
    assert {codes(shift) for shift in range(-16, least)} == {codes(least)} != {codes(least + 1)}
    assert {codes(shift) for shift in range(most, 48)} == {codes(most)}
    assert rounding is Rounding.FLOOR or codes(most - 1) != codes(most)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("folding", [Folding(8, 8, 2, 4), Folding(32, 16, 2, 8)])
def test_a_shipped_design_is_compiled_exactly(design, folding):
    network = load(BITSTREAMS / design / f"{design}.loom").network
    assert differing(compile_network(network, folding), random_codes(network, 1, 3)) == 0


def test_a_larger_engine_runs_the_same_network():
    network = random_network(3)
    least = compile_network(network, FOLDINGS[0]).sizes
    larger = replace(least, w_bits=17, acc_bits=48, x_bits=12, features=1 << 12, weights=1 << 12)
    compiled = compile_network(network, FOLDINGS[0], larger)
    codes = random_codes(network, 1, 3)
    found = Interpreter(compiled, codes)
    found.run()
    assert (found.scores == run(network, codes=codes).logits).all()


def test_a_word_keeps_every_field():
    compiled = compile_network(random_network(0), FOLDINGS[0])
    for kind, entries in ((Sweep, compiled.sweeps), (Drain, compiled.drains)):
        for entry in entries:
            bits, fields = word(entry), widths(kind)
            for name, width in reversed(list(fields.items())):
                assert bits & ((1 << width) - 1) == getattr(entry, name) & ((1 << width) - 1)
                bits >>= width
            assert bits == 0


def small_network(*nodes, shape=(4, 4, 2), output="logits", size=3):
    table = np.array([[0], [3]], np.int32)
    return Network("small", Input(shape, QType(0, 3), table), nodes, output, tuple(f"c{i}" for i in range(size)))


def dense(name, source, inputs, out=3):
    return Node(name, Dense(np.ones((out, inputs), np.int64), np.zeros(out, np.int64), QType(-1, 1), 4), (source,))


LACKING = ["features", "weights", "params", "x_bits", "acc_bits", "sweeps", "segments", "shift_min", "shift_max"]


@pytest.mark.parametrize("field", LACKING)
def test_an_engine_that_is_too_small_is_refused_by_what_it_lacks(field):
    network = random_network(3)
    least = compile_network(network, FOLDINGS[0]).sizes
    less = getattr(least, field) + (1 if field == "shift_min" else -1)
    with pytest.raises(RtlError, match=rf"random-3-5: needs {field}"):
        compile_network(network, FOLDINGS[0], replace(least, **{field: less}))


@pytest.mark.parametrize("folding", FOLDINGS)
def test_three_streams_are_joined_in_their_order(folding):
    nodes = (
        Node("conv", Conv2d(np.eye(3, 2, dtype=np.int64)[:, None, None], np.arange(3), QType(-1, 1), 8), ("input",)),
        Node("codes", Requant([0], Rounding.FLOOR, QType(0, 5)), ("conv",)),
        Node("join", Concat(), ("input", "codes", "input")),
        Node("flat", Flatten(), ("join",)),
        Node("logits", Dense(np.arange(336).reshape(3, 112), np.zeros(3, int), QType(0, 511), 4), ("flat",)),
    )
    network = small_network(*nodes)
    assert differing(compile_network(network, folding), random_codes(network, 1, 5)) == 0


@pytest.mark.parametrize("shift", [-2, 0, 3])
@pytest.mark.parametrize("out", [QType(5, 5), QType(4, 9), QType(-12, -8), QType(0, 3), QType(-1, 0)])
def test_lanes_without_a_channel_do_not_count_as_clipped(out, shift):
    nodes = (
        Node("conv", Conv2d(np.full((3, 1, 1, 2), 31), np.zeros(3, np.int64), QType(-31, 31), 8), ("input",)),
        Node("codes", Requant([shift], Rounding.HALF_UP, replace(out, frac=-shift)), ("conv",)),
        Node("flat", Flatten(), ("codes",)),
        dense("logits", "flat", 48),
    )
    compiled = compile_network(small_network(*nodes), Folding(8, 8, 1, 8))
    entry, at = compiled.passes[0], compiled.drains[0].params
    wide = Requant(compiled.shift[at], Rounding.HALF_UP, QType(-(1 << 31), (1 << 31) - 1))
    edge = Edge((8,), QType(-(1 << 20), 1 << 20), True, 1 << 20)
    found = wide.kernel([edge], Edge((8,), wide.out))(compiled.bias[at][None].astype(np.float64))[
        0, entry.sums.shape[2] :
    ]
    assert entry.name == "codes" and found.size and compiled.sizes.shift_min <= compiled.shift[at].min()
    # No multiple of 4 is 5.
    reached = not (shift < 0 and out.lo == out.hi == 5)
    assert (((found >= out.lo) & (found <= out.hi)) == reached).all()


def test_scores_of_several_pixels_are_refused():
    conv = Node("conv", Conv2d(np.ones((2, 1, 1, 2), np.int64), np.zeros(2, np.int64), QType(-1, 1), 4), ("input",))
    network = small_network(conv, Node("flat", Flatten(), ("conv",)), output="flat", size=32)
    with pytest.raises(RtlError, match="layer 'flat': scores of 4 by 4 pixels"):
        compile_network(network, FOLDINGS[0])


def test_a_join_of_flattened_images_is_refused():
    flat = Node("flat", Flatten(), ("input",))
    join = Node("join", Add(), ("flat", "flat"))
    requant = Node("requant", Requant(np.array([0]), Rounding.FLOOR, QType(0, 6)), ("join",))
    with pytest.raises(RtlError, match="layer 'join': add reads the flattened 'flat'"):
        compile_network(small_network(flat, join, requant, dense("logits", "requant", 32)), FOLDINGS[0])


def test_a_shift_for_each_value_of_a_flattened_image_is_refused():
    flat = Node("flat", Flatten(), ("input",))
    requant = Node("requant", Requant(np.zeros(32, np.int64), Rounding.FLOOR, QType(0, 3)), ("flat",))
    with pytest.raises(RtlError, match="layer 'requant': 32 rows for 2 channels"):
        compile_network(small_network(flat, requant, dense("logits", "requant", 32)), FOLDINGS[0])


def test_a_network_past_the_programs_fields_is_refused_by_its_layer():
    network = small_network(
        Node("wide", Requant(np.zeros(1, np.int64), Rounding.FLOOR, QType(0, 3)), ("input",)),
        Node("flat", Flatten(), ("wide",)),
        dense("logits", "flat", 4096 * 1024),
        shape=(4096, 1024, 1),
    )
    with pytest.raises(RtlError, match="the engine's program has 20 bits"):
        compile_network(network, Folding(1, 1, 1, 1))


@pytest.mark.parametrize("bad", [(8, 8, 3, 4), (8, 8, 2, 3), (0, 8, 1, 1), (8, 12, 1, 8)])
def test_a_folding_that_contradicts_itself_is_refused(bad):
    with pytest.raises(RtlError, match="folding"):
        Folding(*bad)
