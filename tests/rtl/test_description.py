"""`core.json`: what it says comes back, what it does not say is refused in a line, and a host needs nothing else."""

import contextlib
import json

import numpy as np
import pytest
from other_banks import other_banks

from crossloom.host import find_design
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core import description
from crossloom.rtl.core.description import describe, read_description
from crossloom.rtl.core.driver import Core
from crossloom.rtl.core.simulation import CoreModel
from crossloom.rtl.errors import RtlError
from crossloom.sim import (
    Dense,
    DeviceError,
    Flatten,
    Input,
    QType,
    differing,
    load,
    random_codes,
    random_network,
    run,
)
from crossloom.sim.builder import Section, finish_routed


@pytest.fixture(scope="module")
def network():
    return load(find_design("digits-sha")).network


@pytest.mark.parametrize("seed", range(12))
def test_a_description_comes_back_from_its_bytes(seed):
    described = describe(compile_network(random_network(seed), Folding(8, 8, 2, 4)))
    assert read_description(described.to_json()) == described


def test_a_host_loads_another_network_with_the_description_alone(network, monkeypatch):
    with contextlib.closing(CoreModel(compile_network(network, Folding(8, 8, 2, 4)))) as model:
        read = read_description(model.description.to_json())
        core = Core(model.transport, read, network)
        monkeypatch.setattr("crossloom.rtl.compiler.program.compile_network", None)
        monkeypatch.setattr("crossloom.rtl.compiler.program._Compiler", None)
        other = other_banks(network)
        core.load(other)
        codes = random_codes(other, 1, 20)
        answers, _ = core.run(codes)
        wanted = run(other, codes=codes)
        assert not differing(wanted, answers).any()


def test_a_flat_network_has_nothing_to_rewrite():
    layout = describe(compile_network(load(find_design("digits-cnn")).network, Folding(8, 8, 2, 4))).layout
    assert layout.places == () and layout.banks == ()


def extreme():
    """As many branches as there may be, names as long, classes in any script, sums of 47 bits, rows to spare."""
    layer, count, rows = "l" * 64, 256, 4
    source = Input((1, 1, 4), QType(0, 255, 0), np.arange(256)[:, None])
    trunk = Section.of_input(source)
    trunk.add(Flatten(), "input")

    def dense(out, seed):
        weight = np.full((out, 4), 3) + seed % 2
        return Dense(weight, np.full(out, (1 << 45) - 1 - seed), QType(-8, 7, 0), 46)

    head = trunk.head("")
    head.add(dense(count, 0), trunk.last, name="c" * 64)
    branches = {}
    for index in range(count):
        bank = trunk.branch(trunk.last, "")
        bank.add(dense(rows, index), trunk.last, name=layer)
        branches[f"b{index:03}" + "b" * 60] = ((index,), bank)
    classes = [f"{chr(0x4E00 + index)}\U0001f9f5\u0e01\u0e34 {index}" for index in range(count)]
    return finish_routed("n" * 64, source, trunk, head, branches, classes, trunk.last)


def test_the_description_of_the_largest_names_and_numbers_comes_back():
    described = describe(compile_network(extreme(), Folding(8, 8, 2, 4)))
    assert described.layout.sizes.acc_bits >= 46 and len(described.layout.banks) == 256
    assert read_description(described.to_json()) == described


def test_what_nobody_would_read_is_not_written(network, monkeypatch):
    described = describe(compile_network(network, Folding(8, 8, 2, 4)))
    size = len(described.to_json())
    monkeypatch.setattr(description, "MAX_BYTES", size)
    assert read_description(described.to_json()) == described
    monkeypatch.setattr(description, "MAX_BYTES", size - 1)
    with pytest.raises(RtlError, match=rf"\d+ sweeps can be rewritten, {size:,} bytes of core.json; at most"):
        described.to_json()


def changed(part, **values):
    return lambda plain: plain | {"layout": plain["layout"] | {part: plain["layout"][part] | values}}


BROKEN = {
    "an array larger than the chip": changed("folding", rows=1 << 12, cols=1 << 12, lanes=1 << 6),
    "sums of a million bits": changed("sizes", acc_bits=1 << 20),
    "fewer words than none": changed("sizes", weights=-1),
    "shifts beyond any word": changed("sizes", shift_max=1 << 40),
    "a bank before the first": lambda plain: (
        plain | {"layout": plain["layout"] | {"banks": [dict(plain["layout"]["banks"][0], weights=-5)]}}
    ),
    "a sweep before the first": lambda plain: (
        plain | {"layout": plain["layout"] | {"places": [dict(plain["layout"]["places"][0], params=-5)]}}
    ),
    "nothing": lambda plain: None,
    "a list": lambda plain: [plain],
    "another format": lambda plain: plain | {"format": 3},
    "a key too many": lambda plain: plain | {"more": 1},
    "a key missing": lambda plain: {k: v for k, v in plain.items() if k != "layout"},
    "a short hash": lambda plain: plain | {"fixed": "00"},
    "a hash of other letters": lambda plain: plain | {"fixed": "g" * 64},
    "a line break in the name": lambda plain: plain | {"name": "a\nb"},
    "a float": lambda plain: plain | {"latency": 1.5},
    "true for a number": lambda plain: plain | {"latency": True},
    "a huge number": lambda plain: plain | {"latency": 1 << 70},
    "a kind that is not": lambda plain: plain | {"layout": plain["layout"] | {"places": [{"kind": 99}]}},
    "registers that overlap": lambda plain: (
        plain | {"registers": plain["registers"] | {"registers": plain["registers"]["registers"][:1] * 2}}
    ),
    "an array of nothing": lambda plain: (
        plain | {"layout": plain["layout"] | {"folding": dict.fromkeys(plain["layout"]["folding"], 0)}}
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_anything_else_is_refused_in_one_line(case, network):
    plain = json.loads(describe(compile_network(network, Folding(8, 8, 2, 4))).to_json())
    with pytest.raises(DeviceError, match="that emit wrote") as error:
        read_description(json.dumps(BROKEN[case](plain)).encode(), "core.json")
    assert "\n" not in str(error.value) and str(error.value).startswith("core.json: ")


@pytest.mark.parametrize("data", [b"9" * 5000, b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": NaN}'])
def test_bytes_that_are_no_json_are_refused_in_one_line(data):
    with pytest.raises(DeviceError, match="that emit wrote") as error:
        read_description(data)
    assert "\n" not in str(error.value) and "sys." not in str(error.value)
