"""`crossloom cache` lists what was compiled and removes it on request."""

import json
import os
import time

import pytest

from crossloom.host.cli import main
from crossloom.sim.cache import cached, content_key


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """A cache of two libraries, the newer one of a design whose name paints over a terminal."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("crossloom.sim.cache.complaint", lambda path, needs: "")

    def build(folder):
        (folder / "x.so").write_bytes(bytes(1 << 20))
        return folder / "x.so"

    old = cached(content_key("old"), build, kind="hls-native", design="digits-cnn")
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    cached(content_key("new"), build, kind="rtl", design="evil\x1b[2J\nname")
    return tmp_path / "crossloom"


def test_entries_are_listed_with_kind_design_age_and_size_the_last_used_first(filled, capsys):
    assert main(["cache"]) == 0
    head, _, newer, older = capsys.readouterr().out.splitlines()
    assert head == f"{filled}: 2 entries, 2.0 MiB"
    assert newer.split()[:2] == ["rtl", r"evil\x1b[2J\nname"] and newer.isprintable()
    assert older.split() == ["hls-native", "digits-cnn", "3", "days", "ago", "1.00", "MiB"]
    assert main(["cache", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data.keys() == {"folder", "cleared", "entries", "bytes"} and data["bytes"] == 2 << 20
    assert [entry["kind"] for entry in data["entries"]] == ["rtl", "hls-native"]
    assert data["entries"][1].keys() == {"name", "kind", "design", "seconds", "bytes"}


def test_clear_removes_them_and_says_how_much(filled, capsys):
    (filled / "notes.txt").write_text("not ours")
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"{filled}: 2 entries, 2.0 MiB removed\n"
    assert [path.name for path in filled.iterdir()] == ["notes.txt"]
    assert main(["cache", "--clear", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["entries"], data["bytes"], data["left"]) == ([], 0, [])
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{filled}: 0 entries, 0.0 MiB\n"
