"""The artifact: the same bytes everywhere, and a file that is written whole or not at all."""

import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import MADE, made

from crossloom.sim import (
    Artifact,
    ArtifactError,
    Dense,
    Input,
    Network,
    Node,
    QType,
    load,
    run,
    save,
    weights_sha256,
)
from crossloom.sim import loom as module
from crossloom.sim.loom import to_bytes
from crossloom.sim.npy import npy_array, npy_bytes

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Hashes of the hand-made artifacts' bytes: the format may not change without a new schema version.
KNOWN = {
    "flat": "0cc371f4f8e548c9bc00e8f52fb3db61d103ffc3e50f276be1a279f88ecfdaeb",
    "routed": "eae607a118f688925716214a0d61371922bdfbd6d8fd67e0e6e034097b3466e3",
    "spiking": "c20d89fb8c3eb7d41c03e935d7b5dcb4b39ca25f0f325334c359dc0300a361e5",
}
PRINT_HASHES = (
    "from handmade import made; from crossloom.sim.loom import to_bytes; import hashlib, numpy;"
    "print(numpy.__version__, *(hashlib.sha256(to_bytes(made(n))).hexdigest() for n in ('flat', 'routed', 'spiking')))"
)


@pytest.fixture(params=sorted(MADE))
def name(request):
    return request.param


def test_a_round_trip_loses_nothing(name, tmp_path):
    artifact = made(name)
    saved = save(artifact, tmp_path / "x.loom")
    found = load(tmp_path / "x.loom")
    assert found.sha256 == saved.sha256 == hashlib.sha256((tmp_path / "x.loom").read_bytes()).hexdigest()
    assert weights_sha256(found.network) == weights_sha256(artifact.network)
    assert found.network.name == artifact.network.name
    assert found.info == artifact.info
    assert np.array_equal(found.golden.digests, artifact.golden.digests)
    images = artifact.golden.inputs
    assert np.array_equal(run(found.network, images).labels, run(artifact.network, images).labels)
    assert to_bytes(found) == to_bytes(artifact)


def test_the_bytes_are_the_known_ones(name):
    assert hashlib.sha256(to_bytes(made(name))).hexdigest() == KNOWN[name]


def test_another_process_writes_the_same_bytes():
    assert _hashes()[1:] == list(KNOWN.values())


@pytest.fixture(scope="module")
def old_numpy(tmp_path_factory):
    """A folder with numpy 1.26, which goes before what this interpreter has."""
    folder = tmp_path_factory.mktemp("old")
    options = ["-q", "--disable-pip-version-check", "--no-compile", "--no-deps", "--target", folder]
    command = [sys.executable, "-m", "pip", "install", *options, "numpy==1.26.4"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("numpy 1.26 not obtainable")
    return folder


def test_numpy_1_and_2_write_the_same_bytes(old_numpy):
    version, *hashes = _hashes(old_numpy)
    assert version == "1.26.4"
    assert hashes == list(KNOWN.values())


def _hashes(*folders):
    """The version of numpy and the hashes of both artifacts, from an interpreter that looks in folders first."""
    path = os.pathsep.join(map(str, [*folders, ROOT / "sim", HERE]))
    found = subprocess.run(
        [sys.executable, "-B", "-c", PRINT_HASHES], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_any_zip_tool_can_open_it_and_sees_the_hash(tmp_path):
    saved = save(made("flat"), tmp_path / "x.loom")
    with zipfile.ZipFile(tmp_path / "x.loom") as archive:
        assert archive.testzip() is None
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        body = (tmp_path / "x.loom").read_bytes()[:-64]
        assert archive.comment.decode() == hashlib.sha256(body).hexdigest()
        assert archive.namelist() == sorted(archive.namelist())
    assert saved.sha256


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<i4", "<i8", "|u1", "<u8"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 3, 4)])
def test_arrays_are_plain_npy_files(dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    data = npy_bytes(array)
    assert np.array_equal(np.load(io.BytesIO(data), allow_pickle=False), array)
    assert np.array_equal(npy_array("x", data), array)
    assert npy_bytes(np.asfortranarray(array)) == data
    assert npy_bytes(array.astype(array.dtype.newbyteorder(">"))) == data


def test_an_array_that_is_not_of_integers_is_not_written():
    for array in (np.zeros(3), np.zeros(3, bool), np.array([None])):
        with pytest.raises(ArtifactError, match="artifacts hold integer arrays only"):
            npy_bytes(array)


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ArtifactError, match=r"x\.loom: cannot be written \(No space left on device\); nothing was changed"
    ):
        save(made("routed"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.loom"]


def test_a_file_size_limit_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    code = "import sys; from handmade import made; from crossloom.sim import save, ArtifactError\n"
    code += "try:\n    save(made('routed'), sys.argv[1])\nexcept ArtifactError as e:\n    print(e)\n"
    path_list = os.pathsep.join([str(ROOT / "sim"), str(HERE)])
    found = subprocess.run(
        [sys.executable, "-B", "-c", code, str(path)],
        env={"PYTHONPATH": path_list}, preexec_fn=limit, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "cannot be written (File too large); nothing was changed" in found.stdout
    assert path.read_bytes() == before


def test_an_interrupt_while_saving_leaves_the_old_file_alone_in_its_folder(tmp_path, monkeypatch):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    for place, name in ((os, "fsync"), (Path, "chmod"), (Path, "replace")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(place, name, interrupted)
            save(made("routed"), path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["x.loom"]


@pytest.mark.parametrize("place", ["tempfile.mkstemp", "os.fdopen", "os.fsync", "Path.chmod", "Path.replace"])
def test_a_kill_while_saving_leaves_the_old_file_whole(place, tmp_path):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()
    code = "import os, sys, signal, tempfile; from pathlib import Path\n"
    code += "from handmade import made; from crossloom.sim import save\n"
    code += f"{place} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\nsave(made('routed'), sys.argv[1])\n"
    path_list = os.pathsep.join([str(ROOT / "sim"), str(HERE)])
    found = subprocess.run([sys.executable, "-c", code, str(path)], env={"PYTHONPATH": path_list}, check=False)
    assert found.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert load(path).network.name == "hand-made"
    assert all(p.name.startswith(".x.loom.") for p in tmp_path.iterdir() if p != path)
    save(made("routed"), path)  # what a kill left behind is in nobody's way
    assert load(path).network.name == "hand-routed"


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"a": float("nan")}, "info.json: Out of range float"),
        ({"a": float("inf")}, "info.json: Out of range float"),
        ({"a": object()}, "info.json: Object of type object"),
        ({"a": np.float32(1)}, "info.json: Object of type float32"),
        ({"a": "\ud800"}, "info.json: "),
        ({1: 2, "a": 3}, "info.json: "),
        ({1: 2, "1": 3}, "info.json: "),
        ({"a": 10**30}, "info.json: number of 31 digits"),
        ({"a": nested(40)}, "info.json: nested deeper than 32"),
        ({"a": nested(100_000)}, "info.json: "),
    ],
)
def test_nothing_is_saved_that_could_not_be_loaded(info, words, tmp_path):
    path = tmp_path / "x.loom"
    save(made("flat"), path)
    before = path.read_bytes()
    with pytest.raises(ArtifactError) as caught:
        save(Artifact(made("flat").network, info), path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.loom"]


def test_a_test_set_whose_name_is_no_text_is_not_saved(tmp_path):
    artifact = made("flat")
    with pytest.raises(ArtifactError, match=r"golden/index\.json"):
        save(replace(artifact, golden=replace(artifact.golden, dataset="\ud800")), tmp_path / "x.loom")


def test_info_beyond_the_limit_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_JSON_BYTES", 2000)
    with pytest.raises(ArtifactError, match=r"info\.json: 3008 bytes; at most 2000"):
        save(Artifact(made("flat").network, {"a": "x" * 3000}), tmp_path / "x.loom")


def test_more_entries_than_are_read_are_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    with pytest.raises(ArtifactError, match="entries; at most 3 are supported; take fewer layers or branches"):
        save(made("flat"), tmp_path / "x.loom")


def test_as_many_classes_with_names_as_long_as_a_network_may_have_come_back(tmp_path):
    names = tuple(f"{number:05}{chr(0x20000 + number % 1000) * 75}" for number in range(65_536))
    dense = Dense(np.ones((65_536, 1), int), np.zeros(65_536, int), QType(-1, 1), 2)
    source = Input((1,), QType(0, 1), np.array([[0], [1]]))
    network = Network("w" * 64, source, (Node("w" * 64, dense, ("input",)),), "w" * 64, names)
    save(Artifact(network), tmp_path / "x.loom")
    assert load(tmp_path / "x.loom").network.classes == names


@pytest.mark.parametrize("info", [{}, {"a": [1, 1.5, None, True, "ü", {"b": []}], "c": -(1 << 62)}, {"a": nested(30)}])
def test_info_of_plain_json_comes_back(info, tmp_path):
    save(Artifact(made("flat").network, info), tmp_path / "x.loom")
    assert load(tmp_path / "x.loom").info == info


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be written"):
        save(made("flat"), tmp_path / "absent" / "x.loom")
