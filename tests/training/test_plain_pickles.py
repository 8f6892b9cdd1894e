"""The reader of pickles makes plain values and nothing else, whatever a file says."""

from __future__ import annotations

import os
import pickle
import resource
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar_files import pickled, pixels

from crossloom.sim.errors import ConfigError
from crossloom.training.data import plain_pickles
from crossloom.training.data.plain_pickles import read_plain_pickle


def read(folder: Path, data: bytes) -> dict[str, Any]:
    (folder / "x").write_bytes(data)
    return read_plain_pickle(folder / "x")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_python_pickles_is_read_as_it_was(tmp_path: Path, protocol: int) -> None:
    for order in ("C", "F"):
        array = np.array(pixels(3, 4), order=order)
        held = {
            "data": array,
            "labels": [1, 300, 70000, -2, 1 << 40],
            "name": "é" * 300,
            "more": {"t": (1, (), None, True)},
        }
        found = read(tmp_path, pickle.dumps(held, protocol))
        assert (found.pop("data") == held.pop("data")).all() and found == held


def test_strings_of_python_2_are_texts(tmp_path: Path) -> None:
    found = read(tmp_path, pickled({"data": pixels(1, 2), "labels": [3, 4], "long": "x" * 400}))
    assert (found["data"] == pixels(1, 2)).all() and found["labels"] == [3, 4] and found["long"] == "x" * 400


class Runs:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


def test_a_pickle_that_wants_to_run_code_runs_none(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for protocol in (2, 4):
        for call, arguments in (
            (os.system, (f"touch {mark}",)),
            (exec, (f"open({str(mark)!r}, 'w')",)),
            (eval, ("1 + 1",)),
        ):
            with pytest.raises(
                ConfigError, match=r"it names \w+\.\w+, which is not called here\); needed the original"
            ):
                read(tmp_path, pickle.dumps({"data": Runs(call, *arguments)}, protocol))
    assert not mark.exists()


HEAD = b"\x80\x02}U\x01a"
HOSTILE = {
    "another class": (HEAD + b"ccollections\nOrderedDict\n)Rs.", "it names collections.OrderedDict"),
    "a name in two parts": (b"\x80\x04}\x8c\x01a\x8c\x05numpy\x8c\x10core.os.system.x\x93s.", "it names numpy.core.os"),
    "a name that is a number": (b"\x80\x04}\x8c\x01aK\x01K\x02\x93s.", "it names 1.2"),
    "an array of objects": (HEAD + b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87Rs.", "a call that makes no array of bytes"),
    "an array made of a list": (HEAD + b"cnumpy\nndarray\n(]K\x01tRs.", "a call that makes no array"),
    "a call of a text": (HEAD + b"U\x02os)Rs.", "a call that makes no array"),
    "another codec": (HEAD + b"c_codecs\nencode\nU\x01xU\x05rot13\x86Rs.", "a call that makes no array"),
    "a new object": (HEAD + b"cnumpy\nndarray\n)\x81s.", "operation NEWOBJ"),
    "an instance": (b"\x80\x02(ios\nsystem\n.", "operation INST"),
    "a persistent name": (HEAD + b"Px\ns.", "operation PERSID"),
    "an extension": (HEAD + b"\x82\x01s.", "operation EXT1"),
    "a state for a list": (HEAD + b"]}bs.", "an array of something other than bytes"),
    "a key that takes for ever": (b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.", "operation DUP"),
    "a key of tuples": (b"\x80\x02})q\x00h\x00\x86" + b"q\x00h\x00\x86" * 60 + b"K\x01s.", "a key that is tuple"),
    "a huge text": (HEAD + b"T" + struct.pack("<i", 2**31 - 1) + b"s.", "expected 2147483647 bytes"),
    "huge bytes": (b"\x80\x04}\x8c\x01a\x8e" + struct.pack("<Q", 1 << 50) + b"s.", "expected 1125899906842624 bytes"),
    "a huge number": (HEAD + b"\x8b" + struct.pack("<i", 2**31 - 1) + b"s.", "not enough data|operation LONG4"),
    "a huge frame": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"}", "exhausted"),
    "a far memory": (b"\x80\x02r\xff\xff\xff\xff.", "nothing where a value is needed"),
    "a memory of nothing": (b"\x80\x02h\x07.", "value 7 is not there"),
    "bytes of protocol 5": (b"\x80\x05}\x8c\x01a\x96" + struct.pack("<Q", 1 << 40) + b"s.", "protocol 5"),
    "bytes that can change": (b"\x80\x04}\x8c\x01a\x96" + struct.pack("<Q", 4) + b"abcds.", "operation BYTEARRAY8"),
    "a buffer": (b"\x80\x04}\x8c\x01a\x97s.", "operation NEXT_BUFFER"),
    "another protocol": (b"\x80\x09}.", "protocol 9"),
    "no protocol": (b"}.", "no pickle of protocol 2 to 4"),
    "no dict": (b"\x80\x02].", "no dict"),
    "more than a dict": (b"\x80\x02]}.", "no dict"),
    "no end": (b"\x80\x02}", "exhausted"),
    "an empty file": (b"", "no pickle"),
    "no operation": (b"\x80\x02\xff.", "opcode"),
    "a key alone": (b"\x80\x02}(U\x01au.", "a key without a value"),
    "items without a beginning": (b"\x80\x02]K\x01e.", "no beginning"),
    "items for a text": (b"\x80\x02U\x01a(K\x01e.", "no list to add to"),
    "a mark as a value": (b"\x80\x02}(0.", "operation POP"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_one_line_at_once(tmp_path: Path, name: str) -> None:
    data, words = HOSTILE[name]
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError, match=words) as caught:
        read(tmp_path, data)
    assert "\n" not in str(caught.value) and "needed the original file" in str(caught.value)
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


def array_of(shape: bytes, data: bytes) -> bytes:
    whole = pickled({"data": np.frombuffer(data, np.uint8).reshape(1, -1)})
    found = b"J\x01\x00\x00\x00J" + struct.pack("<i", len(data)) + b"\x86"
    assert found in whole
    return whole.replace(found, shape)


@pytest.mark.parametrize(
    "shape", [b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"J\xff\xff\xff\xffJ\xfc\xff\xff\xff\x86", b")", b"U\x01a\x85"]
)
def test_an_array_of_another_size_than_its_bytes_is_refused(tmp_path: Path, shape: bytes) -> None:
    with pytest.raises(ConfigError, match=r"holds 4|an array of no shape"):
        read(tmp_path, array_of(shape, b"abcd"))


def test_deep_lists_are_plain_values(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + b"]" * 100_000 + b"a" * 99_999 + b"s.")["a"]
    for _ in range(99_999):
        assert len(found) == 1
        found = found[0]
    assert found == []


def test_too_many_operations_or_texts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="more than 2,000,000 operations"):
        read(tmp_path, HEAD + b"(" + b"N" * 2_000_000 + b"ls.")
    monkeypatch.setattr(plain_pickles, "MAX_TEXTS", 100)
    many = {"x": [bytes(range(40))] * 3}  # as Python 3 writes bytes in protocol 2: one call each
    repeated = pickle.dumps({"x": [bytes(range(k, k + 40)) for k in range(3)]}, 2)
    with pytest.raises(ConfigError, match="texts of more than"):
        read(tmp_path, repeated)
    assert read(tmp_path, pickle.dumps(many, 2)) == many


@pytest.mark.parametrize("kind", ["none", "folder", "link"])
def test_what_is_no_file_is_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    if kind == "link":
        path.symlink_to(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"no such file|a folder|a link to data that is not there"):
        read_plain_pickle(path)


def test_any_damage_is_one_line_or_plain_values(tmp_path: Path) -> None:
    whole = pickled({"data": pixels(0, 1)[:, :6], "labels": [1, 2, 300], "name": "x"})
    rng = np.random.default_rng(0)
    refused = 0
    for cut in range(len(whole)):
        with pytest.raises(ConfigError):
            read(tmp_path, whole[:cut])
    for _ in range(300):
        data = bytearray(whole)
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            found = read(tmp_path, bytes(data))
        except ConfigError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert all(
                isinstance(v, np.ndarray | list | str | int | dict | tuple | bytes | None) for v in found.values()
            )
    assert refused > 100
