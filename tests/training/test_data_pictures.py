"""One picture file: as its viewer shows it, or refused by name."""

import logging
import os
import stat

import numpy as np
import pytest

pytest.importorskip("PIL.Image", reason="Pillow is not installed")

import odd_pictures as odd

from crossloom.sim.errors import ConfigError
from crossloom.training.config import DataConfig
from crossloom.training.data import files
from crossloom.training.data.loading import load_dataset
from crossloom.training.data.own import user_dataset
from crossloom.training.data.pictures import read_picture


def refused(path):
    with pytest.raises(ConfigError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ") and "; needed" in str(caught.value)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("name", odd.REFUSED)
def test_a_picture_that_has_no_8_bit_form_is_refused_by_name(tmp_path, name):
    write, words = odd.REFUSED[name]
    write(tmp_path / name)
    assert words in refused(tmp_path / name)


@pytest.mark.parametrize("name", odd.SHOWN)
def test_another_kind_of_file_gives_the_pixels_that_its_viewer_shows(tmp_path, name):
    write, pixels = odd.SHOWN[name]
    write(tmp_path / name)
    found = read_picture(tmp_path / name)
    assert found.dtype == np.uint8 and (found == (pixels if pixels.ndim == 3 else pixels[..., None])).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", odd.TURNS)
def test_a_picture_is_turned_as_its_orientation_says(tmp_path, suffix, orientation):
    found = read_picture(odd.turned(odd.COLOUR, orientation, tmp_path / f"x.{suffix}"))
    assert found.shape == odd.COLOUR.shape and (found == odd.COLOUR).all()


def test_a_jpeg_of_a_camera_is_turned_too(tmp_path):
    steep = np.repeat(np.arange(0, 240, 15, dtype=np.uint8)[:, None], 8, axis=1)
    for orientation in odd.TURNS:
        found = read_picture(odd.turned(steep, orientation, tmp_path / f"{orientation}.jpg"))
        assert found.shape == (16, 8, 1) and np.abs(found[..., 0].astype(int) - steep).max() < 12


def test_a_picture_becomes_grey_or_colour_on_request(tmp_path):
    odd.save(odd.GREY)(tmp_path / "grey.png")
    odd.save(odd.COLOUR)(tmp_path / "colour.png")
    assert (read_picture(tmp_path / "grey.png", 3) == odd.GREY[..., None]).all()
    luma = (odd.COLOUR @ [0.299, 0.587, 0.114])[..., None]
    assert np.abs(read_picture(tmp_path / "colour.png", 1) - luma).max() <= 1


def test_what_is_no_file_is_refused_without_being_opened(tmp_path):
    (tmp_path / "folder.png").mkdir()
    assert "a folder" in refused(tmp_path / "folder.png")
    os.mkfifo(tmp_path / "pipe.png")  # reading it would wait for ever
    assert "neither a file nor a folder" in refused(tmp_path / "pipe.png")
    assert "no such file" in refused(tmp_path / "none.png")
    assert "cannot be read" in refused(tmp_path / ("x" * 300))


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def denied(self, *how):
        raise PermissionError(13, "Permission denied", str(self))

    odd.save(odd.GREY)(tmp_path / "x.png")
    monkeypatch.setattr(files.Path, "open", denied)
    assert "cannot be read (Permission denied)" in refused(tmp_path / "x.png")


def test_damaged_bytes_end_in_one_line_and_nothing_else(tmp_path, capfd, caplog):
    rng = np.random.default_rng(3)
    names = ["colour.png", "palette.gif", "white-is-zero.tif", "opaque.webp", "palette.bmp", "few-levels.pgm"]
    count = 0
    for name in names:
        odd.SHOWN[name][0](tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for i in range(40):
            damaged = bytearray(whole[: int(rng.integers(len(whole)))] if i % 2 else whole)
            for at in rng.integers(len(damaged), size=3) if damaged else ():
                damaged[at] = rng.integers(256)
            (tmp_path / name).write_bytes(damaged)
            with caplog.at_level(logging.CRITICAL):
                try:
                    read_picture(tmp_path / name)
                except ConfigError as error:
                    count += str(error).isprintable() and "; needed" in str(error)
    assert count > 100
    assert capfd.readouterr() == ("", "")


def class_folders(root, name, write):
    for c in ("ant", "bee"):
        (root / c).mkdir(parents=True)
        for i in range(4):
            odd.save(odd.GREY ^ np.uint8(i))(root / c / f"{i}.png")
    write(root / "bee" / name)
    return root


@pytest.mark.parametrize("name", odd.REFUSED)
def test_a_class_folder_with_such_a_picture_is_refused_naming_it(tmp_path, name):
    write, words = odd.REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        load_dataset(DataConfig(path=str(class_folders(tmp_path / "own", name, write))))
    assert f"bee/{name}: " in str(caught.value) and words in str(caught.value)


def test_nothing_in_a_class_folder_is_passed_over_but_hidden_files(tmp_path):
    root = class_folders(tmp_path / "own", ".hidden", lambda path: path.write_text("x"))
    assert len(user_dataset(root).images) == 8
    os.mkfifo(root / "bee" / "pipe")
    assert stat.S_ISFIFO((root / "bee" / "pipe").stat().st_mode)
    with pytest.raises(ConfigError, match="bee/pipe: neither a file nor a folder"):
        user_dataset(root)
    (root / "bee" / "pipe").unlink()
    (root / "cat").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="cat: a link to data that is not there beside the class folders"):
        user_dataset(root)


def test_a_turned_picture_is_trained_on_as_it_is_seen(tmp_path):
    root = class_folders(tmp_path / "own", "turned.png", lambda path: odd.turned(odd.GREY, 6, path))
    data = user_dataset(root)
    assert (data.images[-1][..., 0] == odd.GREY).all()


def test_arrays_with_channels_first_are_refused_with_the_remedy(tmp_path):
    images = np.zeros((8, 3, 32, 32), np.uint8)
    labels = np.arange(8) % 2
    remedy = r"channels first; needed \(N, H, W, C\).*transpose\(0, 2, 3, 1\)"
    for shape in ((8, 3, 32, 32), (8, 1, 28, 28), (8, 3, 32, 5)):
        np.savez(tmp_path / "x.npz", images=np.zeros(shape, np.uint8), labels=labels)
        with pytest.raises(ConfigError, match=remedy):
            user_dataset(tmp_path / "x.npz")
    right = images.transpose(0, 2, 3, 1)
    for parts in ({"images": right, "test_images": images}, {"images": images, "test_images": right}):
        np.savez(tmp_path / "x.npz", labels=labels, test_labels=labels, **parts)
        with pytest.raises(ConfigError, match=remedy):
            user_dataset(tmp_path / "x.npz")
    for shape in ((8, 32, 32, 3), (8, 3, 32, 3), (8, 1, 5, 1), (8, 3, 32), (8, 5, 6, 4)):
        np.savez(tmp_path / "x.npz", images=np.zeros(shape, np.uint8), labels=labels)
        assert len(user_dataset(tmp_path / "x.npz").images) == 8
