"""Where a command cannot write what it will have made it says so before it makes it, and leaves nothing there."""

import json
import os

import pytest

from crossloom.hls.build import read_baseline
from crossloom.host.cli import main
from crossloom.host.report.document import MARKER
from crossloom.sim import InputError, places
from crossloom.sim.places import check_file_place, check_folder_place, write_file

WORK = (
    "crossloom.training.workflow.train", "crossloom.training.workflow.grow", "crossloom.training.workflow.fine_tune",
    "crossloom.training.workflow.refuse_beforehand", "crossloom.host.commands.report.measure",
    "crossloom.host.commands.crossbar.sweep", "crossloom.rtl.tile.campaign.build_tile",
    "crossloom.host.commands.bench.rtl.measure", "crossloom.host.commands.bench.board.open_backend",
    "crossloom.rtl.estimate.choice.choose_folding", "crossloom.hls.emit.project_files", "crossloom.hls.build.build",
    "crossloom.host.commands.bench.sha.perform",
)  # fmt: skip
FILES = [
    ["grow", "digits-sha", "--class", "x", "--out"], ["fine-tune", "digits-cnn", "--rho", "1e-3", "--out"],
    ["report", "digits-cnn", "--out"], ["crossbar", "digits-cnn", "--images", "4", "--calibrate", "2", "--out"],
    ["bench", "tile", "--out"], ["bench", "rtl", "--no-cocotb", "--out"], ["bench", "board", "digits-cnn", "--out"],
    ["build", "hls", "digits-cnn", "--baseline"],
]  # fmt: skip
FOLDERS = [
    ["train", "digits-cnn", "--out"], ["bench", "sha", "--out"], ["emit", "hls", "digits-cnn", "--out"],
    ["build", "bitstream", "digits-cnn", "--out"], ["emit", "rtl", "digits-cnn", "--out"],
    ["emit", "virtual", "digits-cnn", "--out"],
]  # fmt: skip


@pytest.fixture
def told(capfd, tmp_path, monkeypatch):
    """The one line of a command that is refused before any work."""
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    pytest.importorskip("hls4ml", reason="hls4ml is not installed")

    def worked(*_, **__):
        raise AssertionError("it went to work")

    for name in WORK:
        monkeypatch.setattr(name, worked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")

    def run(argv):
        before = sorted(tmp_path.rglob("*"))
        assert main(argv) == 1
        found = capfd.readouterr()
        assert found.out == "" and found.err.count("\n") == 1 and "fault of Crossloom" not in found.err, found.err
        assert sorted(tmp_path.rglob("*")) == before, "something stays"
        return found.err

    return run


@pytest.mark.parametrize("out", ["file/sub/x", "/proc/none/x", "x" * 300, "a\0b", "pipe", ".", "/dev/full"])
@pytest.mark.parametrize("argv", FILES, ids=lambda argv: " ".join(argv[:2]))
def test_a_file_that_cannot_be_written_is_refused_before_the_work(told, argv, out):
    line = told([*argv, out])
    assert "name another" in line or "name one" in line


@pytest.mark.parametrize("out", ["file", "file/sub", "/proc/none", "x" * 300, "a\0b", "pipe"])
@pytest.mark.parametrize("argv", FOLDERS, ids=lambda argv: " ".join(argv[:2]))
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(told, argv, out):
    assert "another" in told([*argv, out])


@pytest.mark.parametrize("argv", FILES[2:], ids=lambda argv: " ".join(argv[:2]))
def test_what_is_no_result_of_ours_is_not_written_over(told, tmp_path, argv):
    for text in ("years of work", "[]", "{}x", '{"a": 1}', "9" * 5000):
        (tmp_path / "thesis").write_text(text)
        told([*argv, "thesis"])
        assert (tmp_path / "thesis").read_text() == text


def test_a_name_in_a_runs_folder_that_is_taken_is_refused_before_training(told, tmp_path):
    (tmp_path / "run" / "digits-cnn.loom").mkdir(parents=True)
    assert "digits-cnn.loom: is no file" in told(["train", "digits-cnn", "--out", "run"])
    (tmp_path / "sha" / "flat").mkdir(parents=True)
    (tmp_path / "sha" / "flat" / "checkpoint.pt").write_text("")
    line = told(["train", "digits-sha", "--with-baselines", "--out", "sha"])
    assert "flat: holds a run already" in line


def test_folders_that_were_made_to_try_are_gone_again(tmp_path):
    path = tmp_path / "deep" / "er"
    check_file_place(path / "x.json", InputError)
    check_folder_place(path, InputError)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"cannot be written \(No such file or directory\)"):
        write_file(path / "x.json", "", InputError)


def test_a_full_disk_is_found_before_the_work_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(places.os, "write", full)
    for check in (check_file_place, check_folder_place):
        with pytest.raises(InputError, match=r"\(No space left on device\); needed a place to write; name another one"):
            check(tmp_path / "new" / "x", InputError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", FILES[2:], ids=lambda argv: " ".join(argv[:2]))
def test_results_of_an_earlier_run_are_written_over(told, tmp_path, argv):
    results = "{}" if argv[0] == "build" else json.dumps(dict.fromkeys(("bank_rewrite_ms", "machine", "campaign")))
    (tmp_path / "old").write_text(MARKER if argv[0] in ("report", "crossbar") else results)
    if argv[0] == "build":
        assert read_baseline(tmp_path / "old") == {}
    else:
        with pytest.raises(AssertionError, match="fault of Crossloom"):  # it went to work
            told([*argv, "old"])
