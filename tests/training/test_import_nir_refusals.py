"""NIR files that cannot be trusted, or that no operator carries: each is refused in one clear line."""

import re
from dataclasses import replace
from importlib.util import find_spec

import h5py
import nir
import numpy as np
import pytest
from nir_files import NEURONS, conv, dense, of, refused, write

from crossloom.sim import ForeignError
from crossloom.training.importing.importer import import_nir
from crossloom.training.importing.integers import ImportSettings

EXACT = ImportSettings(6, divisor=256.0)
WRITERS = sorted(NEURONS)


def test_a_file_of_another_writer_than_said_is_refused_with_what_would_have_been_written(tmp_path):
    for writer in WRITERS:
        path = of(writer, tmp_path / f"{writer}.nir")
        for said in WRITERS:
            if said != writer and {said, writer} != {"snntorch", "spikingjelly"}:  # one file, both may have written it
                refused(path, "--writer|shorter than a step|that step and writer are those of the file", said)
    refused(of("snntorch", tmp_path / "a.nir"), "tau 0.0004 s is shorter|r 4; snntorch writes", "snntorch", step=1e-3)
    refused(tmp_path / "a.nir", "'lava': needed the library", "lava")


@pytest.mark.parametrize(
    ("version", "writer", "match"),
    [
        ("1.0.5", "snntorch", None),
        ("7.1", "snntorch", "written by nir 7.1; this version reads"),
        ("newest", "snntorch", "written by nir newest"),
        ("1.0.8", "sinabs", "of nir 1.0.8, sinabs uses up to 1.0.4"),
        ("1.0.6", "spikingjelly", "of nir 1.0.6, spikingjelly uses 1.0.7 or newer"),
    ],
)
def test_a_version_of_nir_that_the_file_cannot_have_is_refused(tmp_path, version, writer, match):
    path = write(tmp_path / "a.nir", dense(NEURONS[writer]), version)
    if match is not None:
        refused(path, match, writer)
        return
    assert import_nir(path, writer, EXACT).network.steps == 6
    with h5py.File(path, "a") as file:
        file["node/nodes/1/v_reset"] = np.zeros(8)
    refused(path, "says nir 1.0.5, but node '1' has a v_reset, which nir writes from 1.0.6 on")


def changed(name, **numbers):
    def change(nodes):
        for key, value in numbers.items():
            setattr(nodes[name], key, value)
        return nodes, None

    return change


def rewired(*edges):
    return lambda nodes: (nodes, edges)


CHAIN = (("input", "0"), ("0", "1"), ("1", "2"), ("2", "3"), ("3", "output"))
BAD = {
    "a NaN threshold": (changed("1", v_threshold=np.full(8, np.nan)), "node '1': v_threshold is nan at 0"),
    "a threshold of 0": (changed("1", v_threshold=np.zeros(8)), "layer '1': threshold 0"),
    "no time constant": (changed("1", tau=np.zeros(8)), "node '1': tau 0; needed one above 0"),
    "a NaN time constant": (changed("1", tau=np.full(8, np.nan)), "node '1': tau is nan"),
    "a rest above 0": (changed("1", v_leak=np.full(8, 0.5)), "node '1': v_leak 0.5; needed 0"),
    "a reset above 0": (changed("1", v_reset=np.full(8, 0.5)), "node '1': v_reset 0.5; needed 0"),
    "infinite weights": (changed("0", weight=np.full((8, 12), np.inf)), "node '0': weight is inf"),
    "weights of three axes": (changed("0", weight=np.zeros((8, 3, 4))), r"node '0': weights of shape \[8, 3, 4\]"),
    "weights that do not fit": (
        changed("2", weight=np.ones((3, 7))),
        "layer '2': reads 7 values; what reaches it has 8",
    ),
    "biases that do not fit": (changed("2", bias=np.ones(5)), r"node '2': biases of shape \[5\]"),
    "other neurons than sums": (changed("1", v_threshold=np.arange(1.0, 8)), "7 thresholds; it reads 8 channels"),
    "a cycle": (rewired(*CHAIN, ("3", "0")), "a cycle, '0' -> '1' -> '2' -> '3' -> '0'"),
    "two ways": (rewired(*CHAIN, ("0", "3")), "node '0': 2 edges"),
    "a gap": (rewired(*CHAIN[:2], *CHAIN[3:]), "node '1': nothing follows it"),
    "a node apart": (rewired(("input", "0"), ("0", "1"), ("1", "output")), "node '2': not on the way"),
    "an edge to nowhere": (rewired(*CHAIN, ("3", "9")), "an edge to '9', which is no node"),
    "no edges": (rewired(), "graph|no HDF5"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_graph_that_no_operator_carries_is_refused_in_one_line(tmp_path, what):
    change, match = BAD[what]
    nodes, edges = change(dense(NEURONS["snntorch"]))
    refused(write(tmp_path / "a.nir", nodes, edges=edges if edges is None else list(edges)), match)


def test_nodes_without_an_integer_form_are_refused_by_name(tmp_path):
    for other in (nir.Threshold(np.ones(8)), nir.Scale(np.ones(8)), nir.Delay(np.ones(8)), nir.LI(*np.ones((3, 8)))):
        nodes = dense(NEURONS["snntorch"])
        nodes["1"] = other
        refused(write(tmp_path / "a.nir", nodes), f"node '1': a {type(other).__name__} has no integer form; known are")
    inner = nir.NIRGraph({"input": nir.Input({"input": np.array([8])})}, [], type_check=False)
    refused(write(tmp_path / "a.nir", {**dense(NEURONS["snntorch"]), "1": inner}), "a recurrent layer is one")
    padded = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([1, 1]))
    refused(of("norse", tmp_path / "a.nir", conv(NEURONS["norse"], padded)), "node 'pool': a padded SumPool2d", "norse")


def test_a_text_in_the_place_of_a_number_is_refused_by_name(tmp_path):
    for key in ("conv/groups", "conv/stride", "conv/weight", "flat/end_dim", "pool/kernel_size", "fires/tau"):
        path = of("snntorch", tmp_path / "a.nir", conv(NEURONS["snntorch"]))
        with h5py.File(path, "a") as file:
            del file[f"node/nodes/{key}"]
            file[f"node/nodes/{key}"] = "text"
        refused(path, f"node '{key.partition('/')[0]}': .*{key.partition('/')[2]}")


def test_a_missing_or_other_shape_is_asked_for_by_its_option(tmp_path):
    nodes = conv(NEURONS["snntorch"])
    path = write(tmp_path / "a.nir", nodes)
    with h5py.File(path, "a") as file:
        del file["node/nodes/input/shape"]
    refused(path, "no shape .*--input")
    assert import_nir(path, "snntorch", EXACT, shape=(6, 6, 2)).network.input.shape == (6, 6, 2)
    refused(path, "input_shape is .*what reaches it is", shape=(7, 6, 2))
    refused(
        of("snntorch", tmp_path / "b.nir", nodes), "--input 5 x 5 x 2: the file's Input is 6 x 6 x 2", shape=(5, 5, 2)
    )
    flat = of("snntorch", tmp_path / "c.nir")
    assert import_nir(flat, "snntorch", EXACT, shape=(3, 4, 1)).network.input.shape == (3, 4, 1)
    refused(flat, "--steps: missing", settings=None)


def test_what_is_no_nir_file_is_refused_before_anything_is_read(tmp_path):
    refused(tmp_path / "none.nir", "cannot be read")
    (tmp_path / "text.nir").write_text("no HDF5")
    refused(tmp_path / "text.nir", "no HDF5 file that can be read")
    with h5py.File(tmp_path / "a.nir", "w") as file:
        file["other"] = 1
    refused(tmp_path / "a.nir", "an HDF5 file without a NIR graph")
    whole = of("snntorch", tmp_path / "b.nir").read_bytes()
    (tmp_path / "c.nir").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "c.nir", "no HDF5 file that can be read")


def _linked(file):
    file["node/nodes/0/weight2"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft(file):
    file["node/nodes/0/loop"] = h5py.SoftLink("/node")


def _hard_circle(file):
    file["node/nodes/0/loop"] = file["node"]


def _outside(file):
    file["node/nodes/0"].create_dataset("raw", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def _huge(file):
    file["node/nodes/0"].create_dataset("big", (1 << 40,), "f8", chunks=(1 << 20,), compression="gzip")


def _huge_chunks(file):
    file["node/nodes/0"].create_dataset("big", (4,), "f8", maxshape=(None,), chunks=(1 << 28,))


def _references(file):
    file["node/nodes/0"].create_dataset("ref", (1,), h5py.ref_dtype)


def _compound(file):
    file["node/nodes/0"].create_dataset("pairs", (1,), np.dtype([("a", "f4")]))


def _vlen(file):
    file["node/nodes/0"].create_dataset("rows", (1,), h5py.vlen_dtype(np.float32))


def _many(file):
    group = file["node/nodes/0"].create_group("metadata")
    for i in range(200):
        group.create_group(f"{i}")


ATTACKS = {
    _linked: "is a link to elsewhere",
    _soft: "is a link to elsewhere",
    _hard_circle: "nested more than 8 deep",
    _outside: "outside the file",
    _huge: "make more than",
    _huge_chunks: "make more than",
    _references: "values; needed numbers or strings",
    _compound: "values; needed numbers or strings",
    _vlen: "values; needed numbers or strings",
    _many: "more than 150 entries",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_untrusted_file_reaches_nothing_outside_itself_and_no_size_without_a_limit(tmp_path, attack, monkeypatch):
    monkeypatch.setattr("crossloom.training.importing.nir_file.MAX_ENTRIES", 150)
    path = of("snntorch", tmp_path / "a.nir")
    with h5py.File(path, "a") as file:
        attack(file)
    refused(path, ATTACKS[attack])


def test_a_file_beyond_the_limit_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("crossloom.training.importing.nir_file.MAX_NIR_BYTES", 1000)
    refused(of("snntorch", tmp_path / "a.nir"), "at most 1,000 are read")


def test_random_bytes_in_a_file_end_in_a_network_or_one_line(tmp_path):
    whole = bytearray(of("snntorch", tmp_path / "a.nir").read_bytes())
    rng, path = np.random.default_rng(1), tmp_path / "b.nir"
    for _ in range(50):
        torn = whole.copy()
        for place in rng.integers(0, len(whole), 4):
            torn[place] = rng.integers(256)
        path.write_bytes(torn)
        try:
            import_nir(path, "snntorch", EXACT)
        except ForeignError as error:
            assert "\n" not in str(error)


def test_settings_that_mean_nothing_are_refused(tmp_path):
    path = of("snntorch", tmp_path / "a.nir")
    for settings, match in (
        (ImportSettings(0), "steps"),
        (ImportSettings(5000), "steps"),
        (replace(EXACT, encoder="poisson"), "encoder: 'poisson'"),
        (replace(EXACT, readout="mean"), "readout: 'mean'"),
        (replace(EXACT, weight_bits=1), "weight bits: 1"),
        (replace(EXACT, divisor=0.0), "divisor: 0"),
        (replace(EXACT, guard=99), "guard"),
    ):
        refused(path, match, settings=settings)
    refused(path, "classes: 2 names", classes=["a", "b"])
    refused(path, re.escape("--step 0"), step=0.0)


def test_the_library_that_is_asked_for_is_the_one_that_is_installed():
    from crossloom.training.importing.libraries.known import installed

    assert installed("nir") is None  # no spiking library
    assert (installed("snntorch") is None) == (find_spec("snntorch") is None)
