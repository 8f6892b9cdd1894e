"""What the tests of a core share: a design, its core without faults, and some frames."""

from pathlib import Path

import pytest
from core_cases import FOLDING

from crossloom.rtl.compiler.program import compile_network
from crossloom.rtl.core.simulation import CoreModel
from crossloom.sim import input_codes, load
from crossloom.sim.frames import frame_beats

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.fixture(scope="module")
def sha():
    return load(BITSTREAMS / "digits-sha" / "digits-sha.loom")


@pytest.fixture(scope="module")
def shared(sha):
    model = CoreModel(compile_network(sha.network, FOLDING), seed=5, trace=True)
    yield model
    model.close()


@pytest.fixture
def core(shared, sha):
    """A routed core without frames, errors or counts; frames of 4 images, and their results."""
    shared.write("CONTROL", 1)
    shared.write("CONTROL", 2)
    shared.write("ERROR", 0xFFFFFFFF)
    shared.model.forget()
    return shared


@pytest.fixture(scope="module")
def cases(sha):
    codes = input_codes(sha.network.input, sha.golden.inputs[:4])
    return frame_beats(sha.network, codes), codes
