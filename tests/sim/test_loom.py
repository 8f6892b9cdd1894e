"""The artifact: same bytes everywhere, and nothing but what `save` writes is read."""

import hashlib
import io
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import branch, made, routed_network
from hypothesis import given, settings
from hypothesis import strategies as st

from crossloom.sim import Artifact, ArtifactError, CrossloomError, load, run, save, weights_sha256
from crossloom.sim import loom as module
from crossloom.sim.loom import _unzip, _zip_bytes, from_bytes, to_bytes
from crossloom.sim.npy import npy_array, npy_bytes

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Hashes of the hand-made artifacts' bytes: the format may not change without a new schema version.
KNOWN = {
    "flat": "0cc371f4f8e548c9bc00e8f52fb3db61d103ffc3e50f276be1a279f88ecfdaeb",
    "routed": "eae607a118f688925716214a0d61371922bdfbd6d8fd67e0e6e034097b3466e3",
}
PRINT_HASHES = (
    "from handmade import made; from crossloom.sim.loom import to_bytes; import hashlib, numpy;"
    "print(numpy.__version__, *(hashlib.sha256(to_bytes(made(n))).hexdigest() for n in ('flat', 'routed')))"
)


@pytest.fixture(params=["flat", "routed"])
def name(request):
    return request.param


def seal(data):
    """Put the right hash at the end of altered bytes, so that the deeper check must refuse them."""
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


def rebuilt(entries):
    """A canonical container of other entries, with the right hash."""
    return _zip_bytes(entries)


def edited(name, entry, change):
    """The artifact with one JSON entry changed."""
    entries = _unzip(to_bytes(made(name)))
    plain = json.loads(entries[entry])
    change(plain)
    entries[entry] = module.canonical_json(plain)
    return rebuilt(entries)


def replaced(name, **entries):
    """The artifact with raw entries replaced; keys spell / and . as __ and _dot_."""
    found = _unzip(to_bytes(made(name)))
    for key, raw in entries.items():
        key = key.replace("__", "/").replace("_dot_", ".")
        if raw is None:
            del found[key]
        else:
            found[key] = raw
    return rebuilt(found)


# -- what is written --------------------------------------------------------------------------------------------


def test_a_round_trip_loses_nothing(name, tmp_path):
    artifact = made(name)
    saved = save(artifact, tmp_path / "x.loom")
    found = load(tmp_path / "x.loom")
    assert found.sha256 == saved.sha256 == hashlib.sha256((tmp_path / "x.loom").read_bytes()).hexdigest()
    assert weights_sha256(found.network) == weights_sha256(artifact.network)
    assert found.network.name == artifact.network.name
    assert found.info == artifact.info
    assert np.array_equal(found.golden.digests, artifact.golden.digests)
    images = artifact.golden.inputs
    assert np.array_equal(run(found.network, images).labels, run(artifact.network, images).labels)
    assert to_bytes(found) == to_bytes(artifact)


def test_the_bytes_are_the_known_ones(name):
    assert hashlib.sha256(to_bytes(made(name))).hexdigest() == KNOWN[name]


def test_another_process_writes_the_same_bytes():
    assert _hashes(sys.executable)[1:] == [KNOWN["flat"], KNOWN["routed"]]


@pytest.fixture(scope="module")
def old_numpy(tmp_path_factory):
    """A clean interpreter with numpy 1.26."""
    folder = tmp_path_factory.mktemp("old")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "numpy==1.26.4"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("numpy 1.26 not obtainable")
    return python


def test_numpy_1_and_2_write_the_same_bytes(old_numpy):
    version, *hashes = _hashes(old_numpy)
    assert version == "1.26.4"
    assert hashes == [KNOWN["flat"], KNOWN["routed"]]


def _hashes(python):
    path = os.pathsep.join([str(ROOT / "sim"), str(HERE)])
    found = subprocess.run(
        [python, "-c", PRINT_HASHES], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_any_zip_tool_can_open_it_and_sees_the_hash(tmp_path):
    saved = save(made("flat"), tmp_path / "x.loom")
    with zipfile.ZipFile(tmp_path / "x.loom") as archive:
        assert archive.testzip() is None
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        body = (tmp_path / "x.loom").read_bytes()[:-64]
        assert archive.comment.decode() == hashlib.sha256(body).hexdigest()
        assert archive.namelist() == sorted(archive.namelist())
    assert saved.sha256


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<i4", "<i8", "|u1", "<u8"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 3, 4)])
def test_arrays_are_plain_npy_files(dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    data = npy_bytes(array)
    assert np.array_equal(np.load(io.BytesIO(data), allow_pickle=False), array)
    assert np.array_equal(npy_array("x", data), array)
    assert npy_bytes(np.asfortranarray(array)) == data
    assert npy_bytes(array.astype(array.dtype.newbyteorder(">"))) == data


# -- what is refused --------------------------------------------------------------------------------------------


def refused(data, words, tmp_path):
    path = tmp_path / "bad.loom"
    path.write_bytes(data)
    with pytest.raises(ArtifactError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert words in text
    assert "\n" not in text


WHOLE = "not a whole .loom file"


def test_a_truncated_artifact_is_refused(tmp_path):
    data = to_bytes(made("flat"))
    for length in [*range(0, 200), *range(200, len(data), 97), len(data) - 1]:
        with pytest.raises(ArtifactError, match=WHOLE):
            from_bytes(data[:length])
    refused(data[:-1], WHOLE, tmp_path)


def test_every_flipped_bit_is_noticed():
    data = to_bytes(made("flat"))
    rng = np.random.default_rng(0)
    for place in rng.integers(0, 8 * len(data), 2000):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        with pytest.raises(ArtifactError, match=WHOLE):
            from_bytes(bytes(flipped))


def test_a_rezipped_artifact_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, raw in _unzip(to_bytes(made("flat"))).items():
            archive.writestr(entry, raw)
        archive.comment = b"x" * 64
    refused(buffer.getvalue(), WHOLE, tmp_path)
    refused(seal(buffer.getvalue()), "compressed", tmp_path)


def test_an_entry_said_to_be_compressed_is_refused_though_its_sizes_agree(tmp_path):
    data = bytearray(to_bytes(made("flat")))
    data[8] = zipfile.ZIP_DEFLATED
    refused(seal(bytes(data)), "is compressed; artifacts store entries as they are", tmp_path)


def test_appended_and_hidden_bytes_are_refused(tmp_path):
    data = to_bytes(made("flat"))
    refused(data + b"x", WHOLE, tmp_path)
    refused(seal(data[:-64] + b"hidden" + data[-64:]), "not in the one form", tmp_path)
    middle = data.index(b"PK\x01\x02")
    refused(seal(data[:middle] + b"hidden" + data[middle:]), "not in the one form", tmp_path)


def test_a_duplicate_entry_is_refused(tmp_path):
    data = to_bytes(made("flat"))
    second = data.index(b"PK\x03\x04", 4)
    refused(seal(data[:second] + data), "stands twice", tmp_path)


@pytest.mark.parametrize(
    "entry", ["../evil.npy", "/etc/passwd", "tensors/../x.npy", "extra.json", "tensors/X.npy", "golden/a/b.npy"]
)
def test_an_entry_of_another_name_is_refused(entry, tmp_path):
    refused(replaced("flat", **{entry: b"x"}), "has no place in an artifact", tmp_path)


def test_a_claimed_size_beyond_the_file_is_refused(tmp_path):
    data = bytearray(to_bytes(made("flat")))
    data[18:26] = 2 * (0xFFFFFFF0).to_bytes(4, "little")
    refused(seal(bytes(data)), "claims 4294967280 bytes", tmp_path)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    refused(b"x" * 1001, "over 1000 bytes", tmp_path)
    with pytest.raises(ArtifactError, match="at most 1000"):
        to_bytes(made("flat"))


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
    entries = _unzip(to_bytes(made("flat")))
    good = npy_array("w", entries[weight])
    cases = [
        (None, "tensor 'fc.weight' is missing"),
        (npy_bytes(good[:, :-1]), "reads shape [18]; the weights need [17]"),
        (npy_bytes(good[0]), "shape [18]; needed [n, n]"),
        (npy_bytes(np.where(good == good[0, 0], 8, good).astype(np.int8)), "weight: code 8"),
        (npy_bytes(good.astype(np.int16)), "not in the one form"),
        (b"\x93NUMPY\x01\x00" + b"junk" * 40, "no integer array in the form"),
        (entries[weight][:-1], "needs 54 bytes; the entry holds 53"),
        (_raw_npy(np.array([{"a": 1}], dtype=object), True), "no integer array in the form"),
        (_raw_npy(good.astype(np.float32)), "no integer array in the form"),
        (_raw_npy(np.asfortranarray(good)), "no integer array in the form"),
    ]
    for raw, words in cases:
        changed = dict(entries)
        if raw is None:
            del changed[weight]
        else:
            changed[weight] = raw
        refused(rebuilt(changed), words, tmp_path)
    refused(
        rebuilt({**entries, "tensors/idle.weight.npy": entries[weight]}),
        "tensor 'idle.weight' belongs to no node",
        tmp_path,
    )


def _raw_npy(array, pickled=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


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
    entries = _unzip(to_bytes(made("routed")))
    other = replace(
        routed_network(),
        route=replace(routed_network().route, branches=(branch(0, (2, 0)), branch(1, (1, 3, 4), seed=8))),
    )
    entries |= {k: v for k, v in _unzip(to_bytes(Artifact(other))).items() if k.startswith("tensors/")}
    refused(rebuilt(entries), "made with other weights", tmp_path)


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


def test_an_array_that_is_not_of_integers_is_not_written():
    for array in (np.zeros(3), np.zeros(3, bool), np.array([None])):
        with pytest.raises(ArtifactError, match="artifacts hold integer arrays only"):
            npy_bytes(array)


def test_golden_arrays_that_do_not_fit_are_refused(tmp_path):
    entries = _unzip(to_bytes(made("flat")))
    bad = npy_array("x", entries["golden/codes.conv.npy"])[:, :, :, :1]
    for changed, words in [
        ({"golden/codes.conv.npy": npy_bytes(np.ascontiguousarray(bad))}, "golden/codes.conv.npy: |i1"),
        ({"golden/codes.idle.npy": entries["golden/codes.fc.npy"]}, "golden/codes.idle.npy has no place"),
        ({"golden/digests.npy": None}, "golden/digests.npy is missing"),
        ({"golden/index.json": None}, "golden/index.json is missing"),
    ]:
        found = {k: v for k, v in {**entries, **changed}.items() if v is not None}
        refused(rebuilt(found), words, tmp_path)


@settings(max_examples=300)
@given(st.data())
def test_resealed_random_edits_raise_nothing_but_our_errors(data):
    raw = bytearray(_FUZZED)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 65))
        raw[place] = data.draw(st.integers(0, 255))
    start = time.perf_counter()
    try:
        from_bytes(seal(bytes(raw)))
    except CrossloomError as error:
        assert "\n" not in str(error)
    assert time.perf_counter() - start < 5


_FUZZED = to_bytes(Artifact(routed_network(), {"a": [1.5]}))


def _altered(data, value):
    """Draw a change somewhere inside a JSON value."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 9)) == 0:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: _altered(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 4)):
        at = data.draw(st.integers(0, len(value) - 1))
        style = data.draw(st.sampled_from(["change", "drop", "double", "swap"]))
        if style == "swap":
            return [*value[at:], *value[:at]]
        middle = {"change": lambda: [_altered(data, value[at])], "drop": list, "double": lambda: [value[at]] * 2}[style]
        return [*value[:at], *middle(), *value[at + 1 :]]
    if type(value) is int and data.draw(st.booleans()):
        return value + data.draw(st.sampled_from([-1, 1, 2, 256, 1 << 31, 1 << 47, -(1 << 62)]))
    return data.draw(st.sampled_from(ODD))


ODD = [
    *(None, True, False, 0, -1, 1, 3, 1.5, 1 << 31, 1 << 62, "", "a", "A\nB", "\u202e", "fc", "fine", "flat", "input"),
    *([], {}, [1], [[1]], {"a": 1}, "conv2d", "dense", "concat", "threshold", "half_up", "x" * 300, [0] * 300),
]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_networks_changed_in_any_place_are_refused_in_one_line_or_run(data):
    entries = _unzip(_FUZZED)
    plain = json.loads(entries["network.json"])
    for _ in range(data.draw(st.integers(1, 2))):
        plain = _altered(data, plain)
    entries["network.json"] = module.canonical_json(plain)
    try:
        network = from_bytes(rebuilt(entries)).network
    except CrossloomError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000
        return
    if np.prod(network.input.shape) < 10_000:
        run(network, np.zeros((1, *network.input.shape), np.uint8), edges=network.edges)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_entries_changed_in_any_byte_are_refused_in_one_line_or_run(data):
    entries = _unzip(_FUZZED_GOLDEN)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(entries)))
        raw = bytearray(entries[name])
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.sampled_from([0, 0, 1, 1, 1, 7]))
        raw[at : at + cut] = data.draw(st.binary(min_size=0, max_size=3))
        entries[name] = bytes(raw)
    try:
        network = from_bytes(rebuilt(entries)).network
    except CrossloomError as error:
        assert "\n" not in str(error)
        return
    run(network, np.zeros((1, *network.input.shape), np.uint8), edges=network.edges)


_FUZZED_GOLDEN = to_bytes(made("flat"))


def test_a_doubled_key_among_very_many_is_found_at_once(tmp_path):
    keys = [*range(200_000), 199_999]
    raw = b"{" + b",".join(b'"%d":0' % key for key in keys) + b"}"
    start = time.perf_counter()
    refused(replaced("flat", info_dot_json=raw), "key '199999' stands twice", tmp_path)
    assert time.perf_counter() - start < 10


def test_the_network_itself_is_held_to_strict_json_too(tmp_path):
    raw = _unzip(to_bytes(made("flat")))["network.json"]
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


@pytest.mark.parametrize("name", ["network.json", "info.json"])
def test_an_artifact_without_its_core_entries_is_refused(name, tmp_path):
    entries = _unzip(to_bytes(made("flat")))
    del entries[name]
    refused(rebuilt(entries), f"entry {name} is missing", tmp_path)


def test_more_entries_and_larger_json_than_the_limits_are_refused(tmp_path, monkeypatch):
    data = to_bytes(made("flat"))
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    refused(data, "more than 3 entries", tmp_path)
    monkeypatch.setattr(module, "MAX_ENTRIES", 100)
    monkeypatch.setattr(module, "MAX_JSON_BYTES", 20)
    refused(data, "'golden/index.json' claims", tmp_path)


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


def test_a_path_that_no_file_can_have_is_refused_in_one_line(tmp_path):
    for path in (f"{tmp_path}/a\0b.loom", tmp_path / "no\nsuch" / "x.loom", tmp_path / "\udcff" / "x.loom"):
        for call in (lambda path=path: load(path), lambda path=path: save(made("flat"), path)):
            with pytest.raises(ArtifactError, match=r"(a\\x00b|no\\nsuch/x|\\udcff/x)\.loom': cannot be") as caught:
                call()
            assert str(caught.value).isprintable()


def test_a_bad_file_of_an_odd_name_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a\nb.loom"
    path.write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"a\\nb\.loom': not a whole \.loom file") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "absent.loom", tmp_path):
        with pytest.raises(ArtifactError, match=f"{path.name}: cannot be read"):
            load(path)


# -- saving -----------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ArtifactError, match=r"x\.loom: cannot be written \(No space left on device\); nothing was changed"
    ):
        save(made("routed"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.loom"]


def test_a_file_size_limit_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    code = "import sys; from handmade import made; from crossloom.sim import save, ArtifactError\n"
    code += "try:\n    save(made('routed'), sys.argv[1])\nexcept ArtifactError as e:\n    print(e)\n"
    path_list = os.pathsep.join([str(ROOT / "sim"), str(HERE)])
    found = subprocess.run(
        [sys.executable, "-B", "-c", code, str(path)],
        env={"PYTHONPATH": path_list}, preexec_fn=limit, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "cannot be written (File too large); nothing was changed" in found.stdout
    assert path.read_bytes() == before


def test_an_interrupt_while_saving_leaves_the_old_file_alone_in_its_folder(tmp_path, monkeypatch):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    for place, name in ((os, "fsync"), (Path, "chmod"), (Path, "replace")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(place, name, interrupted)
            save(made("routed"), path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["x.loom"]


@pytest.mark.parametrize("place", ["tempfile.mkstemp", "os.fdopen", "os.fsync", "Path.chmod", "Path.replace"])
def test_a_kill_while_saving_leaves_the_old_file_whole(place, tmp_path):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()
    code = "import os, sys, signal, tempfile; from pathlib import Path\n"
    code += "from handmade import made; from crossloom.sim import save\n"
    code += f"{place} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\nsave(made('routed'), sys.argv[1])\n"
    path_list = os.pathsep.join([str(ROOT / "sim"), str(HERE)])
    found = subprocess.run([sys.executable, "-c", code, str(path)], env={"PYTHONPATH": path_list}, check=False)
    assert found.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert load(path).network.name == "hand-made"
    assert all(p.name.startswith(".x.loom.") for p in tmp_path.iterdir() if p != path)
    save(made("routed"), path)  # what a kill left behind is in nobody's way
    assert load(path).network.name == "hand-routed"


def _nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"a": float("nan")}, "info.json: Out of range float"),
        ({"a": float("inf")}, "info.json: Out of range float"),
        ({"a": object()}, "info.json: Object of type object"),
        ({"a": np.float32(1)}, "info.json: Object of type float32"),
        ({"a": "\ud800"}, "info.json: "),
        ({1: 2, "a": 3}, "info.json: "),
        ({1: 2, "1": 3}, "info.json: "),
        ({"a": 10**30}, "info.json: number of 31 digits"),
        ({"a": _nested(40)}, "info.json: nested deeper than 32"),
        ({"a": _nested(100_000)}, "info.json: "),
    ],
)
def test_nothing_is_saved_that_could_not_be_loaded(info, words, tmp_path):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()
    with pytest.raises(ArtifactError) as caught:
        save(Artifact(made("flat").network, info), path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.loom"]


def test_a_test_set_whose_name_is_no_text_is_not_saved(tmp_path):
    artifact = made("flat")
    with pytest.raises(ArtifactError, match=r"golden/index\.json"):
        save(replace(artifact, golden=replace(artifact.golden, dataset="\ud800")), tmp_path / "x.loom")


def test_info_beyond_the_limit_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_JSON_BYTES", 2000)
    with pytest.raises(ArtifactError, match=r"info\.json: 3008 bytes; at most 2000"):
        save(Artifact(made("flat").network, {"a": "x" * 3000}), tmp_path / "x.loom")


@pytest.mark.parametrize("info", [{}, {"a": [1, 1.5, None, True, "ü", {"b": []}], "c": -(1 << 62)}, {"a": _nested(30)}])
def test_info_of_plain_json_comes_back(info, tmp_path):
    save(Artifact(made("flat").network, info), tmp_path / "x.loom")
    assert load(tmp_path / "x.loom").info == info


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be written"):
        save(made("flat"), tmp_path / "absent" / "x.loom")
