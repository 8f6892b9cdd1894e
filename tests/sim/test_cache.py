"""The cache of built libraries: what is in it was checked, what made it names it, nothing is left behind."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossloom.sim import DeviceError
from crossloom.sim.cache import cache_entries, cache_folder, cached, clear_cache, content_key
from crossloom.sim.libraries import complaint

KEY, OTHER = content_key("a library"), content_key("another")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library of one function `here`, and its object."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "x.c").write_text("int here(void) { return 7; }")
    subprocess.run(["g++", "-x", "c", "-fPIC", "-c", "x.c", "-o", "x.o"], cwd=folder, check=True)
    subprocess.run(["g++", "-shared", "x.o", "-o", "x.so"], cwd=folder, check=True)
    return (folder / "x.so").read_bytes(), (folder / "x.o").read_bytes()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "crossloom"


def builder(data, made):
    """What writes `data`, and tells `made` of it."""

    def build(folder):
        made.append(folder)
        (folder / "some.so").write_bytes(data)
        return folder / "some.so"

    return build


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_library_is_built_once_and_nothing_but_it_and_its_description_stays(cache, library):
    made = []
    for _ in range(3):
        path = cached(KEY, builder(library[0], made), kind="some kind", design="some design", needs=["here"])
    assert path == cache / f"{KEY}.so" and path.read_bytes() == library[0] and len(made) == 1
    assert names(cache) == [f"{KEY}.json", f"{KEY}.so"]
    (entry,) = cache_entries()
    assert (entry.path, entry.kind, entry.design, entry.size) == (path, "some kind", "some design", len(library[0]))


def damages():
    """What may become of an entry, by name."""

    def text(path, **changed):
        description = path.with_suffix(".json")
        description.write_text(json.dumps({**json.loads(description.read_text()), **changed}))

    def flipped(path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def replaced(path):
        path.unlink()
        path.mkdir()
        (path / "x").write_text("")

    def dangling(path):
        path.unlink()
        path.symlink_to("nowhere")

    return {
        "flipped": flipped,
        "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
        "empty": lambda path: path.write_bytes(b""),
        "junk": lambda path: path.write_bytes(b"junk"),
        "gone": lambda path: path.unlink(),
        "a folder": replaced,
        "a link to nothing": dangling,
        "description gone": lambda path: path.with_suffix(".json").unlink(),
        "description of another": lambda path: text(path, sha256="0" * 64),
        "description a list": lambda path: path.with_suffix(".json").write_text("[]"),
        "description deep": lambda path: path.with_suffix(".json").write_text("[" * 100_000),
        "description no text": lambda path: path.with_suffix(".json").write_bytes(b"\xff\xfe"),
        "description a folder": lambda path: replaced(path.with_suffix(".json")),
        "lock a folder": lambda path: path.with_suffix(".lock").mkdir(),
        "lock a link": lambda path: path.with_suffix(".lock").symlink_to("/nowhere/at/all"),
        "build a file": lambda path: path.with_name(f"build-{KEY}").write_text(""),
    }


@pytest.mark.parametrize("damage", damages())
def test_an_entry_that_is_not_as_it_was_built_is_built_again(cache, library, damage):
    made = []
    path = cached(KEY, builder(library[0], made))
    damages()[damage](path)
    assert cached(KEY, builder(library[0], made)).read_bytes() == library[0]
    sound = damage in ("lock a folder", "lock a link", "build a file")
    assert len(made) == (1 if sound else 2)
    assert cached(KEY, builder(library[0], made)) == path and len(made) == (1 if sound else 2)
    assert not path.with_suffix(".lock").exists()


def test_an_entry_that_is_described_but_does_not_load_is_built_again(cache, library):
    made = []
    path = cached(KEY, builder(library[0], made), needs=["here"])
    for junk in (b"\x7fELF junk", library[0][: len(library[0]) // 2], library[1]):
        # As by a version that did not look.
        path.write_bytes(junk)
        other = cached(OTHER, builder(library[0], []))
        description = json.loads(other.with_suffix(".json").read_text())
        sha = hashlib.sha256(junk).hexdigest()
        path.with_suffix(".json").write_text(json.dumps({**description, "bytes": len(junk), "sha256": sha}))
        assert cached(KEY, builder(library[0], made), needs=["here"]).read_bytes() == library[0]
    assert len(made) == 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no library, or only part of one"),
        (b"junk", "no library"),
        ("half", "only part of one"),
        ("less a byte", "only part of one"),
        ("an object", "no library"),
        ("wrong name", "it has no there"),
        (None, "No such file"),
    ],
)
def test_what_a_compiler_wrote_badly_is_told_in_one_line_and_does_not_stay(cache, library, data, words):
    whole, linked = library
    data = {"half": whole[: len(whole) // 2], "less a byte": whole[:-1], "an object": linked, "wrong name": whole}.get(
        data, data
    )

    def build(folder):
        if data is not None:
            (folder / "some.so").write_bytes(data)
        return folder / "some.so"

    with pytest.raises(DeviceError, match=rf"^kind design: .* no some\.so .*{words}.*; .* needed; install") as error:
        cached(KEY, build, kind="kind", design="design", needs=["there"])
    assert str(error.value).isprintable() and names(cache) == []


def test_an_object_is_no_library_and_need_not_load(cache, library, tmp_path):
    assert cached(KEY, builder(library[1], []), needs=None).is_file()
    for number, data in enumerate([library[0], library[1][:-1], b""]):
        (tmp_path / str(number)).write_bytes(data)
        assert complaint(tmp_path / str(number), None)


def test_no_prefix_of_a_library_ends_the_process_that_looks_at_it(tmp_path, library):
    for length in [*range(0, 200), *range(200, len(library[0]), 97)]:
        (tmp_path / "part.so").write_bytes(library[0][:length])
        assert complaint(tmp_path / "part.so", [])
    (tmp_path / "whole.so").write_bytes(library[0])
    assert not complaint(tmp_path / "whole.so", ["here"])


def test_a_cache_that_cannot_be_written_is_one_line_with_the_remedy(cache, library):
    def build(folder):
        raise OSError(28, "No space left on device", str(folder / "x"))

    with pytest.raises(DeviceError, match=r"x: No space left on device; room, .* needed; make room, .*XDG_CACHE_HOME"):
        cached(KEY, build)
    assert names(cache) == []
    with pytest.raises(KeyboardInterrupt):
        cached(KEY, lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    assert names(cache) == []


HOLD = """
import sys, time
from crossloom.sim.cache import cached
def build(folder):
    (folder / "part").write_text("x")
    print("building", flush=True)
    time.sleep(60)
cached(sys.argv[1], build)
"""


def building(key):
    process = subprocess.Popen([sys.executable, "-c", HOLD, key], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "building\n"
    return process


def test_what_a_killed_build_left_goes_with_the_next_build_and_what_others_build_stays(cache, library):
    killed, running = building(KEY), building(OTHER)
    killed.kill()
    killed.communicate()
    try:
        for name, age in (("old", 2 * 3600), ("new", 0)):  # as earlier versions named them
            (cache / f"build-{name}").mkdir()
            os.utime(cache / f"build-{name}", (time.time() - age,) * 2)
        (cache / f"{content_key('old')}.lock").write_text("")
        (cache / "mine.txt").write_text("not ours")
        assert (cache / f"build-{KEY}").is_dir() and (cache / f"{KEY}.lock").exists()
        cached(content_key("a third"), builder(library[0], []))
        third = content_key("a third")
        kept = ["build-new", "mine.txt", f"build-{OTHER}", f"{OTHER}.lock", f"{third}.so", f"{third}.json"]
        assert names(cache) == sorted(kept)
        assert [path.name for path in clear_cache()] == [f"build-{OTHER}"]
        assert names(cache) == sorted(["mine.txt", f"build-{OTHER}", f"{OTHER}.lock"])
    finally:
        running.kill()
        running.communicate()
    assert clear_cache() == [] and names(cache) == ["mine.txt"]


WAIT = """
import sys
from pathlib import Path
from crossloom.sim.cache import cached
def build(folder):
    with Path(sys.argv[2]).open("a") as file:
        file.write("built\\n")
    (folder / "x.so").write_bytes(Path(sys.argv[1]).read_bytes())
    return folder / "x.so"
print(cached("0" * 40, build))
"""


def test_processes_that_ask_at_once_wait_for_one_build_and_leave_no_lock(cache, library, tmp_path):
    (tmp_path / "source.so").write_bytes(library[0])
    command = [sys.executable, "-c", WAIT, str(tmp_path / "source.so"), str(tmp_path / "log")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert said == {str(cache / f"{'0' * 40}.so")}
    assert (tmp_path / "log").read_text() == "built\n"
    assert names(cache) == [f"{'0' * 40}.json", f"{'0' * 40}.so"]


def test_a_lock_whose_file_another_has_removed_is_taken_again(cache, library):
    cache_folder()
    lock = cache / f"{KEY}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [sys.executable, "-c", WAIT.replace('"0" * 40', f'"{KEY}"'), "/dev/null", str(cache / "log")]
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        lock.unlink()
        with (cache / f"{KEY}.lock").open("w") as newer:
            fcntl.flock(newer, fcntl.LOCK_EX)
            fcntl.flock(held, fcntl.LOCK_UN)
            time.sleep(0.5)
            assert not (cache / "log").exists()
    waiting.communicate(timeout=60)
    assert (cache / "log").read_text() == "built\n"


def test_clear_removes_what_is_ours_of_any_scheme_and_follows_no_link(cache, library, tmp_path):
    cached(KEY, builder(library[0], []))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("x")
    old = content_key("old")
    for name in (f"{old}.so", f"{old}.sha256", f"{old}.lock"):
        (cache / name).write_text("old")
    (cache / "benches" / old).mkdir(parents=True)
    (cache / "benches" / old / "out").symlink_to(outside)
    (cache / "build-linked").symlink_to(outside)
    (cache / f"{OTHER}.so").symlink_to(outside / "x")
    (cache / "notes").mkdir()
    assert {entry.kind for entry in cache_entries()} == {"library", "no description", "test benches"}
    assert clear_cache() == []
    assert names(cache) == sorted(["build-linked", f"{OTHER}.so", "notes"]) and (outside / "x").read_text() == "x"


def test_only_the_newest_stay(cache, library):
    cached(KEY, builder(library[0], []))
    for number in range(70):
        old = cache / f"{content_key(str(number))}.so"
        old.write_bytes(b"x")
        os.utime(old, (number, number))
    cached(OTHER, builder(library[0], []))
    left = [path.name for path in cache.glob("*.so")]
    assert len(left) == 65 and f"{KEY}.so" in left and f"{content_key('69')}.so" in left
    assert f"{content_key('5')}.so" not in left


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"XDG_CACHE_HOME": "relative", "HOME": "also/relative"},
            "HOME: no absolute path; .*set HOME or XDG_CACHE_HOME",
        ),
        (
            {"XDG_CACHE_HOME": "", "HOME": "/dev/null"},
            r"/dev/null/\.cache/crossloom: cannot be made \(Not a directory\)",
        ),
        ({"XDG_CACHE_HOME": "/dev/null"}, r"/dev/null/crossloom: cannot be made"),
        ({"XDG_CACHE_HOME": "/proc/none"}, r"/proc/none/crossloom: cannot be made"),
        ({"XDG_CACHE_HOME": "/" + "x" * 300}, "cannot be made .File name too long.; .*set XDG_CACHE_HOME"),
    ],
)
def test_a_place_that_cannot_hold_a_cache_is_refused_with_the_remedy(monkeypatch, variables, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match=words):
        cache_folder()


def test_without_a_home_the_one_of_the_user_counts(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "crossloom"
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(DeviceError, match="HOME"):
        cache_folder()
