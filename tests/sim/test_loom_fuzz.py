"""Artifacts changed at random: refused in one line, or run."""

import json
import time

import numpy as np
from containers import seal, unzipped, zipped
from handmade import SOURCE, made, routed_network, spiking_network
from hypothesis import given, settings
from hypothesis import strategies as st

from crossloom.sim import Artifact, CrossloomError, Input, run
from crossloom.sim import loom as module
from crossloom.sim.loom import from_bytes, to_bytes


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
_FUZZED_TIME = to_bytes(Artifact(spiking_network()))
_FUZZED_EVENTS = to_bytes(Artifact(spiking_network(input=Input(SOURCE.shape, SOURCE.type, SOURCE.table, "events", 3))))


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
    *("lif", "count", "zero", "next", "rate", "latency", "direct"),
]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_networks_changed_in_any_place_are_refused_in_one_line_or_run(data):
    entries = unzipped(data.draw(st.sampled_from([_FUZZED, _FUZZED_TIME, _FUZZED_EVENTS])))
    plain = json.loads(entries["network.json"])
    for _ in range(data.draw(st.integers(1, 2))):
        plain = _altered(data, plain)
    entries["network.json"] = module.canonical_json(plain)
    try:
        network = from_bytes(zipped(entries)).network
    except CrossloomError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000
        return
    if np.prod(network.input.edge.image_shape) < 10_000:
        run(network, np.zeros((1, *network.input.image_shape), np.uint8), edges=network.edges)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_entries_changed_in_any_byte_are_refused_in_one_line_or_run(data):
    entries = unzipped(_FUZZED_GOLDEN)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(entries)))
        raw = bytearray(entries[name])
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.sampled_from([0, 0, 1, 1, 1, 7]))
        raw[at : at + cut] = data.draw(st.binary(min_size=0, max_size=3))
        entries[name] = bytes(raw)
    try:
        network = from_bytes(zipped(entries)).network
    except CrossloomError as error:
        assert "\n" not in str(error)
        return
    run(network, np.zeros((1, *network.input.shape), np.uint8), edges=network.edges)


_FUZZED_GOLDEN = to_bytes(made("flat"))
