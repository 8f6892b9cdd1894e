"""A command that is asked to end, or is killed, ends what it started and leaves nothing of it behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from foreground import FOREGROUND

pytest.importorskip("hls4ml", reason="hls4ml is not installed")

RUN = FOREGROUND + "from crossloom.host.cli import main; raise SystemExit(main())"
# A compiler that has children of its own and does not end; they are told by their numbers.
COMPILER = """#!/bin/sh
case "$*" in *--version*) echo "g++ 1"; exit;; esac
sleep 600 &
echo $$ > "$PIDS.new"
echo $! >> "$PIDS.new"
mv "$PIDS.new" "$PIDS"
wait
"""


def runs(pid):
    """Whether a process runs, and is not only waiting to be counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@pytest.fixture
def compiling(tmp_path):
    """A command whose compiler does not end, the numbers of that and its child, and the cache."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "g++").write_text(COMPILER)
    (tmp_path / "bin" / "g++").chmod(0o755)
    pids, cache = tmp_path / "pids", tmp_path / "crossloom"
    environment = {
        **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PIDS": str(pids),
        "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path / "bin"),
    }  # fmt: skip
    command = [sys.executable, "-c", RUN, "run", "digits-cnn", "--device", "hls-native"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_for(lambda: pids.exists() or process.poll() is not None)
        children = [int(pid) for pid in pids.read_text().split()]
        assert all(runs(pid) for pid in children) and list(cache.glob("build-*"))
        yield process, children, cache
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("SIGTERM", 143, "crossloom: ended by SIGTERM\n"),
        ("SIGHUP", 129, "crossloom: ended by SIGHUP\n"),
        ("SIGINT", 1, "crossloom: interrupted\n"),
    ],
)
def test_a_signal_while_compiling_ends_everything_and_leaves_nothing(compiling, name, code, told):
    process, children, cache = compiling
    process.send_signal(getattr(signal, name))
    assert process.communicate(timeout=60) == ("", told)
    assert process.returncode == code
    wait_for(lambda: not any(runs(pid) for pid in children))
    assert list(cache.iterdir()) == [] and [path.name for path in (cache.parent / "bin").iterdir()] == ["g++"]


def test_what_was_killed_takes_its_compiler_with_it(compiling):
    process, children, _ = compiling
    process.kill()
    process.wait(60)
    wait_for(lambda: not any(runs(pid) for pid in children))


LOST = (
    FOREGROUND
    + """
import gc, signal, sys, time
from crossloom.host import cli, interrupts
from crossloom.host.commands import info
interrupts._SECONDS = 0.5
class Deaf:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
def destroyed(args):
    Deaf()
    time.sleep(30)
def caught(args):
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        time.sleep(30)
info.run = globals()[sys.argv.pop()]
sys.exit(cli.main(["info", "digits-cnn"]))
"""
)


@pytest.mark.parametrize("how", ["destroyed", "caught"])
def test_a_signal_that_is_lost_on_its_way_ends_the_command_all_the_same(how):
    start = time.monotonic()
    found = subprocess.run([sys.executable, "-c", LOST, how], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (143, "", "crossloom: ended by SIGTERM\n")
    assert time.monotonic() - start < 25


IGNORED = (
    FOREGROUND
    + """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from crossloom.host.cli import main
code = main(["info", "digits-cnn"])
signal.raise_signal(signal.SIGHUP)
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
sys.exit(code)
"""
)


def test_a_signal_that_is_ignored_stays_so_and_others_are_given_back():
    assert subprocess.run([sys.executable, "-c", IGNORED], stdout=subprocess.DEVNULL, check=False).returncode == 0
