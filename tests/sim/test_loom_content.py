"""What stands in an artifact's entries: strict JSON, a lawful network, its own tensors and golden vectors."""

import io
import os
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
from containers import WHOLE, edited, raw_npy, refused, replaced, unzipped, zipped
from handmade import branch, made, routed_network

from crossloom.sim import Artifact
from crossloom.sim.loom import to_bytes
from crossloom.sim.npy import npy_array, npy_bytes


def test_deep_nesting_is_refused_quickly(tmp_path):
    start = time.perf_counter()
    refused(
        replaced("flat", info_dot_json=b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        "nested deeper than 32",
        tmp_path,
    )
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"a":1,"a":2}', "key 'a' stands twice"),
        (b'{"a":NaN}', "NaN is no number"),
        (b'{"a":-Infinity}', "-Infinity is no number"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "number of 5000 digits"),
        (b"[1]", "info.json: needed an object"),
        (b'{"a": 1}', "not in the one form"),
        (b'{"b":1,"a":1}', "not in the one form"),
        (b'{"a":"\\u00fc"}', "not in the one form"),
        (b'{"a":"\\ud800"}', "info.json: 'utf-8' codec can't encode"),
        (b'{"a":\xff}', "not JSON"),
        (b"", "not JSON"),
        (b'{"a":1', "not JSON"),
    ],
)
def test_info_that_is_not_canonical_json_is_refused(raw, words, tmp_path):
    refused(replaced("flat", info_dot_json=raw), words, tmp_path)


def _schema(plain):
    plain["schema"] = 2


def _node(plain, **changes):
    plain["nodes"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_schema, "schema 2; this version reads schema 1"),
        (lambda p: p.update(schema="1\n2"), r"schema '1\n2'; this version reads schema 1"),
        (lambda p: p.update(schema=[1]), "schema [1]; this version"),
        (lambda p: p.update(schema=True), "schema True; this version"),
        (lambda p: p.update(schema=1.0), "not in the one form"),
        (lambda p: p["input"]["type"].update(lo="x\n" * 500), r"type: lo: found 'x\nx"),
        (lambda p: p["input"]["type"].update(hi=1 << 47), "type: hi: found 140737488355328; needed an integer"),
        (lambda p: p["nodes"][0].update(inputs="input"), "inputs: found str; needed a list"),
        (lambda p: p["nodes"].append(3), "node 4: needed an object with name, op, inputs"),
        (lambda p: p.update(route=[]), "route: found list; needed an object"),
        (lambda p: p.pop("classes"), "key 'classes' is missing"),
        (lambda p: p.update(extra=1), "unknown key 'extra'"),
        (lambda p: p.update(nodes={}), "nodes: found dict; needed a list"),
        (lambda p: p.update(name=3), "name: found int; needed a string"),
        (lambda p: p.update(name="A B"), "network: name 'A B'"),
        (lambda p: _node(p, op="transformer"), "unknown operator 'transformer'"),
        (lambda p: _node(p, stride=[1, "1"]), "stride: found str; needed an integer"),
        (lambda p: _node(p, stride=[1]), "needed 2 integers"),
        (lambda p: _node(p, groups=True), "groups: found bool"),
        (lambda p: _node(p, extra=1), "unknown key 'extra'"),
        (lambda p: p["nodes"][0].pop("groups"), "key 'groups' is missing"),
        (lambda p: p["nodes"][1].update(rounding="up"), "'up'; needed one of floor, half_up, half_even"),
        (lambda p: p["nodes"][0]["weight_type"].update(hi=3), "weight: code"),
        (lambda p: p["nodes"][0]["weight_type"].update(frac=1.5), "frac: found 1.5"),
        (lambda p: p["nodes"][0].update(name="Conv"), "is no identifier"),
        (lambda p: p["nodes"][1].update(inputs=["flat"]), "the graph has a cycle"),
        (lambda p: p["nodes"][1].update(inputs=["gone"]), "input 'gone' is missing"),
        (lambda p: p["input"].update(shape=[3, 3]), "needed (H, W, C)"),
        (lambda p: p["input"].update(shape=[3, 3, 10**9]), "needed an integer in 1..4096"),
        (lambda p: p.update(classes=["a", "a", "b"]), "class name 'a' is used twice"),
    ],
)
def test_a_network_that_breaks_a_rule_is_refused(change, words, tmp_path):
    refused(edited("flat", "network.json", change), words, tmp_path)


def test_tensors_that_do_not_belong_are_refused(tmp_path):
    weight = "tensors/fc.weight.npy"
    entries = unzipped(to_bytes(made("flat")))
    good = npy_array("w", entries[weight])
    cases = [
        (None, "tensor 'fc.weight' is missing"),
        (npy_bytes(good[:, :-1]), "reads shape [18]; the weights need [17]"),
        (npy_bytes(good[0]), "shape [18]; needed [n, n]"),
        (npy_bytes(np.where(good == good[0, 0], 8, good).astype(np.int8)), "weight: code 8"),
        (npy_bytes(good.astype(np.int16)), "not in the one form"),
        (b"\x93NUMPY\x01\x00" + b"junk" * 40, "no integer array in the form"),
        (entries[weight][:-1], "needs 54 bytes; the entry holds 53"),
        (raw_npy(np.array([{"a": 1}], dtype=object), True), "no integer array in the form"),
        (raw_npy(good.astype(np.float32)), "no integer array in the form"),
        (raw_npy(np.asfortranarray(good)), "no integer array in the form"),
    ]
    for raw, words in cases:
        changed = dict(entries)
        if raw is None:
            del changed[weight]
        else:
            changed[weight] = raw
        refused(zipped(changed), words, tmp_path)
    refused(
        zipped({**entries, "tensors/idle.weight.npy": entries[weight]}),
        "tensor 'idle.weight' belongs to no node",
        tmp_path,
    )


def test_a_pickle_is_never_opened(tmp_path):
    trap = tmp_path / "trap"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    refused(replaced("flat", tensors__fc_dot_weight_dot_npy=buffer.getvalue()), "no integer array", tmp_path)
    refused(pickle.dumps(Evil()), WHOLE, tmp_path)
    assert not trap.exists()


def test_a_huge_claimed_shape_is_refused_without_allocating(tmp_path):
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (999999999, 999999999), }"
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
    refused(replaced("flat", tensors__fc_dot_weight_dot_npy=raw), "the entry holds 64", tmp_path)


def test_golden_vectors_of_other_weights_are_refused(tmp_path):
    entries = unzipped(to_bytes(made("routed")))
    other = replace(
        routed_network(),
        route=replace(routed_network().route, branches=(branch(0, (2, 0)), branch(1, (1, 3, 4), seed=8))),
    )
    entries |= {k: v for k, v in unzipped(to_bytes(Artifact(other))).items() if k.startswith("tensors/")}
    refused(zipped(entries), "made with other weights", tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.update(extra=1), "golden/index.json: needed exactly the keys dataset, digest, edges"),
        (lambda p: p.pop("digest"), "golden/index.json: needed exactly the keys"),
        (lambda p: p.update(dataset=3), "golden/index.json: needed exactly the keys"),
        (lambda p: p.update(digest="md5\n"), r"golden/index.json: digest 'md5\n'; this version knows blake2b-64"),
        (lambda p: p["edges"].reverse(), "its edges are not the network's, in execution order"),
        (lambda p: p.update(edges=3), "its edges are not the network's"),
    ],
)
def test_a_golden_index_of_another_form_is_refused(change, words, tmp_path):
    refused(edited("flat", "golden/index.json", change), words, tmp_path)


def test_golden_arrays_that_do_not_fit_are_refused(tmp_path):
    entries = unzipped(to_bytes(made("flat")))
    bad = npy_array("x", entries["golden/codes.conv.npy"])[:, :, :, :1]
    for changed, words in [
        ({"golden/codes.conv.npy": npy_bytes(np.ascontiguousarray(bad))}, "golden/codes.conv.npy: |i1"),
        ({"golden/codes.idle.npy": entries["golden/codes.fc.npy"]}, "golden/codes.idle.npy has no place"),
        ({"golden/digests.npy": None}, "golden/digests.npy is missing"),
        ({"golden/index.json": None}, "golden/index.json is missing"),
    ]:
        found = {k: v for k, v in {**entries, **changed}.items() if v is not None}
        refused(zipped(found), words, tmp_path)


def test_a_doubled_key_among_very_many_is_found_at_once(tmp_path):
    keys = [*range(200_000), 199_999]
    raw = b"{" + b",".join(b'"%d":0' % key for key in keys) + b"}"
    start = time.perf_counter()
    refused(replaced("flat", info_dot_json=raw), "key '199999' stands twice", tmp_path)
    assert time.perf_counter() - start < 10


def test_the_network_itself_is_held_to_strict_json_too(tmp_path):
    raw = unzipped(to_bytes(made("flat")))["network.json"]
    for changed, words in [
        (raw.replace(b'"schema":1', b'"schema":1,"schema":1'), "network.json: key 'schema' stands twice"),
        (raw.replace(b'"schema":1', b'"schema":NaN'), "network.json: NaN is no number"),
        (raw.replace(b'"schema":1', b'"schema":' + b"[" * 40 + b"]" * 40), "network.json: nested deeper than 32"),
        (raw.replace(b'"hand-made"', b'"hand-\\ud800"'), "network: name"),
        (raw.replace(b'["a",', b'["\\ud800",'), "class name"),
        (raw.replace(b'"schema":1', b'"schema": 1'), "not in the one form"),
        (raw + b" ", "not in the one form"),
        (b"\xef\xbb\xbf" + raw, "not in the one form"),
        (raw.decode().encode("utf-16"), "not in the one form"),
    ]:
        assert changed != raw
        refused(replaced("flat", network_dot_json=changed), words, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: replace(g, images=g.images[:0], codes={n: c[:0] for n, c in g.codes.items()}),
        lambda g: replace(g, digests=g.digests[:0], inputs=None, labels=None),
        lambda g: replace(g, digests=g.digests[:3], inputs=g.inputs[:3], labels=g.labels[:3]),
        lambda g: replace(
            g, images=g.images.repeat(2, axis=0), codes={n: c.repeat(2, axis=0) for n, c in g.codes.items()}
        ),
    ],
)
def test_golden_vectors_that_would_prove_nothing_are_refused(change, tmp_path):
    artifact = made("flat")
    refused(to_bytes(replace(artifact, golden=change(artifact.golden))), "images in full of", tmp_path)


TIME = {
    "steps of another layer": (1, {"steps": 4}, "node 'membranes' (lif): reads 4 time steps; needed 1 or its own 3"),
    "more steps than any": (1, {"steps": 4097}, "steps: found 4097; needed an integer in 1..4096"),
    "membranes too narrow": (1, {"bits": 5}, "theta: code 20 at [0]; the type holds 1..15"),
    "another comparison": (
        1,
        {"strict": False},
        "read by threshold 21 of channel 0; what resets it are its spikes: needed its own thresholds, 20",
    ),
    "more spikes a step": (
        1,
        {"strict": False, "most": 2},
        "read by 1 thresholds a channel; what resets it are its spikes: needed its own thresholds, 2 a channel",
    ),
    "an unknown reset": (1, {"reset": "soft"}, "reset 'soft'; needed one of subtract, zero, none"),
    "a leak of its own": (1, {"leak": 3}, "unknown key 'leak'"),
    "no answer": (6, {"inputs": ["conv"]}, "output has shape [3, 3, 2]; needed [3], one row per class"),
}


@pytest.mark.parametrize("name", TIME)
def test_time_and_neurons_that_were_altered_are_refused(name, tmp_path):
    node, changes, words = TIME[name]
    refused(edited("spiking", "network.json", lambda plain: plain["nodes"][node].update(changes)), words, tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder": "events", "steps": 5, "seed": 0}, "reads 5 time steps; needed 1 or its own 3"),
        ({"encoder": "rate", "steps": 3, "seed": 0}, "input: type 0..3; the codes of encoder 'rate' are 0 and 1"),
        ({"encoder": "poisson", "steps": 3, "seed": 0}, "encoder 'poisson'; needed one of"),
        ({"encoder": "events", "steps": 3}, "input: key 'seed' is missing"),
        ({"steps": 3}, "input: key 'encoder' is missing"),
    ],
)
def test_an_encoder_that_was_put_in_is_refused(changes, words, tmp_path):
    refused(edited("spiking", "network.json", lambda plain: plain["input"].update(changes)), words, tmp_path)


def test_thresholds_that_are_not_those_that_reset_the_neurons_are_refused(tmp_path):
    entry = "tensors/neurons.theta.npy"
    theta = npy_array(entry, unzipped(to_bytes(made("spiking")))[entry])
    other = {"tensors__neurons_dot_theta_dot_npy": npy_bytes(theta + np.array([0, 1]))}
    refused(
        replaced("spiking", **other),
        "read by threshold 32 of channel 1; what resets it are its spikes: needed its own thresholds, 33",
        tmp_path,
    )
