"""The virtual board as a device: every test image through DMA, streams, grown classes, and the package by itself."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_cases import is_exact
from other_banks import other_banks

from crossloom.host import Accelerator
from crossloom.host.board import attach as attaching
from crossloom.host.board import virtual_board
from crossloom.host.board.backend import BoardBackend
from crossloom.host.cli import main
from crossloom.rtl.core.contents import identities_of
from crossloom.sim import (
    DeviceError,
    InputError,
    MissingExtraError,
    differing,
    input_codes,
    load,
    run,
    weights_sha256,
)
from crossloom.sim.board.dma_registers import Channel, Offset
from crossloom.sim.frames import frame_beats, frame_layout, read_results

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.mark.parametrize("design", ["digits-sha", "digits-cnn"])
def test_every_test_image_is_exact_with_one_and_with_256_frames_a_transfer(design, capsys):
    assert main(["verify", design, "--devices", "virtual", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"] == {"golden": 0, "virtual": 0}
    assert found["images"] == 360
    assert found["compared"]["virtual"] == "scores, labels, 1 and 256 frames a transfer"


def test_a_wrong_answer_of_the_board_is_counted_and_named(monkeypatch, capsys):
    ran, seen = BoardBackend.run, []

    def wrong(self, codes, edges=()):
        found = ran(self, codes, edges)
        fine = found.fine.copy()
        fine[3:4, 0] += self.frames == 256 and not seen
        seen.extend(codes[3:4] if self.frames == 256 else [])
        return replace(found, fine=fine)

    monkeypatch.setattr(BoardBackend, "run", wrong)
    assert main(["verify", "digits-sha", "--devices", "virtual", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["differences"]["virtual"] == 1
    assert found["first"]["virtual"] == "image 3: scores, branch or label differ"


def test_run_tells_each_images_cycles_as_the_core_alone_has_them(capsys):
    assert main(["run", "digits-sha", "--device", "virtual", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["backend"], found["origin"]) == ("virtual", "simulated")
    assert main(["run", "digits-sha", "--device", "rtl", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    for key in ("labels", "coarse", "cycles"):
        assert found[key] == alone[key], key
    assert found["counters"]["FRAMES_OUT"] == len(found["labels"])
    assert found["counters"]["CYCLES"] == sum(found["cycles"]) - len(found["cycles"])
    assert main(["run", "digits-sha", "--device", "virtual", "--frames", "4", "--json"]) == 0
    together = json.loads(capsys.readouterr().out)
    assert together["labels"] == alone["labels"] and together["cycles"] is None


@pytest.mark.parametrize("frames", [1, 3, 256])
def test_no_images_one_and_several_transfers_are_exact(opened, sha, frames):
    backend = opened(frames)
    codes = input_codes(sha.network.input, sha.golden.inputs[:8])
    for count in (0, 1, 2, 3, 4, 7, 8):
        wanted = run(sha.network, codes=codes[:count])
        found = backend.run(codes[:count])
        assert not differing(wanted, found).any()
        assert found.cycles is None if frames > 1 else found.cycles.shape == (count,)
    assert backend.counters()["FRAMES_OUT"] == 25


def test_the_core_counts_what_it_did(opened, cases):
    backend = opened()
    is_exact(backend, cases)
    counters = backend.counters()
    assert counters["FRAMES_IN"] == counters["FRAMES_OUT"] == len(cases[0])
    assert counters["CYCLES"] > 0 and counters["SATURATIONS"] > 0
    assert counters["ERRORS"] == counters["FRAMES_SHORT"] == counters["FRAMES_LONG"] == 0


@pytest.mark.parametrize(("device", "batch"), [("virtual", None), ("virtual", 2), ("integer", 3), ("integer", None)])
def test_a_stream_answers_as_a_call_does(sha, device, batch):
    images = sha.golden.inputs[:7]
    options = {"frames": 4} if device == "virtual" else {}
    with Accelerator("digits-sha", device, **options) as accelerator:
        found = list(accelerator.stream(iter(images), batch))
        size = batch or (4 if device == "virtual" else 64)
        assert [len(part.labels) for part in found] == [len(images[i : i + size]) for i in range(0, 7, size)]
        labels = np.concatenate([part.labels for part in found])
        np.testing.assert_array_equal(labels, accelerator(images).labels)


def test_a_stream_reads_ahead_by_one_batch_and_no_more(sha):
    taken = []

    def camera():
        for number, image in enumerate(sha.golden.inputs[:12]):
            taken.append(number)
            yield image

    with Accelerator("digits-sha", "virtual", frames=2) as accelerator:
        stream = accelerator.stream(camera())
        for number in range(3):
            next(stream)
            assert len(taken) == 2 * (number + 2)


def test_a_stream_that_is_left_leaves_nothing_behind(sha):
    with Accelerator("digits-sha", "virtual", frames=2) as accelerator:
        next(accelerator.stream(iter(sha.golden.inputs)))
        wanted = Accelerator("digits-sha", "integer")(sha.golden.images)
        assert not differing(wanted.result, accelerator(sha.golden.images).result).any()


@pytest.mark.parametrize("asked", ["counters", "identities", "call", "load", "stream"])
def test_what_is_asked_during_a_stream_waits_for_its_batch_and_loses_nothing(sha, asked):
    images = sha.golden.inputs[:8]
    wanted = Accelerator("digits-sha", "integer")(images).labels
    with Accelerator("digits-sha", "virtual", frames=2) as accelerator:
        meanwhile = {
            "counters": lambda: accelerator.counters["FRAMES_OUT"] >= len(labels),
            "identities": lambda: accelerator.identities["WEIGHTS"] == weights_sha256(sha.network),
            "call": lambda: (accelerator(images).labels == wanted).all(),
            "load": lambda: accelerator.load("digits-sha") is None,
            "stream": lambda: (next(other).labels == wanted[len(labels) - 2 : len(labels)]).all(),
        }[asked]
        labels, other = [], accelerator.stream(iter(images))
        for part in accelerator.stream(iter(images)):
            labels.extend(part.labels)
            assert meanwhile()
        assert labels == list(wanted)
        assert accelerator.counters["ERRORS"] == 0


def test_a_batch_that_fails_while_somebody_else_waits_is_told_to_its_stream_alone(sha):
    images = sha.golden.inputs[:8]
    wanted = Accelerator("digits-sha", "integer")(images)
    with Accelerator("digits-sha", "virtual", frames=2) as accelerator:
        stream = accelerator.stream(iter(images))
        next(stream)
        accelerator._backend.overlay.dma.mmio.write(int(Channel.S2MM + Offset.CONTROL), 0)
        assert accelerator.counters["ERRORS"] == 0
        assert not differing(wanted.result, accelerator(images).result).any()
        with pytest.raises(DeviceError, match="the DMA halted"):
            next(stream)
        assert not differing(wanted.result, accelerator(images).result).any()


def test_a_stream_takes_a_folder_of_pictures_by_name(sha, tmp_path):
    from PIL import Image

    for number, image in enumerate(sha.golden.inputs[:3]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{2 - number}.png")
    (tmp_path / ".hidden").write_text("no picture")
    with Accelerator("digits-sha") as accelerator:
        (found,) = accelerator.stream(tmp_path)
        np.testing.assert_array_equal(found.labels, accelerator(sha.golden.inputs[:3][::-1]).labels)
        with pytest.raises(InputError, match="no folder"):
            next(accelerator.stream(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("images", "match"),
    [
        ([np.zeros((8, 7), np.uint8)], r"image 0: shape \[8, 7\]; needed \[8, 8, 1\]"),
        ([np.zeros((8, 8), np.uint8), np.zeros((8, 8))], "images 0 to 1: dtypes .*; needed one"),
        ([np.zeros((8, 8), np.uint8)] * 3 + [None], "image 3: shape"),
    ],
)
def test_a_stream_names_the_item_that_is_no_image(images, match):
    with Accelerator("digits-sha") as accelerator, pytest.raises(InputError, match=match):
        list(accelerator.stream(images))


def test_other_banks_run_on_the_core_that_was_built_before_them(overlay, sha):
    network = other_banks(sha.network)
    codes = input_codes(network.input, sha.golden.inputs[:6])
    backend = BoardBackend(network, "virtual", overlay, 4)
    assert backend.rewrite_s > 0
    assert not differing(run(network, codes=codes), backend.run(codes)).any()
    backend.close()


def test_auto_says_why_it_is_not_the_board():
    with Accelerator("digits-sha") as accelerator:
        assert accelerator.backend == "integer"
        assert "no PYNQ board" in accelerator.reason and "integer simulator" in accelerator.reason


@pytest.mark.parametrize(
    ("name", "root", "match"),
    [
        (None, True, "is no PYNQ board"),
        ("Pynq-Z1\0", False, "only root reaches the board's registers"),
        ("AUP-ZU3", True, "the board is a AUP-ZU3; cores are built for Pynq-Z2 and Pynq-Z1"),
    ],
)
def test_the_board_is_refused_where_there_is_none(monkeypatch, tmp_path, overlay, name, root, match):
    path = tmp_path / "pynq_board"
    if name is not None:
        path.write_text(name)
    monkeypatch.setattr(attaching, "_BOARD_NAME", path)
    monkeypatch.setattr(attaching.os, "geteuid", lambda: 0 if root else 1000)
    with pytest.raises(DeviceError, match=match) as told:
        Accelerator("digits-sha", "board", overlay=overlay.bit)
    assert "device 'virtual' runs the same driver" in str(told.value)
    assert match in Accelerator("digits-sha").reason


def test_the_boards_path_is_the_virtual_boards_but_for_what_it_is(monkeypatch, overlay, tmp_path, sha):
    from crossloom.host.board import backend
    from crossloom.host.board.lock import BoardLock
    from crossloom.host.board.virtual.device import VirtualBoard

    monkeypatch.setattr(backend, "open_board", VirtualBoard)
    monkeypatch.setattr(backend, "BoardLock", lambda: BoardLock(tmp_path / "lock"))
    with Accelerator("digits-sha", "board", overlay=overlay.bit) as accelerator:
        found = accelerator(sha.golden.images)
        assert (found.backend, found.origin) == ("board", "measured")
        wanted = Accelerator("digits-sha", "integer")(sha.golden.images)
        assert not differing(wanted.result, found.result).any()
        with pytest.raises(DeviceError, match="uses the board; one at a time can"):
            Accelerator("digits-sha", "board", overlay=overlay.bit)
    Accelerator("digits-sha", "board", overlay=overlay.bit).close()


def test_auto_takes_the_board_where_there_is_one_with_the_bitstream(monkeypatch, overlay, tmp_path):
    from crossloom.host.board import backend
    from crossloom.host.board.lock import BoardLock
    from crossloom.host.board.virtual.device import VirtualBoard

    monkeypatch.setattr(attaching, "no_board", lambda: None)
    monkeypatch.setattr(backend, "open_board", VirtualBoard)
    monkeypatch.setattr(backend, "BoardLock", lambda: BoardLock(tmp_path / "lock"))
    with Accelerator("digits-sha", overlay=overlay.bit) as accelerator:
        assert (accelerator.backend, accelerator.reason) == ("board", "auto: the board is here")
    with Accelerator("digits-sha") as accelerator:
        assert accelerator.backend == "integer" and "no bitstream of digits-sha" in accelerator.reason
    with Accelerator("digits-cnn", overlay=overlay.bit) as accelerator:
        assert accelerator.backend == "integer" and "another network's structure" in accelerator.reason


def test_a_board_without_a_bitstream_says_how_to_get_one():
    with pytest.raises(DeviceError, match="no bitstream; 'crossloom build bitstream' makes one"):
        Accelerator("digits-sha", "board")


@pytest.mark.parametrize(("version", "match"), [("2.7.0", "pynq 2.7.0; 3.1 is needed"), ("4.0.1", "pynq 4.0.1; 3.1")])
def test_another_version_of_pynq_is_refused(monkeypatch, version, match):
    import pynq

    monkeypatch.setattr(pynq, "__version__", version)
    with pytest.raises(DeviceError, match=match):
        Accelerator("digits-sha", "virtual")


def test_without_pynq_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'crossloom\[board\]'"):
        Accelerator("digits-sha", "virtual")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["run", "digits-sha", "--device", "rtl", "--frames", "4"], "takes no frames a transfer; only virtual"),
        (["run", "digits-sha", "--device", "integer", "--overlay", "x.bit"], "takes no overlay; only virtual"),
        (["verify", "digits-sha", "--devices", "integer", "--overlay", "x.bit"], "no device of 'integer' takes one"),
        (["run", "digits-sha", "--device", "virtual", "--overlay", "missing.bit"], "missing.bit: no bitstream"),
        (["run", "digits-sha", "--device", "virtual", "--frames", "0"], "0 frames a transfer; needed 1 to 65535"),
        (["run", "digits-sha", "--device", "board"], "no bitstream; 'crossloom build bitstream'"),
    ],
)  # fmt: skip
def test_options_that_a_device_has_not_are_refused(capsys, options, match):
    assert main(options) == 1
    told = capsys.readouterr()
    assert match in told.err and len(told.err.splitlines()) == 1 and not told.out


def test_the_package_by_itself_downloads_moves_frames_and_reads_registers(sha, tmp_path, capsys):
    assert main(["emit", "virtual", "digits-sha", "--out", str(tmp_path)]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pynq import Clocks, Overlay, allocate

    virtual_board()
    overlay = Overlay(str(tmp_path / "digits-sha.bit"))
    layout = frame_layout(sha.network)
    frame, result = (allocate((beats,), np.uint64) for beats in (layout.frame_beats, layout.result_beats))
    codes = input_codes(sha.network.input, sha.golden.inputs[:1])
    frame[:] = frame_beats(sha.network, codes)[0]
    overlay.dma.recvchannel.transfer(result)
    overlay.dma.sendchannel.transfer(frame)
    overlay.dma.sendchannel.wait()
    overlay.dma.recvchannel.wait()
    answers = read_results(sha.network, np.asarray(result)[None])
    assert not differing(run(sha.network, codes=codes), answers).any()
    assert overlay.dma.recvchannel.transferred == 8 * layout.result_beats
    assert overlay.core.register_map.FRAMES_OUT[:] == 1
    assert overlay.core.register_map.STATUS.BUSY == 0
    assert Clocks.fclk0_mhz == 100
    assert overlay.is_loaded()


def test_results_that_nobody_invalidates_are_not_seen(overlay, sha):
    from crossloom.host.board.attach import attach

    board = virtual_board()
    loaded, _ = attach(overlay, board)
    layout = frame_layout(sha.network)
    frame, result = (board.allocate((beats,), np.uint64) for beats in (layout.frame_beats, layout.result_beats))
    frame[:] = frame_beats(sha.network, input_codes(sha.network.input, sha.golden.inputs[:1]))[0]
    loaded.dma.recvchannel.transfer(result)
    loaded.dma.sendchannel.transfer(frame)
    loaded.dma.sendchannel.wait()
    while not loaded.dma.recvchannel.idle:
        pass
    assert not result.any()
    result.invalidate()
    assert result.any()


def test_the_clock_that_the_handoff_names_is_set_and_counts_the_time(sha, tmp_path):
    from crossloom.host.board.attach import attach
    from crossloom.host.board.virtual.bitstream import write_overlay
    from crossloom.host.folding_choice import compiled

    board = virtual_board()
    _, parts = attach(write_overlay(compiled(sha.network), tmp_path, clock_mhz=50), board)
    assert parts.clock_mhz == 50
    before = board.now()
    board.model.run(5000)
    assert board.now() - before == pytest.approx(1e-4)
    _, parts = attach(write_overlay(compiled(sha.network), tmp_path), board)
    assert parts.clock_mhz == 100


def test_bench_board_has_its_keys_and_figures(capsys, tmp_path):
    assert main(["bench", "board", "digits-sha", "--runs", "1", "--json", "--out", str(tmp_path / "board.json")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["virtual"]) == {"host_us_single", "host_us_call", "host_us_batched", "frames_per_s"}
    assert found["virtual"]["host_us_batched"] < found["virtual"]["host_us_single"] < found["virtual"]["host_us_call"]
    assert found["virtual"]["frames_per_s"] > found["rtl"]["frames_per_s"] / 4
    assert found["bank_rewrite_ms"] > 0
    assert json.loads((tmp_path / "board.json").read_text()) == found


def test_a_design_of_somebody_else_is_read_from_its_file(tmp_path):
    path = tmp_path / "mine.loom"
    path.write_bytes((BITSTREAMS / "digits-sha" / "digits-sha.loom").read_bytes())
    with Accelerator(path, "virtual", frames=4) as accelerator:
        images = load(path).golden.images
        wanted = Accelerator(path, "integer")(images)
        assert not differing(wanted.result, accelerator(images).result).any()
        accelerator.load(path)
        assert accelerator.rewrite_s is not None
        assert accelerator.identities == identities_of(load(path).network)
        assert not differing(wanted.result, accelerator(images).result).any()
    with Accelerator(path, "integer") as accelerator, pytest.raises(DeviceError, match="has no banks to write"):
        assert accelerator.identities == {}
        accelerator.load(path)
