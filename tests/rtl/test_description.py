"""`core.json`: what it says comes back, what it does not say is refused in a line, and a host needs nothing else."""

import contextlib
import json

import pytest
from other_banks import other_banks

from crossloom.host import find_design
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.description import describe, read_description
from crossloom.rtl.core.driver import Core
from crossloom.rtl.core.simulation import CoreModel
from crossloom.sim import DeviceError, differing, load, random_codes, random_network, run


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


BROKEN = {
    "nothing": lambda plain: None,
    "a list": lambda plain: [plain],
    "another format": lambda plain: plain | {"format": 2},
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


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": NaN}'])
def test_bytes_that_are_no_json_are_refused_in_one_line(data):
    with pytest.raises(DeviceError, match="that emit wrote") as error:
        read_description(data)
    assert "\n" not in str(error.value)
