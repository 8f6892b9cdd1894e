"""The hls4ml flow: exact answers, refusals by name, and projects that leave nothing to a default or to chance."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from expressible import expressible_network
from hls4ml_cores import assert_exact, hls4ml_simulations, refusal

from crossloom.hls import HlsError, Simulation, build_library
from crossloom.hls import hls4ml_writer as writer
from crossloom.hls.hls4ml_model import take_apart
from crossloom.hls.hls4ml_project import write_core
from crossloom.hls.hls4ml_torch import torch_module
from crossloom.hls.hls4ml_types import edge_type, round_shift
from crossloom.sim import (
    Add,
    Branch,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Input,
    MaxPool,
    Network,
    Node,
    QType,
    Requant,
    Rounding,
    Route,
    SumPool,
    Threshold,
    load,
    random_codes,
    random_network,
    run,
)

pytest.importorskip("hls4ml")
DESIGNS = Path(__file__).parents[2] / "bitstreams"
SIGNED = QType(-128, 127, 4)


def shipped(name):
    return load(DESIGNS / name / f"{name}.loom")


def network_of(nodes, shape=(6, 6, 2), type_=SIGNED, classes=4, name="made"):
    table = np.linspace(type_.lo, type_.hi, 256).astype(int).reshape(256, 1)
    nodes = [Node(n, op, inputs) for n, op, inputs in nodes]
    return Network(name, Input(shape, type_, table), tuple(nodes), nodes[-1].name, tuple("abcdefghij"[:classes]))


def dense(out, width, seed=0, frac=0, bits=6):
    rng = np.random.default_rng(seed)
    half = 1 << (bits - 1)
    return Dense(rng.integers(-half, half, (out, width)), rng.integers(-99, 99, out), QType(-half, half - 1, frac), 8)


def conv(out, channels, seed=0, kernel=(3, 3), **fields):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-8, 8, (out, *kernel, channels))
    return Conv2d(weight, rng.integers(-99, 99, out), QType(-8, 7, 2), 8, **fields)


def requant(shift, type_, frac, rounding=Rounding.HALF_EVEN):
    return Requant(np.atleast_1d(shift), rounding, replace(type_, frac=frac))


def identity(width):
    """Logits that are the codes."""
    return Dense(np.eye(width, dtype=int), np.zeros(width, int), QType(0, 1), 1)


def head(x, width, classes=4):
    return [("flat", Flatten(), (x,)), ("logits", dense(classes, width), ("flat",))]


def every_rounding():
    """All codes of 8 bits times 3, shifted by -2..9 in three roundings, clipped to three types, shown as logits."""
    shifts = np.arange(-2, 10)
    nodes = [
        (
            "times3",
            Dense(np.full((12, 1), 3), np.ones(12, int), QType(-4, 3, tuple(int(s) for s in shifts)), 2),
            ("input",),
        )
    ]
    shown = []
    for rounding in Rounding:
        for name, type_ in (("unsigned", QType(0, 15)), ("signed", QType(-16, 15)), ("narrow", QType(-7, 7))):
            shown.append(f"{rounding.value}_{name}")
            nodes.append((shown[-1], requant(shifts, type_, 4, rounding), ("times3",)))
    # An accumulator with nine readers is past what hls4ml copies: three layers, three readers each.
    first = nodes.pop(0)
    layers = [(f"times3_{i}", first[1], first[2]) for i in range(3)]
    nodes = [(n, op, (f"times3_{i // 3}",)) for i, (n, op, _) in enumerate(nodes)]
    nodes = [*layers, *nodes, ("all", Concat(), tuple(shown)), ("logits", identity(108), ("all",))]
    network = Network(
        "every-rounding",
        Input((1,), SIGNED, np.arange(-128, 128).reshape(256, 1)),
        tuple(Node(*node) for node in nodes),
        "logits",
        tuple(f"code {i}" for i in range(108)),
    )
    return network, np.arange(-128, 128).reshape(256, 1)


def corners():
    """Small networks, each with a shape of graph of its own."""
    small = QType(0, 15)
    yield network_of(
        [
            ("conv", conv(4, 2, kernel=(1, 1)), ("input",)),
            ("codes", requant(6, small, 0), ("conv",)),
            ("mean", SumPool((4, 4), (4, 4)), ("codes",)),
            ("logits", Flatten(), ("mean",)),
        ],
        shape=(4, 4, 2),
        name="flatten-is-the-output",
    )
    yield network_of(
        [
            ("double", Add(), ("input", "input")),
            ("doubled", requant(3, QType(-128, 127), 1, Rounding.FLOOR), ("double",)),
            ("again", requant(1, QType(-128, 127), 0, Rounding.HALF_UP), ("doubled",)),
            ("twice", Concat(), ("again", "again", "again")),
            *head("twice", 6 * 6 * 6),
        ],
        name="one-edge-read-twice",
    )
    yield network_of(
        [
            ("conv", conv(8, 1, groups=2, stride=(3, 2), pad=(2, 0, 1, 3)), ("input",)),
            ("low", requant(3, small, 3), ("conv",)),
            ("high", requant(5, QType(-8, 7), 1), ("conv",)),
            ("sum", Add(), ("low", "high")),
            ("codes", requant(0, QType(-31, 31), 3), ("sum",)),
            *head("codes", 2 * 4 * 8),
        ],
        name="two-readers-of-an-accumulator",
    )
    yield network_of(
        [
            ("codes", requant(4, small, 0), ("input",)),
            ("flat", Flatten(), ("codes",)),
            ("left", dense(5, 72, 1), ("flat",)),
            ("right", dense(5, 72, 2), ("flat",)),
            ("conv", conv(2, 2), ("codes",)),
            ("left_codes", requant(5, QType(-8, 7), -5), ("left",)),
            ("right_codes", requant(4, small, -4), ("right",)),
            ("sum", Add(), ("left_codes", "right_codes")),
            ("sum_codes", requant(0, QType(-63, 63), -4), ("sum",)),
            ("conv_codes", requant(6, QType(-63, 63), -4), ("conv",)),
            ("flat_conv", Flatten(), ("conv_codes",)),
            ("narrow", dense(5, 32, 3), ("flat_conv",)),
            ("narrow_codes", requant(5, QType(-63, 63), -9), ("narrow",)),
            ("wide_codes", requant(5, QType(-63, 63), -9), ("sum_codes",)),
            ("both", Concat(), ("wide_codes", "narrow_codes")),
            ("logits", dense(4, 10), ("both",)),
        ],
        name="a-flattened-edge-read-twice",
    )
    yield Network(
        "routed-from-a-flattened-edge",
        Input((2, 3, 2), SIGNED, np.arange(-128, 128).reshape(256, 1)),
        (
            Node("codes", requant(4, small, 0), ("input",)),
            Node("flat", Flatten(), ("codes",)),
            Node("coarse", dense(2, 12, 7), ("flat",)),
        ),
        "coarse",
        ("a", "b"),
        Route(
            "flat",
            "fine",
            1,
            tuple(Branch(f"b{i}", (i,), (Node("fine", dense(1, 12, i), ("flat",)),)) for i in range(2)),
        ),
    )
    branches = tuple(
        Branch(
            f"b{i}",
            (2 * i, 2 * i + 1),
            (Node("flat_b", Flatten(), ("input",)), Node("fine", dense(3, 8, i), ("flat_b",))),
        )
        for i in range(2)
    )
    yield Network(
        "routed-from-the-input",
        Input((2, 2, 2), SIGNED, np.arange(-128, 128).reshape(256, 1)),
        (Node("flat", Flatten(), ("input",)), Node("coarse", dense(2, 8, 7), ("flat",))),
        "coarse",
        ("a", "b", "c", "d"),
        Route("input", "fine", 3, branches),
    )


def test_corners_of_graphs_and_every_rounding_are_exact(tmp_path):
    cases = [every_rounding(), *((n, random_codes(n, 3, 32)) for n in corners())]
    for simulation, (_, codes) in zip(hls4ml_simulations([n for n, _ in cases], tmp_path), cases, strict=True):
        assert_exact(simulation, codes)


def taken(networks):
    return [network for network in networks if refusal(network) is None]


def test_random_networks_are_exact(tmp_path):
    for simulation in hls4ml_simulations(taken(map(expressible_network, range(5))), tmp_path):
        assert_exact(simulation, random_codes(simulation.network, 1, 24))


def test_every_random_network_is_taken_or_refused_by_name():
    reasons = "|".join(["operator threshold", "padding", "windows", "the sum of", "clipping", "a kernel", "a shift"])
    refusals = [refusal(random_network(seed)) for seed in range(100)]
    assert None in refusals
    for found in filter(None, refusals):
        assert re.search(rf"^random-\d+-5: (branch '\w+': )?node '\w+' \(\w+\): ({reasons})", found)
    assert len(taken(map(expressible_network, range(100)))) >= 95


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 160, 10))
def test_many_random_networks_are_exact(first, tmp_path):
    networks = taken(map(expressible_network, range(first, first + 10)))
    for simulation in hls4ml_simulations(networks, tmp_path):
        assert_exact(simulation, random_codes(simulation.network, 1, 48))


@pytest.mark.long
def test_random_networks_of_every_kind_that_are_taken_are_exact(tmp_path):
    networks = taken(map(random_network, range(400)))
    assert networks
    for simulation in hls4ml_simulations(networks, tmp_path):
        assert_exact(simulation, random_codes(simulation.network, 1, 48))


def test_two_networks_with_the_same_names_share_nothing(tmp_path):
    def made(seed):
        return network_of(
            [
                ("conv", conv(3, 2, seed), ("input",)),
                ("codes", requant(6, QType(0, 15), 0), ("conv",)),
                *head("codes", 48),
            ]
        )

    first, second = made(1), made(2)
    simulations = []
    for index, network in enumerate((first, second)):
        simulations += hls4ml_simulations([network], tmp_path / str(index))
    codes = random_codes(first, 0, 12)
    assert isinstance(simulations[0], Simulation)
    for simulation in (*simulations, *simulations):
        assert_exact(simulation, codes)
    assert (simulations[0].run(codes).scores != simulations[1].run(codes).scores).any()


def test_a_routed_network_has_a_project_for_trunk_head_and_each_branch(tmp_path):
    core = write_core(shipped("digits-sha").network, tmp_path)
    folders = sorted(p.name for p in tmp_path.iterdir() if p.is_dir())
    assert folders == [*(f"branch{i}" for i in range(5)), "head", "nnet_utils", "trunk"]
    assert "crossloom" not in "".join(path.read_text() for path in (tmp_path / "nnet_utils").iterdir())
    assert core.read_text().count("case ") + core.read_text().count("default:") == 5


def test_no_type_is_left_at_a_default(tmp_path):
    """Every ap type of a project is one that the model names, and none is hls4ml's default."""
    network = shipped("digits-cnn").network
    write_core(network, tmp_path)
    (project,) = take_apart(network).projects
    named = {t for layer in project.layers for t in layer.types.values()} | {edge_type(project.input)}
    named = {t.replace("SAT>", "SAT,0>").replace("SYM>", "SYM,0>") for t in named}  # saturation bits, as hls4ml has it
    text = (tmp_path / "network" / "defines.h").read_text()
    found = set(re.findall(r"ap_u?fixed<[^>]*>", text))
    assert found and found <= named
    assert "default_t" not in text


def test_a_type_that_nobody_names_is_refused(tmp_path):
    network = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72), ("flat",))])
    (project,) = take_apart(network).projects
    layers = tuple(
        replace(layer, types={k: v for k, v in layer.types.items() if k != "bias"}) for layer in project.layers
    )
    with pytest.raises(HlsError, match="left a type at its default"):
        writer.write_project(replace(project, layers=layers), "crossloom_made", tmp_path, "made")


def test_the_torch_module_computes_the_values_that_the_codes_stand_for():
    import torch

    network = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72, frac=3), ("flat",))])
    codes = random_codes(network, 0, 5)
    before = torch.random.get_rng_state()
    module = torch_module(take_apart(network).projects[0])
    assert torch.equal(torch.random.get_rng_state(), before)
    found = module(torch.from_numpy(codes / 16).permute(0, 3, 1, 2))
    assert found.dtype == torch.float64
    assert (found.detach().numpy() * 2**7 == run(network, codes=codes).logits).all()


def test_synthesis_and_simulation_have_the_same_weights(tmp_path):
    network = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72, frac=9), ("flat",))])
    write_core(network, tmp_path)
    text = (tmp_path / "network" / "weights" / "w3.h").read_text()
    lists = [[float(v) for v in values.split(",")] for values in re.findall(r" = \{(.*)\};", text)]
    weight = network.nodes[1].op.weight
    assert lists[0] == lists[1] == (weight.ravel() / 512).tolist()
    assert text.index("#ifdef __SYNTHESIS__") < text.index("weight_t w3[288] = {")


def test_the_form_that_synthesis_reads_compiles(tmp_path):
    """g++ cannot be Vitis HLS; it can read what only `__SYNTHESIS__` selects, once ap_types are in."""
    routed = list(corners())[-1]
    core = write_core(routed, tmp_path / "core")
    (tmp_path / "synthesis.cpp").write_text(
        '#include <iostream>\n#include "ap_fixed.h"\n#include "ap_shift_reg.h"\n#include "hls_math.h"\n'
        '#include "hls_stream.h"\n#define __SYNTHESIS__\n#include "core.hpp"\n'
        'static_assert(crossloom_routed_from_the_input::kLoadBeats == 0, "");\n'
    )
    build_library([tmp_path / "synthesis.cpp"], [core.parent], where="synthesis", optimize=0)


def test_projects_are_quiet_the_same_bytes_anywhere_and_inside_their_folder(tmp_path, monkeypatch, capfd):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    network = expressible_network(4)
    write_core(network, tmp_path / "one")
    assert capfd.readouterr() == ("", "")
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]}\n"
        "from pathlib import Path; from expressible import expressible_network\n"
        "from crossloom.hls.hls4ml_project import write_core\n"
        f"write_core(expressible_network(4), Path({str(tmp_path / 'two')!r}))"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONHASHSEED": "7",
        "HOME": str(elsewhere),
        "LC_ALL": "C",
        "HLSCONFIG": "x",
    }
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == said.stderr == ""
    one, two = (
        {p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("one", "two")
    )
    assert one == two and "core.hpp" in one
    assert list(elsewhere.iterdir()) == []


SMALL = QType(0, 15)
REFUSED = {
    "operator threshold": [
        ("conv", conv(2, 2), ("input",)),
        ("bits", Threshold(np.array([[0]]), -1, 2, 0), ("conv",)),
        *head("bits", 32),
    ],
    "padding with code 5": [
        ("conv", conv(2, 2, pad=(1, 1, 1, 1), pad_code=5), ("input",)),
        ("codes", requant(6, SMALL, 0), ("conv",)),
        *head("codes", 72),
    ],
    "a kernel [1, 3] at stride [2, 1]": [
        ("conv", conv(2, 2, kernel=(1, 3), stride=(2, 1)), ("input",)),
        ("codes", requant(6, SMALL, 0), ("conv",)),
        *head("codes", 24),
    ],
    "windows [3, 3] at stride [2, 2]": [("pool", MaxPool((3, 3), (2, 2)), ("input",)), *head("pool", 8)],
    "padding [1, 0, 0, 0] of a pool": [("pool", MaxPool((2, 2), (2, 2), (1, 0, 0, 0)), ("input",)), *head("pool", 18)],
    "the sum of 9 codes": [
        ("pool", SumPool((3, 3), (3, 3)), ("input",)),
        ("codes", requant(4, SMALL, 0), ("pool",)),
        *head("codes", 8),
    ],
    "clipping to 0..12": [
        ("conv", conv(2, 2), ("input",)),
        ("codes", requant(2, QType(0, 12), 4), ("conv",)),
        *head("codes", 32),
    ],
    "a shift of 12 from 8 bits": [("codes", requant(12, SMALL, -8), ("input",)), *head("codes", 72)],
    "flattened pixels read by requant": [
        ("flat", Flatten(), ("input",)),
        ("codes", requant(2, SMALL, 2), ("flat",)),
        ("logits", dense(4, 72), ("codes",)),
    ],
    "8 readers": [
        *((f"codes{i}", requant(2, SMALL, 2), ("input",)) for i in range(8)),
        ("all", Concat(), tuple(f"codes{i}" for i in range(8))),
        *head("all", 576),
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_hls4ml_cannot_express_is_refused_by_name_before_anything_is_written(reason, tmp_path):
    network = network_of(REFUSED[reason])
    with pytest.raises(HlsError) as caught:
        write_core(network, tmp_path / "out")
    text = str(caught.value)
    assert reason in text and "use the native flow" in text and text.startswith("made: ") and "\n" not in text
    assert not (tmp_path / "out").exists()


def test_a_coarse_head_that_reads_inside_the_trunk_is_refused():
    sha = shipped("digits-sha").network
    nodes = [replace(n, inputs=("conv2_relu",)) if n.name == "coarse_maxpool1" else n for n in sha.nodes]
    size = 8 // 3 * (8 // 3) * 8
    nodes = [replace(n, op=dense(16, size)) if n.name == "coarse_dense3" else n for n in nodes]
    nodes = [replace(n, op=requant(2, QType(0, 15), 0)) if n.name == "coarse_dense3_relu" else n for n in nodes]
    network = replace(sha, nodes=tuple(nodes))
    assert "a coarse head that reads 'conv2_relu' besides" in refusal(network)


def test_a_clip_that_the_sum_never_reaches_is_no_reason_to_refuse():
    nodes = [("codes", requant(4, QType(-9, 12), 0), ("input",)), *head("codes", 72)]
    assert refusal(network_of(nodes)) is None
    assert refusal(network_of(nodes, type_=QType(-128, 300, 4))) is not None


def test_rounding_of_bounds_is_the_simulators():
    values = np.arange(-40, 41).reshape(1, 81)
    for rounding in Rounding:
        for shift in (-2, 0, 1, 3):
            op = Requant(np.array([shift]), rounding, QType(-999, 999, -shift))
            edge = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72), ("flat",))]).edges["input"]
            edge = replace(edge, shape=(81,), type=QType(-40, 40, 0))
            wanted = op.kernel([edge], op.infer("op", [edge], False))(values.astype(np.float32))
            assert [round_shift(int(v), shift, rounding) for v in values[0]] == wanted[0].tolist()
