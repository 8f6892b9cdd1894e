"""Pictures and arrays that `run` and `grow` get: read as training reads them, or refused in one line."""

import json

import numpy as np
import pytest

pytest.importorskip("PIL.Image", reason="Pillow is not installed")

import odd_pictures as odd
from handmade import dense

from crossloom.host.cli import main
from crossloom.host.images import read_images
from crossloom.sim import Artifact, Flatten, Input, InputError, QType, run, save
from crossloom.sim.builder import Section, finish

SHAPE = (odd.HEIGHT, odd.WIDTH)


def source(*shape):
    return Input(shape, QType(0, 255, 8), np.arange(256)[:, None])


def network(channels, shape=SHAPE):
    """A flat network of three classes that reads pictures of this size, and tells most of them from each other."""
    source = Input((*shape, channels), QType(0, 255, 8), np.arange(256)[:, None])
    section = Section.of_input(source)
    section.add(Flatten())
    section.add(dense(3, channels * shape[0] * shape[1], 1))
    return finish("pictures", source, section, "abc")


@pytest.fixture
def design(tmp_path):
    """Path of the artifact of such a network, by its channels."""

    def saved(channels):
        path = tmp_path / f"pictures{channels}.loom"
        save(Artifact(network(channels)), path)
        return path

    return saved


def _refused(capsys, *argv):
    code = main([*map(str, argv)])
    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert captured.err.startswith("crossloom: ") and captured.err[:-1].isprintable() and captured.err[-1] == "\n"
    return captured.err


def _scores(capsys, design, path):
    assert main(["run", str(design), str(path), "--top", "3", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", odd.REFUSED)
def test_run_refuses_a_picture_that_has_no_8_bit_form_by_name(capsys, design, tmp_path, name, channels):
    write, words = odd.REFUSED[name]
    write(tmp_path / name)
    told = _refused(capsys, "run", design(channels), tmp_path / name)
    assert f"{name}: " in told and words in told and "; needed" in told


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", odd.SHOWN)
def test_run_answers_a_picture_as_its_viewer_shows_it(capsys, design, tmp_path, name, channels):
    write, pixels = odd.SHOWN[name]
    write(tmp_path / name)
    found = read_images(str(tmp_path / name), source(*SHAPE, channels))
    assert found.shape == (1, *SHAPE, channels) and found.dtype == np.uint8
    if pixels.ndim == 2 or channels == 3:
        assert (found[0] == (pixels[..., None] if pixels.ndim == 2 else pixels)).all()
    data = _scores(capsys, design(channels), tmp_path / name)
    assert data["labels"] == run(network(channels), found).labels.tolist()


@pytest.mark.parametrize("orientation", odd.TURNS)
def test_run_turns_a_picture_as_its_orientation_says(capsys, design, tmp_path, orientation):
    odd.turned(odd.GREY, orientation, tmp_path / "turned.png")
    assert (read_images(str(tmp_path / "turned.png"), source(*SHAPE, 1))[0, ..., 0] == odd.GREY).all()
    assert _scores(capsys, design(1), tmp_path / "turned.png")["names"]


def test_run_refuses_what_is_no_file_of_images(capsys, design, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.npz").symlink_to("nowhere")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "text.npz").write_text("x")
    np.savez(tmp_path / "zip.npz", images=np.zeros(3))
    (tmp_path / "zip.npy").write_bytes((tmp_path / "zip.npz").read_bytes())
    for name, words in [
        ("none.png", "no such file; needed .npy, .npz or a picture"),
        ("folder.png", "a folder"),
        ("gone.npz", "a link to data that is not there"),
        ("empty.npy", "no readable array"),
        ("text.npz", "damaged or no .npz"),
        ("zip.npy", "no readable array (it holds several arrays)"),
        ("x" * 300, "cannot be read"),
        ("two\nlines\x1b[2J.png", r"two\nlines\x1b[2J.png: no such file"),
    ]:
        assert words in _refused(capsys, "run", design(1), tmp_path / name), name


def test_run_refuses_arrays_with_channels_first_with_the_remedy(capsys, design, tmp_path):
    for channels in (1, 3):
        first = np.zeros((2, channels, *SHAPE), np.uint8)
        np.save(tmp_path / "x.npy", first)
        np.savez(tmp_path / "x.npz", images=first / 255)
        for name in ("x.npy", "x.npz"):
            told = _refused(capsys, "run", design(channels), tmp_path / name)
            assert "channels first; needed (N, H, W, C)" in told and "images.transpose(0, 2, 3, 1)" in told
        np.save(tmp_path / "x.npy", first.transpose(0, 2, 3, 1))
        assert len(_scores(capsys, design(channels), tmp_path / "x.npy")["labels"]) == 2


def test_a_design_that_reads_low_images_of_many_channels_gets_its_arrays(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 8, 8), np.uint8))
    assert read_images(str(tmp_path / "x.npy"), source(3, 8, 8)).shape == (2, 3, 8, 8)
    with pytest.raises(InputError, match="channels first"):
        read_images(str(tmp_path / "x.npy"), source(8, 8, 3))


@pytest.mark.parametrize("damage", [0, 1])
def test_damaged_arrays_end_in_one_line(capsys, tmp_path, damage):
    rng = np.random.default_rng(11)
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4, 1), np.uint8))
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((2, 4, 4, 1), np.uint8))
    refused = 0
    for name in ("x.npy", "x.npz"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(60):
            damaged = bytearray(whole[: int(rng.integers(1, len(whole)))] if damage else whole)
            for at in rng.integers(len(damaged), size=2):
                damaged[at] = rng.integers(256)
            (tmp_path / name).write_bytes(damaged)
            try:
                read_images(str(tmp_path / name), source(4, 4, 1))
            except InputError as error:
                refused += str(error).isprintable()
    assert refused > 30
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", odd.REFUSED)
def test_grow_refuses_such_a_picture_in_a_class_folder(capsys, routed, tmp_path, name):
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    write, words = odd.REFUSED[name]
    (tmp_path / "own" / "new").mkdir(parents=True)
    write(tmp_path / "own" / "new" / name)
    told = _refused(capsys, "grow", routed, "--class", "new", "--data", tmp_path / "own", "--out", tmp_path / "x.loom")
    assert f"new/{name}: " in told and words in told
