"""C simulation's own promises, on tiny hand-written cores: complaints fail, nothing is shared, results are cached."""

import numpy as np
import pytest

import crossloom.hls.csim
from crossloom.hls import HlsError, Simulation, build_library
from crossloom.sim import Dense, Input, Network, Node, QType

CORE = """
#include <iostream>
#include "crossloom/csim.hpp"
namespace crossloom_tiny_core {
constexpr unsigned kFrameBeats = 1, kResultBeats = 3, kLoadBeats = 0, kIdentityBeats = 4, kBanks = 1;
static uint64_t bank_calls[kBanks];
template <int N> struct Shared { static unsigned runs; };
template <int N> unsigned Shared<N>::runs = 0;
inline unsigned& seen() { static unsigned count = 0; return count; }
void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {
    hls::stream<beat_t> local("local");
    local.write(in.read());
    bank_calls[0]++;
    BODY
}
}
CROSSLOOM_CSIM_COMMON(crossloom_tiny_core)
CROSSLOOM_CSIM_RUN(crossloom_tiny_core)
"""
GOOD = "beat_t x = local.read(); out.write(0); out.write(x + ++Shared<1>::runs); out.write(ADDED + ++seen());"


def tiny_network():
    return Network(
        "tiny",
        Input((1,), QType(0, 255), np.arange(2).reshape(2, 1)),
        (Node("dense", Dense(np.ones((2, 1), int), np.zeros(2, int), QType(-2, 1), 4), ("input",)),),
        "dense",
        ("no", "yes"),
    )


# What a stream complains about, or a core itself.
WRONG = [
    (GOOD + "local.read();", "read while empty"),
    (GOOD + "local.write(3);", "leftover data"),
    (GOOD.replace("out.write(0);", ""), "read while empty"),
    (GOOD + "out.write(0);", "leftover data"),
    ("in.read();" + GOOD, "read while empty"),
    (GOOD + 'std::cerr << "core: broken\\n";', "core: broken"),
]


def tiny_library(folder, body=GOOD, added=0, **options):
    source = folder / f"tiny{added}.cpp"
    source.write_text(CORE.replace("BODY", body).replace("ADDED", str(added)))
    return build_library([source], where="tiny", **options)


@pytest.fixture(scope="module")
def all_bodies(tmp_path_factory):
    """One library of cores crossloom_tiny0.. with the bodies of WRONG, then one that complains of the input 9."""
    source = tmp_path_factory.mktemp("bodies") / "all.cpp"
    bodies = [*(body for body, _ in WRONG), GOOD + "if (x == 9) local.read();"]
    texts = [
        CORE.replace("BODY", body).replace("ADDED", "0").replace("crossloom_tiny_core", f"crossloom_tiny{i}_core")
        for i, body in enumerate(bodies)
    ]
    source.write_text("\n".join(texts))
    return build_library([source], where="bodies")


def test_a_core_answers_frame_by_frame(tmp_path):
    simulation = Simulation(tiny_library(tmp_path), tiny_network())
    answers = simulation.run(np.array([[7], [9]]))
    assert answers.scores.tolist() == [[8, 1], [11, 2]]
    assert simulation.calls().tolist() == [2]


@pytest.mark.parametrize("index", range(len(WRONG)), ids=[f"{i}-{words}" for i, (_, words) in enumerate(WRONG)])
def test_what_a_stream_complains_about_fails_the_run(all_bodies, capfd, index):
    simulation = Simulation(all_bodies, tiny_network(), prefix=f"crossloom_tiny{index}_core")
    with pytest.raises(HlsError, match=WRONG[index][1]):
        simulation.run(np.array([[7]]))
    assert capfd.readouterr() == ("", "")


def test_a_complaint_does_not_stick(all_bodies):
    simulation = Simulation(all_bodies, tiny_network(), prefix=f"crossloom_tiny{len(WRONG)}_core")
    with pytest.raises(HlsError):
        simulation.run(np.array([[9]]))
    assert simulation.run(np.array([[7]])).scores.tolist() == [[9, 2]]


def test_two_simulations_share_no_state_whether_of_one_library_or_of_two(tmp_path):
    first, second = tiny_library(tmp_path), tiny_library(tmp_path, added=100)
    simulations = [Simulation(library, tiny_network()) for library in (first, first, second)]
    for _ in range(2):
        found = [simulation.run(np.array([[0], [0]])).scores.tolist() for simulation in simulations]
    assert found == [[[3, 3], [4, 4]], [[3, 3], [4, 4]], [[3, 103], [4, 104]]]
    assert [s.calls().tolist() for s in simulations] == [[4]] * 3


def program_runs(monkeypatch):
    """The commands that C simulation runs from now on."""
    runs = []

    def run_program(command, **options):
        runs.append(command)
        return csim_run_program(command, **options)

    csim_run_program = crossloom.hls.csim.run_program
    monkeypatch.setattr(crossloom.hls.csim, "run_program", run_program)
    return runs


def test_a_library_is_built_once_and_again_when_source_header_or_flag_changes(tmp_path, monkeypatch):
    source, folder = tmp_path / "any.cpp", tmp_path / "include"
    folder.mkdir()
    (folder / "some.hpp").write_text("")

    def library(text="int x;", **options):
        source.write_text(text)
        return build_library([source], [folder], where="any", **options)

    first, built = library(), program_runs(monkeypatch)
    assert library() == first and not built
    others = [library(defines=["NAME=1"]), library(optimize=0), library("int x; ")]
    (folder / "some.hpp").write_text("// another")
    assert len({first, *others, library()}) == 5


def test_a_missing_compiler_and_a_source_that_is_wrong_are_one_clear_line(tmp_path, monkeypatch):
    with pytest.raises(HlsError, match=r"^tiny: g\+\+ failed .*error.*nonsense.*$"):
        tiny_library(tmp_path, "nonsense")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HlsError, match=r"^tiny: no program g\+\+; it is needed here; install it$"):
        tiny_library(tmp_path)


def test_a_library_without_a_trace_says_so(tmp_path):
    simulation = Simulation(tiny_library(tmp_path), tiny_network())
    with pytest.raises(HlsError, match="no crossloom_tiny_core_trace"):
        simulation.edges()
