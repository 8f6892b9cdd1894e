"""Board files: what is not exactly a board is refused in one line, before any tool sees it."""

import json

import pytest

from crossloom.sim import InputError
from crossloom.sim.board import boards, load_board
from crossloom.sim.board.boards import MAX_BYTES, read_board


def plain():
    board = load_board("pynq-z2")
    return {"format": 1, **{name: getattr(board, name) for name in board.__dataclass_fields__}}


def test_a_board_is_what_its_file_says():
    assert read_board(json.dumps(plain()).encode(), "here") == load_board("pynq-z2")


def test_a_board_of_another_family_can_follow():
    other = {**plain(), "name": "aup-zu3", "part": "xczu3eg-sfvc784-2-e", "ps": "zynq_ultra_ps_e"}
    other["settings"] = {"PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL"}
    assert read_board(json.dumps(other).encode(), "here").ps == "zynq_ultra_ps_e"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "no board of format 1"),
        ({"name": "PYNQ Z2"}, "'PYNQ Z2' is not of the form"),
        ({"name": "../pynq-z2"}, "is not of the form"),
        ({"name": 2}, "is no printable text"),
        ({"part": "xc7z020clg400-1 ]"}, "is not of the form"),
        ({"ps": "[exit]"}, "is not of the form"),
        ({"title": "a\nb"}, "is no printable text"),
        ({"extra": 1}, "Board needs name, title"),
        ({"settings": []}, "settings are no object"),
        ({"settings": {"PCW_A": 1}}, "is no printable text"),
        ({"settings": {"PCW_A": ""}}, "is not of the form"),
        ({"settings": {"PCW_A": "1} [exec rm -r /] {"}}, "is not of the form"),
        ({"settings": {"PCW_A": "$here"}}, "is not of the form"),
        ({"settings": {"PCW_A} {": "1"}}, "is not of the form"),
        ({"settings": {"PCW_A": "x" * 81}}, "is not of the form"),
    ],
)
def test_what_is_no_board_is_refused_in_one_line(change, words):
    with pytest.raises(InputError, match=r"^here: no description of a board \(") as caught:
        read_board(json.dumps({**plain(), **change}).encode(), "here")
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 5000, b"1" * 5000, b"{}"])
def test_other_bytes_are_refused(data):
    with pytest.raises(InputError, match=r"^here: no description of a board "):
        read_board(data, "here")
    with pytest.raises(InputError, match="more than 65,536 bytes"):
        read_board(b" " * (MAX_BYTES + 1), "here")


def test_a_missing_key_is_refused():
    for name in plain():
        with pytest.raises(InputError):
            read_board(json.dumps({k: v for k, v in plain().items() if k != name}).encode(), "here")


def test_a_board_that_is_not_here_names_those_that_are(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"^board 'zybo': unknown; one of pynq-z1, pynq-z2 is needed$"):
        load_board("zybo")
    for name in ("../pynq-z2", "pynq-z2.json", ""):
        with pytest.raises(InputError, match="unknown"):
            load_board(name)
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "other.json").write_text(json.dumps(plain()))
    monkeypatch.setattr(boards, "bitstreams", lambda: tmp_path)
    with pytest.raises(InputError, match="is of board 'pynq-z2'; needed 'other'"):
        load_board("other")
    monkeypatch.setattr(boards, "bitstreams", lambda: None)
    with pytest.raises(InputError, match="one of none is needed"):
        load_board("pynq-z2")
