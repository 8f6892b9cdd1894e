"""LeakyReLU on the engine: the quantizer behind it is thresholds on the sums before it, in every bank."""

import contextlib

import numpy as np
import pytest
import reference
from corners import corner_codes, leaking, leaky_everywhere, leaky_flat, leaky_logits
from other_banks import other_banks
from test_program import differing as wrong_codes
from test_program import memories, rewritten, small_network

from crossloom.rtl import RtlError
from crossloom.rtl.compiler.bank_layout import bank_layout, bank_words
from crossloom.rtl.compiler.ops import LOWERED
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.compiler.thresholds import requant_thresholds
from crossloom.rtl.compiler.words import Kind
from crossloom.rtl.core.simulation import CoreModel
from crossloom.sim import (
    Dense,
    Flatten,
    LeakyReLU,
    Node,
    QType,
    Requant,
    Rounding,
    Threshold,
    compare,
    differing,
    random_codes,
    run,
)

FOLDING = Folding(8, 8, 2, 4)
BEFORE = LOWERED["leakyrelu"].before
SUMS = range(-70, 71)
NETWORKS = {
    "stream": lambda: leaking("stream", 3),
    "unsigned": lambda: leaking("unsigned", 15, QType(0, 9)),
    "below zero": lambda: leaking("below-zero", 2, QType(-9, -2)),
    "above zero": lambda: leaking("above-zero", 2, QType(3, 9)),
    "flattened": lambda: leaky_flat("flattened"),
    "routed": lambda: leaky_everywhere("routed"),
}


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("leak", [1, 2, 3, 7, 15])
@pytest.mark.parametrize("out", [QType(-8, 7), QType(0, 3), QType(2, 5), QType(-6, -3), QType(0, 0)], ids=str)
def test_a_requant_behind_it_is_thresholds_on_every_sum(out, leak, rounding):
    shifts = np.arange(-3, 24)
    rows = BEFORE(LeakyReLU(leak), requant_thresholds(shifts, rounding, out))
    for shift, row in zip(shifts.tolist(), rows, strict=True):
        wanted = [reference.requant(reference.leaky_relu(x, leak), shift, rounding.value, out.lo, out.hi) for x in SUMS]
        assert (out.lo + (row[None] <= np.array(SUMS)[:, None]).sum(1)).tolist() == wanted


@pytest.mark.parametrize("leak", [1, 4, 15])
def test_a_threshold_behind_it_is_one_on_every_sum(leak):
    thresholds = np.array([[*range(-200, 201), (100 << leak) - 1, 100 << leak, (100 << leak) + 1]])
    (row,) = BEFORE(LeakyReLU(leak), thresholds)
    for x in SUMS:
        assert ((row <= x) == (thresholds[0] <= reference.leaky_relu(x, leak))).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_compiled_exactly_and_its_quantizers_are_thresholds_on_the_sums_before_it(name):
    network = NETWORKS[name]()
    compiled = compile_network(network, FOLDING)
    assert wrong_codes(compiled, corner_codes(network)) == 0
    kinds = {node.name: node.op.kind for _, nodes, _ in network.sections() for node in nodes}
    sources = {node.name: node.inputs[0] for _, nodes, _ in network.sections() for node in nodes}
    for entry in compiled.passes:
        if kinds.get(sources.get(entry.codes)) == "leakyrelu":
            below = sources[entry.codes]
            while kinds.get(below) in ("leakyrelu", "flatten"):
                below = sources[below]
            assert entry.kind is Kind.THRESHOLD
            assert entry.raw == (below if network.edges[below].accumulator else None)


@pytest.mark.parametrize("shifts", [0, 3, 63])
def test_an_engine_with_it_takes_any_other_head_and_branches(shifts):
    compiled = compile_network(leaky_everywhere("routed"), FOLDING)
    for seed in range(6):
        other = other_banks(compiled.network, seed, shifts)
        target = compile_network(other, compiled.folding, compiled.sizes)
        for name in ("sweeps", "segments", "drains", "config"):
            assert getattr(target, name) == getattr(compiled, name)
        assert rewritten(compiled, bank_words(bank_layout(compiled), other)) == memories(target)
        assert wrong_codes(target, random_codes(other, seed, 8)) == 0


def test_scores_that_it_makes_are_refused():
    with pytest.raises(
        RtlError, match=r"layer 'leakyrelu1': scores that leakyrelu makes; .*: quantize them, or end in"
    ):
        compile_network(leaky_logits("scores"), FOLDING)


@pytest.mark.parametrize("bits", [10, 11])
def test_more_codes_behind_it_than_a_table_should_have_are_refused(bits):
    nodes = (
        Node("flat", Flatten(), ("input",)),
        Node("dense", Dense(np.full((3, 32), 31), np.zeros(3, int), QType(-31, 31), 8), ("flat",)),
        Node("leaky", LeakyReLU(1), ("dense",)),
        Node("codes", Requant(np.array([1]), Rounding.FLOOR, QType(0, (1 << bits) - 1)), ("leaky",)),
        Node("logits", Dense(np.eye(3, dtype=int), np.zeros(3, int), QType(-1, 1), 4), ("codes",)),
    )
    network = small_network(*nodes)
    if bits == 10:
        assert wrong_codes(compile_network(network, FOLDING), random_codes(network, 1, 5)) == 0
        return
    with pytest.raises(RtlError, match=r"layer 'codes': 2048 codes behind leakyrelu; .* 1024: quantize to 10 bits"):
        compile_network(network, FOLDING)


def test_thresholds_of_its_own_may_be_more():
    rows = np.arange(1, 2001)[None]
    nodes = (
        Node("flat", Flatten(), ("input",)),
        Node("dense", Dense(np.full((3, 32), 31), np.zeros(3, int), QType(-31, 31), 8), ("flat",)),
        Node("leaky", LeakyReLU(1), ("dense",)),
        Node("codes", Threshold(rows, 0, 1, 0), ("leaky",)),
        Node("logits", Dense(np.eye(3, dtype=int), np.zeros(3, int), QType(-1, 1), 4), ("codes",)),
    )
    network = small_network(*nodes)
    assert wrong_codes(compile_network(network, FOLDING), random_codes(network, 1, 5)) == 0


def test_a_core_with_it_everywhere_is_exact_on_every_edge_with_any_banks():
    first = leaky_everywhere("routed")
    with contextlib.closing(CoreModel(compile_network(first, FOLDING), seed=3, optimize=0, trace=True)) as model:
        for network in (first, other_banks(first, 1, 63), other_banks(first, 2), first):
            model.load(network)
            codes = random_codes(network, 2, 12)
            model.model.forget()
            answers, _ = model.run(codes)
            wanted = run(network, codes=codes, edges=list(network.edges))
            assert not differing(wanted, answers).any()
            edges = model.edges()
            assert set(edges) == set(network.edges) - {"input"}
            found = compare(network, wanted.edges, edges)
            assert (found.total, found.first) == (0, None)
