"""The virtual board of the tests: one overlay of a shipped design, and images with the simulator's answers."""

import tempfile
from pathlib import Path

import pytest

pytest.importorskip("pynq", reason="pynq needs Python 3.10 to 3.12: pip install 'crossloom[board]'")

from crossloom.host.board.backend import BoardBackend
from crossloom.host.board.virtual.bitstream import write_overlay
from crossloom.host.folding_choice import compiled
from crossloom.sim import input_codes, load, run

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.fixture(scope="session")
def sha():
    """The artifact of digits-sha."""
    return load(BITSTREAMS / "digits-sha" / "digits-sha.loom")


@pytest.fixture(scope="session")
def cases(sha):
    """Input codes of some test images, and the simulator's answers."""
    codes = input_codes(sha.network.input, sha.golden.inputs[:6])
    return codes, run(sha.network, codes=codes)


@pytest.fixture(scope="session")
def overlay(sha):
    """The overlay of digits-sha for the virtual board, in a folder that no test may change."""
    with tempfile.TemporaryDirectory() as folder:
        yield write_overlay(compiled(sha.network), Path(folder))


@pytest.fixture
def opened(sha, overlay):
    """Opens digits-sha on virtual boards, which are closed at the end."""
    made = []

    def open_with(frames=4, network=sha.network, files=overlay):
        made.append(BoardBackend(network, "virtual", files, frames))
        return made[-1]

    yield open_with
    for backend in made:
        backend.close()
