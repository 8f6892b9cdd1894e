"""Whole networks: equal to the reference, indifferent to batching, strict about what goes in."""

import gc
import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import reference
from handmade import branch, dense, flat_network, routed_network, with_node

from crossloom.sim import (
    Flatten,
    Input,
    InputError,
    MaxPool,
    Network,
    Node,
    QType,
    Route,
    input_codes,
    random_codes,
    random_network,
    run,
)
from crossloom.sim import simulator as module
from crossloom.sim.shapes import cifar_sha_shape, cifar_shape


def every_image():
    """All 4^9 inputs would do; a spread of 200 of them does."""
    return np.random.default_rng(0).integers(0, 4, (200, 3, 3, 1), dtype=np.uint8)


@pytest.mark.parametrize("build", [flat_network, routed_network])
def test_a_hand_made_network_equals_the_reference_on_every_edge(build):
    net, images = build(), every_image()
    result = run(net, images, edges=net.edges)
    branches = set()
    for i, image in enumerate(images):
        codes = net.input.table[image, 0].tolist()
        edges, label, branch = reference.network(net, codes)
        assert {n: v.tolist() for n, v in ((n, result.edges[n][i]) for n in net.edges)} == edges
        assert result.labels[i] == label
        assert (None if result.branch is None else result.branch[i]) == branch
        branches.add(branch)
    assert len(branches) == (2 if net.route else 1)


@pytest.mark.parametrize("build", [flat_network, routed_network])
def test_a_sink_is_given_every_code_once_and_nothing_is_kept(build, monkeypatch):
    whole = run(build(), every_image(), edges=build().edges)
    monkeypatch.setattr(module, "CHUNK_BYTES", 9000)
    net, found, times = build(), {}, {}

    def sink(name, rows, codes):
        kept = found.setdefault(name, np.zeros_like(whole.edges[name]))
        assert codes.dtype == kept.dtype and codes.shape == (len(rows), *kept.shape[1:])
        kept[rows] = codes
        times.setdefault(name, np.zeros(200, int))[rows] += 1

    result = run(net, every_image(), edges=net.edges, sink=sink)
    assert result.edges == {} and np.array_equal(result.labels, whole.labels)
    assert found.keys() == net.edges.keys()
    assert all((times[name] == 1).all() and np.array_equal(found[name], whole.edges[name]) for name in found)


def test_images_and_their_codes_give_the_same():
    net, images = routed_network(), every_image()
    codes = input_codes(net.input, images)
    assert codes.dtype == np.int8
    a, b = run(net, images, edges=net.edges), run(net, codes=codes, edges=net.edges)
    assert np.array_equal(a.labels, b.labels)
    assert all(np.array_equal(a.edges[n], b.edges[n]) for n in net.edges)
    assert np.array_equal(run(net, images[..., 0]).labels, a.labels)


@pytest.mark.parametrize(
    ("type_", "codes", "line"),
    [
        (QType(-128, 127), [-128, 127], (-128, 255)),
        (QType(-128, 127), list(range(-128, 128)), (-128, 1)),
        (QType(0, 255), list(range(255, -1, -1)), (255, -1)),
        (QType(-30000, 30000), [30000, 0, -30000], (30000, -30000)),
        (QType(0, 4), [3, 3, 3], (3, 0)),
        (QType(0, 4), [0, 1, 2, 4], None),
        (QType(0, 300), [[0, 0], [100, 150], [200, 300]], None),
    ],
)
def test_values_of_an_image_become_the_codes_of_their_table(type_, codes, line):
    table = np.array(codes).reshape(len(codes), -1)
    source = Input((2, 3, table.shape[1]), type_, table)
    assert module.line_of(source) == line
    images = np.random.default_rng(0).integers(0, len(codes), (9, *source.shape), dtype=np.uint8)
    wanted = np.stack([table[images[..., c], c] for c in range(table.shape[1])], axis=-1)
    assert np.array_equal(input_codes(source, images), wanted)
    assert np.array_equal(input_codes(source, images / (len(codes) - 1)), wanted)


def test_a_table_of_one_column_per_channel_is_read_by_channel():
    net = random_network(0, 3)
    table = np.stack([np.arange(5), np.arange(5)[::-1]], axis=1)
    source = Input((1, 2, 2), QType(0, 4), table)
    images = np.array([[[[0, 0], [1, 4]]]], np.uint8)
    assert input_codes(source, images).tolist() == [[[[0, 4], [1, 0]]]]
    assert net.input.table.shape[1] in (1, net.input.shape[-1])


def test_floats_round_half_to_even_levels():
    source = Input((5,), QType(0, 4), np.arange(5)[:, None])
    floats = np.array([[0.125, 0.375, 0.625, 0.874, 1.0]])
    # 4 * x is 0.5, 1.5, 2.5, 3.496, 4
    for dtype in (np.float16, np.float32, np.float64):
        assert input_codes(source, floats.astype(dtype)).tolist() == [[0, 2, 2, 3, 4]]
    source = Input((256,), QType(0, 255), np.arange(256)[:, None])
    assert input_codes(source, (np.arange(256) / 255).astype(np.float32)[None]).tolist() == [list(range(256))]


@pytest.mark.parametrize("seed", range(6))
def test_batches_and_chunks_change_nothing(seed, monkeypatch):
    net = random_network(seed, 4)
    codes = random_codes(net, seed, 23)
    whole = run(net, codes=codes, edges=net.edges)
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    assert module.Simulator(net).chunk() == 1
    ones = module.Simulator(net).run(codes=codes, edges=net.edges)
    backwards = run(net, codes=codes[::-1], edges=net.edges)
    for name in net.edges:
        assert np.array_equal(whole.edges[name], ones.edges[name])
        assert np.array_equal(whole.edges[name], backwards.edges[name][::-1])
    assert np.array_equal(whole.labels, ones.labels)
    assert np.array_equal(whole.macs, ones.macs)
    assert np.ma.allequal(whole.scores, ones.scores)


def test_an_empty_batch_gives_empty_answers():
    for net in (flat_network(), routed_network()):
        result = run(net, np.zeros((0, 3, 3, 1), np.uint8), edges=["conv"])
        assert result.labels.shape == (0,)
        assert result.scores.shape == (0, len(net.classes))
        assert result.edges["conv"].shape == (0, 3, 3, 2)


def test_products_are_counted_for_the_branch_that_ran_alone():
    images = every_image()
    assert set(run(flat_network(), images).macs.tolist()) == {9 * 2 * 9 + 3 * 18}
    assert set(run(routed_network(), images).macs.tolist()) == {9 * 2 * 9 + 2 * 18 + 4 * 18 + 3 * 4}


def test_scores_of_branches_that_did_not_run_are_masked():
    net = routed_network()
    result = run(net, every_image())
    for i, chosen in enumerate(result.branch):
        classes = net.route.branches[chosen].classes
        assert set(np.flatnonzero(~np.ma.getmaskarray(result.scores)[i])) == set(classes)
        assert result.scores[i, list(classes)].tolist() == result.fine[i, : len(classes)].tolist()
        assert result.labels[i] in classes


def test_rows_past_a_branchs_classes_never_win():
    net = routed_network()
    last = branch(0, (2, 0)).nodes[-1]
    bias = last.op.bias.copy()
    bias[2] = 31
    op = replace(last.op, weight=np.where(np.arange(3)[:, None] == 2, 0, last.op.weight), bias=bias)
    bank = branch(0, (2, 0))
    bank = replace(bank, nodes=(*bank.nodes[:-1], replace(last, op=op)))
    net = replace(net, route=replace(net.route, branches=(bank, net.route.branches[1])))
    result = run(net, every_image())
    inside = result.branch == 0
    louder = (result.fine[inside][:, 2] > result.fine[inside][:, :2].max(axis=1)).sum()
    assert louder > 0
    assert np.array_equal(result.labels[inside], np.array([2, 0])[result.fine[inside][:, :2].argmax(axis=1)])


def test_ties_go_to_the_lowest_index():
    op = dense(3, 18, 1)
    same = replace(op, weight=op.weight[[0, 0, 0]], bias=op.bias[[0, 0, 0]])
    assert set(run(with_node(flat_network(), "fc", op=same), every_image()).labels.tolist()) == {0}
    tied = with_node(
        routed_network(), "coarse", op=replace(dense(2, 18, 9), weight=np.zeros((2, 18), int), bias=np.zeros(2, int))
    )
    assert set(run(tied, every_image()).branch.tolist()) == {0}


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((2, 3, 3, 2), np.uint8), "shape [2, 3, 3, 2]; needed (N, 3, 3, 1)"),
        (np.zeros((3, 3, 1), np.uint8), "add the batch axis: images[None]"),
        (np.zeros((3, 3), np.uint8), "add the batch axis: images[None]"),
        (np.zeros((2, 9), np.uint8), "shape [2, 9]"),
        (np.uint8(3), "shape []; needed (N, 3, 3, 1)"),
        ([[1], [1, 2]], "images: lists of unequal lengths; needed an array"),
        (np.full((1, 3, 3, 1), 4, np.uint8), "value 4 at [0, 0, 0, 0]; this network's images have levels 0..3"),
        (np.zeros((1, 3, 3, 1), np.int64), "dtype int64; needed uint8 0..3, or floats in 0..1"),
        (np.zeros((1, 3, 3, 1), bool), "dtype bool"),
        (np.zeros((1, 3, 3, 1), object), "dtype object"),
        (np.zeros((1, 3, 3, 1), complex), "dtype complex"),
        (np.full((1, 3, 3, 1), np.nan), "value nan at [0, 0, 0, 0]; floats must lie in 0..1"),
        (np.full((1, 3, 3, 1), 1.01), "value 1.01"),
        (np.full((1, 3, 3, 1), -0.01), "value -0.01"),
        (np.full((1, 3, 3, 1), np.inf), "value inf"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_line(images, words):
    with pytest.raises(InputError) as caught:
        run(flat_network(), images)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net: run(net), "needed images or codes"),
        (lambda net: run(net, every_image(), codes=every_image()), "needed images or codes"),
        (lambda net: run(net, codes=every_image() / 1.0), "codes: dtype float64"),
        (lambda net: run(net, codes=every_image()[0]), "codes: shape [3, 3, 1]"),
        (lambda net: run(net, codes=[[1], [1, 2]]), "codes: lists of unequal lengths; needed an array"),
        (lambda net: run(net, codes=np.full((1, 3, 3, 1), 2**64 - 1, np.uint64)), "codes: code 18446744073709551615"),
        (lambda net: run(net, codes=every_image().astype(int) - 1), "codes: code -1 at"),
        (lambda net: run(net, every_image(), edges=["nowhere"]), "no edge 'nowhere'; this network has input, conv"),
        (lambda net: run(net, every_image(), edges=[3]), "no edge '3'; this network has input, conv"),
    ],
)
def test_calls_that_do_not_fit_are_refused_in_one_line(call, words):
    with pytest.raises(InputError) as caught:
        call(flat_network())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_progress_counts_every_image_once(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    seen = []
    module.Simulator(flat_network()).run(every_image()[:5], progress=seen.append)
    assert seen == [1, 2, 3, 4, 5]


def test_the_cifar_shape_has_38_6_million_products_and_lively_edges():
    net = cifar_shape()
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    result = run(net, images, edges=net.edges)
    assert result.macs.tolist() == [38_634_752] * 2
    assert all(np.unique(result.edges[n.name]).size > 4 for n in net.nodes)
    assert all(edge.carrier == np.float32 for edge in net.edges.values())


def test_the_cifar_sha_shape_is_the_same_trunk_with_a_coarse_head_and_4_branches():
    flat, net = cifar_shape(), cifar_sha_shape()
    trunk = [node.name for node in net.nodes if node.name not in net.head]
    assert trunk[-1] == "pool1" == net.route.source
    for name in ("conv0_1", "conv0_2", "conv1_1", "conv1_2"):
        ours, theirs = (next(n.op for n in nodes if n.name == name) for nodes in (net.nodes, flat.nodes))
        assert (ours.weight == theirs.weight).all() and (ours.bias == theirs.bias).all()
    assert sorted(c for branch in net.route.branches for c in branch.classes) == list(range(10))
    assert [len(branch.classes) for branch in net.route.branches] == [3, 3, 2, 2]
    names = [node.name for node in flat.nodes]
    rest = [node.op.kind for node in flat.nodes[names.index("pool1") + 1 :]]
    assert all([node.op.kind for node in branch.nodes] == rest for branch in net.route.branches)
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    result = run(net, images, edges=net.edges)
    # Dense layers alone differ: 4 coarse rows and 5 of a branch instead of 10.
    assert result.macs.tolist() == [38_634_752 - 128 * 10 + 64 * 4 + 128 * 5] * 2
    assert all(np.unique(result.edges[name]).size > 4 for name in net.edges)


def test_memory_does_not_grow_with_the_number_of_images():
    net = cifar_shape()
    peaks = []
    for count in (20, 200):
        images = np.zeros((count, 32, 32, 3), np.uint8)
        run(net, images[:1])
        tracemalloc.start()
        run(net, images)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * module.CHUNK_BYTES
    assert peaks[1] - peaks[0] < 180 * 1024, "answers alone may grow: labels, logits, products"


def test_a_branch_may_read_the_input_itself():
    source = Input((18,), QType(0, 15, 3), np.arange(16)[:, None])
    coarse = Node("coarse", dense(2, 18, 9), ("input",))
    banks = tuple(
        replace(bank, nodes=(replace(bank.nodes[0], inputs=("input",)), *bank.nodes[1:]))
        for bank in routed_network().route.branches
    )
    net = Network("direct", source, (coarse,), "coarse", tuple("abcde"), Route("input", "fine", 3, banks))
    images = np.random.default_rng(0).integers(0, 16, (60, 18), dtype=np.uint8)
    result = run(net, images, edges=net.edges)
    assert set(result.branch.tolist()) == {0, 1}
    for i, image in enumerate(images.tolist()):
        edges, label, chosen = reference.network(net, image)
        assert {name: result.edges[name][i].tolist() for name in net.edges} == edges
        assert (result.labels[i], result.branch[i]) == (label, chosen)


def test_equal_fine_logits_give_the_class_of_the_lowest_row():
    net = routed_network()
    banks = []
    for bank in net.route.branches:
        last = bank.nodes[-1]
        same = replace(last.op, weight=last.op.weight[[0, 0, 0]], bias=last.op.bias[[0, 0, 0]])
        banks.append(replace(bank, nodes=(*bank.nodes[:-1], replace(last, op=same))))
    result = run(replace(net, route=replace(net.route, branches=tuple(banks))), every_image())
    # Row 0 of the banks is class 2 and class 1, neither of them the lowest class of its branch and of all.
    assert {(b, c) for b, c in zip(result.branch.tolist(), result.labels.tolist(), strict=True)} == {(0, 2), (1, 1)}


def test_an_image_is_answered_the_same_in_any_company():
    net, images = routed_network(), every_image()[:12]
    whole = run(net, images, edges=net.edges)
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(12), 5))
    mixed = run(net, images[order], edges=net.edges)
    alone = [run(net, images[i : i + 1], edges=net.edges) for i in range(12)]
    for name in ("labels", "branch", "fine", "logits", "macs"):
        assert np.array_equal(getattr(mixed, name), getattr(whole, name)[order])
        assert np.array_equal(np.concatenate([getattr(one, name) for one in alone]), getattr(whole, name))
    for name in net.edges:
        assert np.array_equal(mixed.edges[name], whole.edges[name][order])
    assert np.array_equal(np.ma.getmaskarray(mixed.scores), np.ma.getmaskarray(whole.scores)[order])


def test_edges_come_only_on_request_and_in_their_own_dtype():
    net = routed_network()
    assert run(net, every_image()[:2]).edges == {}
    result = run(net, every_image()[:2], edges=("fine", "input", "fine"))
    assert set(result.edges) == {"fine", "input"}
    assert all(codes.dtype == net.edges[name].type.dtype for name, codes in result.edges.items())


def test_levels_that_float32_cannot_tell_from_a_tie_are_rounded_as_the_float_says():
    source = Input((3,), QType(0, 255), np.arange(256)[:, None])
    below, above = np.nextafter(0.5, 0), np.nextafter(0.5, 1)
    # 255 * 0.5 is 127.5, a tie: 128 is even; the doubles beside it are no ties.
    assert input_codes(source, np.array([[below, 0.5, above]])).tolist() == [[127, 128, 128]]
    ties = np.array([[1 / 510, 3 / 510, 0.5]])
    assert input_codes(source, ties).tolist() == [[round(255 * float(t)) for t in ties[0]]]


def test_a_network_that_ran_is_freed_when_nobody_holds_it():
    net = routed_network()
    run(net, every_image()[:2])
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_a_network_is_prepared_once_and_its_copy_anew(monkeypatch):
    built, original = [], module.Simulator
    monkeypatch.setattr(module, "Simulator", lambda net: built.append(net) or original(net))
    net = flat_network()
    copy = replace(net)
    for which in (net, net, copy, net):
        run(which, every_image()[:1])
    assert built == [net, copy]


def test_memory_does_not_grow_with_padding_far_wider_than_the_image():
    source = Input((1, 1, 2), QType(0, 3), np.arange(4)[:, None])
    pool = Node("pool", MaxPool((65, 65), (65, 65), (64, 64, 64, 64)), ("input",))
    net = Network(
        "wide",
        source,
        (pool, Node("flat", Flatten(), ("pool",)), Node("fc", dense(2, 2, 1), ("flat",))),
        "fc",
        ("a", "b"),
    )
    images = np.random.default_rng(0).integers(0, 4, (400, 1, 1, 2), dtype=np.uint8)
    run(net, images[:1])
    tracemalloc.start()
    result = run(net, images, edges=["pool"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(result.edges["pool"], images)
    assert peak < 2 * module.CHUNK_BYTES


@pytest.mark.parametrize("type_", [QType(0, (1 << 32) - 1), QType(-(1 << 31), (1 << 31) - 1)])
def test_input_codes_of_32_bits_are_carried_whole(type_):
    table = np.array([[max(type_.lo, 0)], [3]])
    net = Network("wide", Input((4,), type_, table), (Node("fc", dense(2, 4, 1), ("input",)),), "fc", ("a", "b"))
    codes = random_codes(net, 0, 8)
    assert (codes.min(), codes.max()) == (type_.lo, type_.hi)
    result = run(net, codes=codes, edges=net.edges)
    for i, image in enumerate(codes.tolist()):
        edges, label, _ = reference.network(net, image)
        assert {name: result.edges[name][i].tolist() for name in net.edges} == edges
        assert result.labels[i] == label
