"""Any name that an artifact takes is one in C++, and sizes that the stack of a thread does not hold run."""

import itertools
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
from expressible import expressible_network
from native_checks import check
from renaming import NASTY, renamed

from crossloom.hls import choose_folding, simulate
from crossloom.hls.emit import FLOWS, project_files, write_simulation
from crossloom.hls.hls4ml_project import write_core
from crossloom.hls.names import core_namespace, cpp_name
from crossloom.sim import Artifact, QType, differing, random_codes, random_network, run
from crossloom.sim.board import load_board
from crossloom.sim.builder import Section, finish
from crossloom.sim.network import Input
from crossloom.sim.ops import Conv2d, Dense, Flatten, MaxPool

# A fork, joins, banks and every kernel that has tables.
ROUTED, FLAT = 1, 28
NETWORKS = ("a", "a-b", "a_b", "aub", "a-_b", "a_-b", "top", "a-run", "a-run-core")


def named(routed, flat):
    """A routed and a flat network under names that mean something elsewhere; the flat one has the last of them."""
    return renamed(random_network(ROUTED), NASTY, routed), renamed(random_network(FLAT), NASTY[::-1], flat)


def test_networks_with_nasty_names_of_layers_branches_and_their_own_are_exact_on_every_edge(tmp_path):
    networks = named("top", "top-run")
    for network, simulation in zip(networks, simulate(networks, tmp_path, trace=True, optimize=0), strict=True):
        check(network, simulation, random_codes(network, 0, 8))


def test_nothing_but_names_depends_on_names():
    for seed in (ROUTED, FLAT):
        plain, nasty = choose_folding(random_network(seed)), choose_folding(renamed(random_network(seed)))
        assert list(nasty.cycles.values()) == list(plain.cycles.values())
        assert list(nasty.folds.values()) == list(plain.folds.values())
        assert (nasty.dsp, nasty.lut) == (plain.dsp, plain.lut)


def test_no_two_names_become_one_and_none_is_kept_for_the_language():
    parts = ("a", "w", "_", "__", "1", "s", "t_")
    names = {"".join(found) for size in range(5) for found in itertools.product(parts, repeat=size)}
    names = [name for name in names if re.fullmatch("[a-z][a-z0-9_]*", name)]
    assert len(names) > 500
    made = [cpp_name(kind, name) for kind in ("s", "s0", "t", "weight") for name in names]
    assert len(set(made)) == len(made)
    assert not [name for name in made if "__" in name or name.endswith("_")]


def test_no_two_cores_share_a_namespace_and_none_is_anothers_function():
    network = random_network(FLAT)
    spaces = [
        core_namespace(replace(network, name=n)) for n in ("a", "a-b", "a_b", "aub", "a-_b", "a_-b", "top", "a-run")
    ]
    assert len({space.lower() for space in spaces}) == len(spaces) - 1  # a_b and aub differ by their case
    assert len(set(spaces)) == len(spaces)
    functions = {f"{space}_{function}" for space in spaces for function in ("run", "said", "calls", "load", "trace")}
    assert not functions & set(spaces)
    assert "crossloom_top" not in spaces


def test_what_emit_writes_is_what_is_compiled_here(tmp_path):
    network, _ = named("top", "con")
    files = project_files(Artifact(network), "native", load_board("pynq-z2"), 100)
    write_simulation(network, FLOWS["native"], tmp_path, False)
    for name in ("core.hpp", "weights.hpp", "top.hpp", "top.cpp", "protocol.hpp"):
        assert files[f"src/{name}"] == (tmp_path / name).read_bytes()
    assert (tmp_path / "csim.cpp").read_bytes().startswith(files["src/top.cpp"])


def test_hls4ml_projects_know_no_name_of_the_network(tmp_path):
    pytest.importorskip("torch")
    plain = expressible_network(1, 5)
    for name, network in (("plain", plain), ("nasty", renamed(plain))):
        write_core(network, tmp_path / name)
    files = [sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("plain", "nasty")]
    assert len(files[0]) > 20
    for one, other in zip(*files, strict=True):
        assert one.relative_to(tmp_path / "plain") == other.relative_to(tmp_path / "nasty")
        assert one.read_bytes() == other.read_bytes()


def large_network():
    """A convolution, a pool and a layer with line buffers and sums of over 8 MiB."""
    rng = np.random.default_rng(0)
    source = Input((33, 4096, 64), QType(0, 15), np.arange(16)[:, None])
    section = Section.of_input(source)
    section.add(MaxPool((33, 1), (1, 1)))
    section.add(Flatten())
    section.add(Dense(rng.integers(-7, 8, (2, 4096 * 64)), rng.integers(-9, 9, 2), QType(-7, 7), 8))
    pooled = finish("large-pool", source, section, ("a", "b"))
    section = Section.of_input(source)
    section.add(Conv2d(rng.integers(-7, 8, (64, 33, 1, 1)), np.arange(64), QType(-7, 7), 8, (1, 64), groups=64))
    section.add(Flatten())
    return pooled, finish("large-conv", source, section, tuple(map(str, range(4096))))


def test_buffers_larger_than_any_stack_are_exact_in_a_thread_of_a_small_one(tmp_path):
    networks = large_network()
    simulations = simulate(networks, tmp_path, trace=False)
    said = []

    def work():
        for network, simulation in zip(networks, simulations, strict=True):
            codes = np.random.default_rng(1).integers(0, 16, (1, *network.input.shape), dtype=np.int32)
            said.append(differing(run(network, codes=codes), simulation.run(codes)).any())

    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert said == [False, False]
