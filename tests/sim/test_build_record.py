"""A bitstream's record: read strictly, and files of different builds are found by it."""

import json

import pytest

from crossloom.sim import DeviceError
from crossloom.sim.board import BuildRecord, read_build
from crossloom.sim.board.build_record import (
    MAX_BYTES,
    RECORD,
    Resources,
    Slack,
    built_files,
    parse_build,
    write_build,
)

FILES = ("net-a.bit", "net-a.hwh", "core.json")


def record(folder):
    return BuildRecord(
        name="net-a",
        flow="rtl",
        artifact="a" * 64,
        structure="b" * 64,
        weights="c" * 64,
        core="crossloom:rtl:crossloom_core:1.0",
        core_version="1.1",
        folding="8x8x2x4+16",
        board="pynq-z2",
        part="xc7z020clg400-1",
        clock_mhz=142.857,
        tools=("Vivado 2024.1",),
        resources=Resources("measured", 14211, 13377, 10.5, 90),
        timing=Slack("estimated", -0.25, 0.02, False),
        files=built_files("net-a", folder),
    )


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).write_text(f"content of {name}")
    write_build(record(tmp_path), tmp_path)
    return tmp_path


def test_a_record_comes_back_as_it_was_written(folder):
    assert read_build(folder) == record(folder)
    assert sorted(record(folder).files) == sorted(FILES)


def test_a_core_without_a_description_has_two_files(folder):
    (folder / "core.json").unlink()
    write_build(record(folder), folder)
    assert sorted(read_build(folder).files) == ["net-a.bit", "net-a.hwh"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_build_is_found(folder, name):
    (folder / name).write_text("another build's")
    with pytest.raises(DeviceError, match=rf"{name}: of another build than .* beside it \(build\.json\); ") as caught:
        read_build(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*FILES, RECORD])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DeviceError, match=f"{name}: No such file or directory; "):
        read_build(folder)


def test_nothing_is_built_without_a_bitstream(folder):
    (folder / "net-a.bit").unlink()
    with pytest.raises(DeviceError, match=r"net-a\.bit: No such file"):
        built_files("net-a", folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "no record of format 1"),
        ({"artifact": "a"}, "'a' is no SHA-256"),
        ({"structure": "B" * 64}, "is no SHA-256"),
        ({"name": "net-b"}, "its files are not net-b.bit, .hwh and core.json"),
        ({"name": 1}, "is no printable text"),
        ({"clock_mhz": "100"}, "'100' is no number"),
        ({"clock_mhz": float("inf")}, "is no number"),
        ({"clock_mhz": float("nan")}, "is no number"),
        ({"clock_mhz": True}, "is no number"),
        ({"tools": "Vivado"}, "is no list"),
        ({"resources": {"lut": 1}}, "Resources needs origin"),
        ({"timing": {"origin": "estimated", "wns_ns": 1, "whs_ns": 1, "met": 1}}, "is neither true nor false"),
        ({"files": {}}, "its files are not net-a.bit"),
        ({"files": {"net-a.bit": "a" * 64}}, "its files are not net-a.bit"),
        ({"files": {"../net-a.bit": "a" * 64, "net-a.hwh": "a" * 64}}, "an object of plain names"),
        ({"files": {"/etc/passwd": "a" * 64}}, "an object of plain names"),
        ({"files": [1]}, "an object of plain names"),
        ({"other": 1}, "BuildRecord needs name"),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(folder, change, words):
    plain = {**json.loads((folder / RECORD).read_text()), **change}
    with pytest.raises(DeviceError, match=r"^here: no record of a build \(") as caught:
        parse_build(json.dumps(plain).encode(), "here")
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 5000, b"null"])
def test_other_bytes_are_refused(data):
    with pytest.raises(DeviceError, match="no record of a build"):
        parse_build(data)
    with pytest.raises(DeviceError, match="more than 65,536 bytes"):
        parse_build(b" " * (MAX_BYTES + 1))
