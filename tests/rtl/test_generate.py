"""A generated folder is complete, stays inside itself, and overwrites nothing foreign."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from renaming import renamed

from crossloom.rtl import RtlError
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.generate import generate
from crossloom.rtl.estimate.resources import check_fit, estimate_lut
from crossloom.rtl.registers.core_map import CORE
from crossloom.sim import (
    Conv2d,
    Dense,
    Flatten,
    Input,
    Network,
    Node,
    QType,
    Threshold,
    load,
    random_network,
)
from crossloom.sim.folder import MARKER

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.fixture(scope="module")
def design():
    artifact = load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom")
    return compile_network(artifact.network, Folding(4, 4, 1, 2))


def test_a_generated_folder_is_whole(design, tmp_path):
    files = generate(design, tmp_path / "made")
    names = {"src", "memories", "top.sv", "crossloom_core.v", "files.f", "README.md", "core_regs.h", "core_regs.py"}
    names |= {"core.json", MARKER}
    assert {path.relative_to(tmp_path / "made").parts[0] for path in files} == names
    listed = [Path(line) for line in (tmp_path / "made" / "files.f").read_text().splitlines()]
    assert not any(path.is_absolute() for path in listed)
    assert {tmp_path / "made" / path for path in listed} == {path for path in files if path.suffix in (".sv", ".v")}


def test_a_folder_is_written_again_byte_for_byte(design, tmp_path):
    first = {path: path.read_bytes() for path in generate(design, tmp_path / "made")}
    assert {path: path.read_bytes() for path in generate(design, tmp_path / "made")} == first
    assert {path for path in (tmp_path / "made").rglob("*") if path.is_file()} == first.keys()


def test_another_core_leaves_nothing_of_the_one_before(design, tmp_path):
    before = generate(compile_network(random_network(0), Folding(8, 8, 1, 4)), tmp_path / "made")
    assert "tables3.mem" in {path.name for path in before}
    files = generate(design, tmp_path / "made")
    assert {p for p in (tmp_path / "made").rglob("*") if p.is_file()} == {*files}


def foreign_file(folder, compiled):
    folder.mkdir()
    (folder / "top.sv").write_text("mine")


def changed_file(folder, compiled):
    generate(compiled, folder)
    (folder / "src" / "core.sv").write_text("mine")


def linked_folder(folder, compiled):
    generate(compiled, folder)
    (folder / "memories").rename(folder.parent / "elsewhere")
    (folder / "memories").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign_file, "made: has 'top.sv' and no list .* by 'crossloom emit rtl'"),
        (changed_file, "core.sv: was changed or made by somebody else"),
        (linked_folder, "memories: a link"),
    ],
)
def test_a_folder_with_foreign_content_is_left_as_it_is(design, tmp_path, make, words):
    make(tmp_path / "made", design)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RtlError, match=words):
        generate(compile_network(random_network(0), Folding(8, 8, 1, 4)), tmp_path / "made")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_registers_are_told_in_c_and_python(design, tmp_path):
    generate(design, tmp_path)
    told = {}
    exec((tmp_path / "core_regs.py").read_text(), told)
    assert told["STATUS_OFFSET"] == CORE.offset("STATUS") and told["ERROR_SHORT_MASK"] == 1
    defined = dict(re.findall(r"#define CORE_(\w+) (0x\w+)u", (tmp_path / "core_regs.h").read_text()))
    assert {name: int(value, 16) for name, value in defined.items()} == {n: v for n, v in told.items() if n.isupper()}


def test_a_network_whose_memories_do_not_fit_is_refused_before_a_file_is_written(tmp_path):
    weight = np.random.default_rng(0).integers(-127, 127, (4000, 8, 8, 4))
    dense = Dense(weight.reshape(4000, -1), np.zeros(4000, np.int64), QType(-128, 127, 0), 8)
    nodes = (Node("flat", Flatten(), ("input",)), Node("wide", dense, ("flat",)))
    shape = Input((8, 8, 4), QType(0, 15, 4), np.zeros((256, 1), np.int64))
    network = Network("large", shape, nodes, "wide", tuple(f"c{i}" for i in range(4000)))
    with pytest.raises(RtlError, match=r"layer 'wide': memory of weights: about \d+.* BRAM36 \(est.* has 140"):
        generate(compile_network(network, Folding(8, 8, 2, 4)), tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_thresholds_that_do_not_fit_are_refused_by_their_layer(tmp_path):
    rows = np.sort(np.random.default_rng(0).integers(-(2**14), 2**14, (3, 65535)), axis=1)
    nodes = (
        Node("conv", Conv2d(np.full((3, 2, 2, 2), 127), np.zeros(3, np.int64), QType(-128, 127), 16), ("input",)),
        Node("levels", Threshold(rows, -32768, 1, 0), ("conv",)),
        Node("flat", Flatten(), ("levels",)),
        Node("scores", Dense(np.ones((3, 12), np.int64), np.zeros(3, np.int64), QType(-1, 1), 4), ("flat",)),
    )
    table = np.arange(256)[:, None].repeat(2, 1) - 100
    network = Network("levels", Input((3, 3, 2), QType(-100, 155), table), nodes, "scores", tuple("abc"))
    with pytest.raises(RtlError, match=r"^layer 'levels': memory of tables: about \d+.* BRAM36"):
        generate(compile_network(network, Folding(8, 8, 2, 4)), tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_an_array_larger_than_the_chip_is_refused_before_a_file_is_written(design, tmp_path):
    compiled = compile_network(design.network, Folding(64, 32, 2, 16))
    message = (
        r"^digits-cnn: array 64x32x2x16: about \d\d,\d{3} LUT \(estimated\); an xc7z020 has 53,200; take a smaller"
    )
    with pytest.raises(RtlError, match=message):
        generate(compiled, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_budget_counts_beside_the_chip(design):
    compiled, lut = design, estimate_lut(design)
    check_fit(compiled, {"lut": lut})
    with pytest.raises(RtlError, match=rf"the budget is {lut - 1:,} \(an xc7z020 has 53,200\); .*give it more"):
        check_fit(compiled, {"lut": lut - 1})
    with pytest.raises(RtlError, match=r"BRAM36 .*the budget is 0 \(an xc7z020 has 140\)"):
        check_fit(compiled, {"bram36": 0})
    with pytest.raises(RtlError, match=r"array 4x4x1x2\+3: 3 DSP48E1; the budget is 2 \(an xc7z020 has 220\)"):
        check_fit(replace(compiled, folding=Folding(4, 4, 1, 2, 3)), {"dsp": 2})
    with pytest.raises(RtlError, match="an xc7z020 has 53,200"):
        check_fit(compile_network(compiled.network, Folding(64, 32, 2, 16)), {"lut": 100_000})


def test_more_dsps_than_the_chip_has_are_refused(design, tmp_path):
    with pytest.raises(RtlError, match="221 DSP48E1; an xc7z020 has 220"):
        generate(replace(design, folding=Folding(4, 4, 1, 2, 221)), tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("seed", [1, 28])
def test_no_name_of_a_layer_or_branch_reaches_systemverilog_or_memories(seed, tmp_path):
    plain = random_network(seed)
    folders = []
    for name, network in (("plain", plain), ("nasty", renamed(plain))):
        folders.append(tmp_path / name)
        generate(compile_network(network, Folding(2, 2, 1, 1)), folders[-1])
    one, other = ({p.relative_to(f).as_posix(): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert one.keys() == other.keys()
    # Identities are of networks with their names.
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"memories/identity.mem", "core.json", "README.md", MARKER}
