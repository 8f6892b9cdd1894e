"""What reaches a terminal: no text of a file that it would obey, and one line for whatever goes wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from foreground import FOREGROUND

from crossloom.host import faults
from crossloom.host.cli import main
from crossloom.host.commands import info
from crossloom.sim import load, save
from crossloom.sim.text import printable

RUN = "from crossloom.host.cli import main; raise SystemExit(main())"
EVIL = "\x1b[2J\x1b[H\rdigits test\nagainst  differences\ngolden   0\x07\u202e\u2028\x9b" + "x" * 100_000


@pytest.fixture(scope="module", params=["flat", "routed"])
def forged(request, tmp_path_factory):
    """A design, and the same with texts that paint over what a terminal shows."""
    path = request.getfixturevalue(request.param)
    artifact = load(path)
    count = len(artifact.golden.inputs)
    # The right answers for half of the images, so that there is something to report.
    golden = replace(artifact.golden, labels=np.arange(count) % len(artifact.network.classes))
    plain, evil = (tmp_path_factory.mktemp(name) / path.name for name in ("plain", "evil"))
    save(replace(artifact, golden=golden), plain)
    grown = [{"class": EVIL, "branch": EVIL}]
    record = {
        "accuracy": {"value": 0.5, "origin": EVIL}, "dataset": EVIL, "grown": grown, "seed": 1,
        "baselines": {"flat": {"accuracy": 0.5, "origin": EVIL}, "bcnn": {"accuracy": 0.5, "origin": EVIL, EVIL: 1}},
        "config": {EVIL: EVIL},
    }  # fmt: skip
    save(replace(artifact, golden=replace(golden, dataset=EVIL), info=record), evil)
    return plain, evil


@pytest.mark.parametrize("command", ["info", "run", "verify", "report", "cost", "diff"])
def test_texts_of_a_file_move_no_cursor_and_make_no_line(capsys, forged, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    shown = []
    for path in forged:
        assert main([command, str(path), *([str(forged[0])] if command == "diff" else [])]) == 0
        text = capsys.readouterr().out
        assert all(line.isprintable() and len(line) < 1000 for line in text.splitlines()), text[:2000]
        shown.append(text)
    notes = shown[1].count("\nnote ") - shown[0].count("\nnote ")
    assert shown[1].count("\n") == shown[0].count("\n") + notes
    for page in tmp_path.glob("*.html"):
        assert "x" * 1000 not in page.read_text() and "\x1b" not in page.read_text()


@pytest.mark.parametrize("command", ["info", "run", "verify", "report"])
def test_json_holds_no_control_character_either(capsys, forged, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert main([command, str(forged[1]), "--json"]) == 0
    text = capsys.readouterr().out
    assert text[:-1].isprintable() and json.loads(text)


def test_verify_and_info_say_by_its_digest_which_file_it_was(capsys, forged):
    for path in forged:
        for command in ("verify", "info"):
            assert main([command, str(path)]) == 0
            assert f"SHA-256 {load(path).sha256}" in capsys.readouterr().out


def test_an_error_about_a_forged_file_is_one_printable_line(capsys, forged, tmp_path):
    artifact = load(forged[1])
    golden = replace(artifact.golden, inputs=None, labels=None)
    save(replace(artifact, golden=golden), tmp_path / "x.loom")
    for argv in (["verify"], ["report", "--out", str(tmp_path / "x.html")], ["grow", "--class", "x"], ["crossbar"]):
        assert main([argv[0], str(tmp_path / "x.loom"), *argv[1:]]) == 1
        told = capsys.readouterr().err
        assert told[:-1].isprintable() and told.endswith("\n") and len(told) < 1000


def test_a_text_is_cut_and_its_escapes_count():
    assert printable("a" * 100) == "a" * 100
    assert printable("a" * 101) == "a" * 97 + "..."
    assert printable("\x1b" * 30, 20) == r"\x1b\x1b\x1b\x1b\..."
    assert printable("\ud800\U000e0001") == r"\ud800\U000e0001"
    assert len(printable(EVIL)) == 100 and printable(EVIL).isprintable()


def test_a_name_with_a_line_break_is_one_line(capsys, tmp_path):
    for argv in (["info", "no\nsuch\x1b[2J"], ["info", str(tmp_path / "a\nb.loom")], ["train", "a\nb.toml"],
                 ["report", "digits-cnn", "--out", str(tmp_path / "a\nb" / "c.html")]):  # fmt: skip
        assert main(argv) == 1
        told = capsys.readouterr().err
        assert told[:-1].isprintable() and told.endswith("\n")
    with pytest.raises(SystemExit, match="2"):
        main(["info", "digits-cnn", "a\nb\x1b[2J"])
    assert r"a\nb\x1b[2J" in capsys.readouterr().err


def test_a_report_into_a_missing_folder_says_so_once(capsys, flat, tmp_path):
    assert main(["report", str(flat), "--out", str(tmp_path / "none" / "x.html")]) == 1
    told = capsys.readouterr().err
    assert told.count("cannot be written") == told.count("name another file") == 1 and "no such folder" in told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/x/y"), "info: /x/y: No space left on device; needed"),
        (PermissionError(13, "Permission denied"), "info: Permission denied; needed"),
        (MemoryError(), "info: out of memory; needed"),
        (IndexError("list\nindex"), r"info: IndexError in test_terminal.py, line "),
        (RecursionError("deep"), "info: nested too deeply (deep); needed"),
        (UnicodeEncodeError("ascii", "\xe4", 0, 1, "odd"), "can't encode character"),
        (ImportError("cannot import\nname"), r"info: cannot import\nname; needed"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "info: out of memory; needed"),
        (OSError("Cannot load image"), "info: Cannot load image; needed"),
    ],
)
def test_whatever_goes_wrong_is_one_line_with_a_remedy(capsys, monkeypatch, error, words):
    def fail(args):
        raise error

    monkeypatch.setattr(info, "run", fail)
    monkeypatch.delenv(faults.TRACEBACK, raising=False)
    assert main(["info", "digits-cnn"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and words in captured.err
    assert captured.err[:-1].isprintable() and captured.err.count("; ") >= 2
    monkeypatch.setenv(faults.TRACEBACK, "1")
    assert main(["info", "digits-cnn"]) == 1
    assert "Traceback" in capsys.readouterr().err


def started(*argv, **how):
    return subprocess.Popen([sys.executable, "-c", RUN, *argv], stderr=subprocess.PIPE, text=True, **how)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize("argv", [["info", "digits-cnn"], ["info", "digits-cnn", "--json"], ["--help"], ["run", "-h"]])
def test_a_full_device_behind_stdout_is_told_in_one_line(argv):
    with Path("/dev/full").open("w") as full:
        done = started(*argv, stdout=full)
        told = done.communicate(timeout=60)[1]
    assert done.returncode == 1
    assert told.startswith("crossloom: standard output: cannot be written (No space left on device); needed")
    assert told.count("\n") == 1


def test_a_reader_that_has_seen_enough_and_streams_that_are_closed_are_no_error():
    done = started("info", "digits-cnn", stdout=subprocess.PIPE)
    done.stdout.close()
    assert done.stderr.read() == "" and done.wait(60) == 0
    for closed in ("1>&-", "2>&-"):
        command = ["sh", "-c", f'"$0" -c "$1" info digits-cnn {closed}', sys.executable, RUN]
        assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", RUN, "info", "nonesuch"]
        assert subprocess.run(command, stderr=full, timeout=60, check=False).returncode == 1


INTERRUPTED = (
    FOREGROUND
    + """
import signal, sys
from crossloom.host.cli import main
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, float(sys.argv.pop()))
raise SystemExit(main())
"""
)


def test_an_interrupt_in_the_first_moments_is_one_line():
    for delay in [0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2]:
        command = [sys.executable, "-c", INTERRUPTED, "crossbar", "digits-cnn", "--rho", "1e-3,2e-3", str(delay)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "crossloom: interrupted\n"), delay


def test_the_command_line_is_ready_before_anything_large_is_imported():
    code = "import sys; before = set(sys.modules); import crossloom.host.cli; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"typing", "argparse", "json", "numpy", "re"} & set(loaded)
