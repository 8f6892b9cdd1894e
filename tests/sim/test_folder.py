"""Generated folders are written whole, again over themselves, and never over what is not ours."""

import errno
import hashlib
import itertools
import json
import shutil
from pathlib import Path

import pytest

from crossloom.sim import CrossloomError
from crossloom.sim.folder import MARKER, write_folder

COMMAND = "crossloom emit nothing"
FILES = {"top.v": b"module top;", "src/deep/core.v": b"module core;", "src/a.v": b"", "data/bytes": bytes(range(256))}


class FolderError(CrossloomError):
    pass


def write(folder, files=FILES, command=COMMAND):
    return write_folder(folder, files, command, FolderError)


def snapshot(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_are_written_and_listed_by_their_sha256(tmp_path):
    made = tmp_path / "new" / "made"
    assert write(made) == [made / name for name in sorted([*FILES, MARKER])]
    found = snapshot(made)
    entries = json.loads(found.pop(MARKER))
    assert found == FILES
    assert entries == {
        "written by": COMMAND,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()},
    }


def test_the_same_files_give_the_same_bytes_and_others_replace_them(tmp_path):
    write(tmp_path)
    first = snapshot(tmp_path)
    write(tmp_path)
    assert snapshot(tmp_path) == first
    others = {"src/deep/core.v": b"module other;", "more.v": b""}
    write(tmp_path, others)
    assert snapshot(tmp_path).keys() == {*others, MARKER}
    write(tmp_path)
    assert snapshot(tmp_path) == first


def test_what_was_removed_is_written_again(tmp_path):
    write(tmp_path)
    first = snapshot(tmp_path)
    (tmp_path / "top.v").unlink()
    shutil.rmtree(tmp_path / "src")
    write(tmp_path)
    assert snapshot(tmp_path) == first


def test_what_tools_made_there_stays(tmp_path):
    write(tmp_path)
    made = {"vivado.log": b"log", "src/a.v.orig": b"mine", "project/x.xpr": b""}
    for name, data in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    write(tmp_path, {"only.v": b""})
    assert snapshot(tmp_path).items() >= made.items() and not (tmp_path / "top.v").exists()


def foreign_file(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")


def foreign_folder(folder):
    (folder / "thesis").mkdir(parents=True)


def another_commands(folder):
    write(folder, command="crossloom emit something")


def changed_file(folder):
    write(folder)
    (folder / "src" / "a.v").write_text("mine")


def changed_file_that_would_go(folder):
    write(folder, FILES | {"more.v": b""})
    (folder / "more.v").write_text("mine")


def listed(folder, change):
    write(folder)
    entries = json.loads((folder / MARKER).read_text())
    change(entries["files"])
    (folder / MARKER).write_text(json.dumps(entries))


def own_file_in_the_way(folder):
    listed(folder, lambda files: files.pop("top.v"))


def list_that_leads_out(folder):
    listed(folder, lambda files: files.update({"../victim": hashlib.sha256(b"mine").hexdigest()}))


def list_that_leads_anywhere(folder):
    victim = folder.parent / "victim"
    listed(folder, lambda files: files.update({str(victim): hashlib.sha256(b"mine").hexdigest()}))


def list_of_no_path(folder):
    listed(folder, lambda files: files.update({"a\0b": ""}))


def list_of_no_text(folder):
    listed(folder, lambda files: files.update({"\ud800x": ""}))


def broken_list(folder):
    write(folder)
    (folder / MARKER).write_text("[]")


def endless_list(folder):
    write(folder)
    (folder / MARKER).write_text("[" * 200_000)


def link_in_the_way(folder):
    write(folder)
    shutil.move(folder / "src", folder.parent / "elsewhere")
    (folder / "src").symlink_to(folder.parent / "elsewhere")


def linked_file(folder):
    write(folder)
    shutil.move(folder / "top.v", folder.parent / "elsewhere.v")
    (folder / "top.v").symlink_to(folder.parent / "elsewhere.v")


def linked_list(folder):
    write(folder)
    shutil.move(folder / MARKER, folder.parent / "list")
    (folder / MARKER).symlink_to(folder.parent / "list")


def file_instead_of_a_folder(folder):
    write(folder)
    shutil.rmtree(folder / "data")
    (folder / "data").write_text("mine")


def folder_instead_of_a_file(folder):
    write(folder)
    (folder / "top.v").unlink()
    (folder / "top.v").mkdir()


def plain_file(folder):
    folder.write_text("mine")


def dangling_link(folder):
    folder.symlink_to(folder.parent / "nowhere")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign_file, "out: has 'thesis.txt' and no list .crossloom.json by 'crossloom emit nothing'"),
        (foreign_folder, "no list .* by 'crossloom emit nothing'"),
        (another_commands, "has a list .crossloom.json, but not one by 'crossloom emit nothing'"),
        (broken_list, "has a list .crossloom.json, but not one by 'crossloom emit nothing'"),
        (endless_list, "but not one by"),
        (list_of_no_text, r"lists '\\ud800x'; plain paths"),
        (changed_file, "a.v: was changed or made by somebody else"),
        (changed_file_that_would_go, "more.v: was changed or made by somebody else"),
        (own_file_in_the_way, "top.v: was changed or made by somebody else"),
        (folder_instead_of_a_file, "top.v: was changed or made by somebody else"),
        (list_that_leads_out, "lists '../victim'; plain paths inside are needed"),
        (list_that_leads_anywhere, "paths inside are needed"),
        (list_of_no_path, "paths inside are needed"),
        (link_in_the_way, "src: a link"),
        (linked_file, "top.v: a link"),
        (linked_list, "crossloom.json: a link"),
        (file_instead_of_a_folder, "data: not a folder"),
        (plain_file, "out: not a folder"),
        (dangling_link, "out: not a folder"),
    ],
)
def test_what_is_not_ours_is_left_as_it_is(tmp_path, make, words):
    (tmp_path / "victim").write_text("mine")
    make(tmp_path / "out")
    before = snapshot(tmp_path)
    with pytest.raises(FolderError, match=words) as caught:
        write(tmp_path / "out", {name: b"other" for name in FILES})
    assert "\n" not in str(caught.value) and "name another" in str(caught.value)
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("earlier", [None, {name: b"earlier" for name in [*FILES, "gone.v"]}])
@pytest.mark.parametrize("fails", range(1, 12))
def test_a_run_that_stopped_half_way_can_be_repeated(tmp_path, monkeypatch, earlier, fails):
    if earlier:
        write(tmp_path, earlier)
    whole, count = Path.write_bytes, itertools.count(1)

    def full(path, data):
        if next(count) == fails:
            whole(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        if fails <= len(FILES) + 2:  # and the list, before and after
            with pytest.raises(FolderError, match="No space left"):
                write(tmp_path)
        else:
            write(tmp_path)
    found = snapshot(tmp_path)
    assert all(found[name] in (FILES.get(name), (earlier or {}).get(name)) for name in found.keys() - {MARKER})
    write(tmp_path)
    found = snapshot(tmp_path)
    del found[MARKER]
    assert found == FILES


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderError, match=r"cannot be written \(Not a directory\); name another folder"):
        write(tmp_path / "file" / "out")
