"""The Verilated model: built once, found again, private, and never silent about what went wrong."""

import gc
import logging
import stat

import numpy as np
import pytest

from crossloom.rtl import RtlError, build_model
from crossloom.rtl.tile.campaign import build_tile
from crossloom.rtl.verilator.build import build_library
from crossloom.rtl.verilator.model import Model
from crossloom.rtl.verilator.movers import Mover
from crossloom.sim import DeviceError
from crossloom.sim.cache import cache_folder, content_key

SMALL = {"Rows": 64, "Cols": 32, "Lanes": 8}  # as in test_tile.py
COUNTER = """
module counter #(parameter int unsigned Step = 1) (
  input logic aclk, input logic aresetn, input logic [69:0] wide_i, output logic [69:0] wide_o,
  output logic [15:0] count_o, output logic [31:0] junk_o
);
  logic [31:0] unknown;
  assign junk_o = unknown;
  always_ff @(posedge aclk) begin
    wide_o <= ~wide_i;
    if (!aresetn) count_o <= '0; else count_o <= count_o + 16'(Step);
    if (!aresetn && count_o == 16'hffff) unknown <= '0;
  end
  below: assert property (@(posedge aclk) disable iff (!aresetn) count_o < 16'd200)
    else $error("counter: 200 is reached");
endmodule
"""


@pytest.fixture
def counter(tmp_path):
    """A source whose library all tests share, from the cache that is everybody's."""
    path = tmp_path / "counter.sv"
    path.write_text(COUNTER)
    return path


def test_a_model_is_built_once_kept_private_and_rebuilt_when_damaged(counter, caplog, capfd):
    # A library that no other test uses.
    library = build_library("counter", {"Step": 5}, sources=[counter], optimize=0)
    assert stat.S_IMODE(library.parent.stat().st_mode) == 0o700
    first = library.stat().st_ino
    assert build_library("counter", {"Step": 5}, sources=[counter], optimize=0).stat().st_ino == first
    damaged = bytearray(library.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    copy = library.with_name("copy")
    copy.write_bytes(damaged)
    copy.replace(library)
    with caplog.at_level(logging.INFO):
        assert build_library("counter", {"Step": 5}, sources=[counter], optimize=0) == library
    assert "building" in caplog.text and library.read_bytes() != damaged


def test_a_model_counts_keeps_its_width_and_says_what_failed(counter, capfd):
    with build_model("counter", {"Step": 3}, sources=[counter], optimize=0, seed=1) as model:
        wide = 0x2A_5A5A5A5A_12345678_9 & (1 << 70) - 1
        model.set("wide_i", wide)
        start = model.get("count_o")
        model.run(10)
        assert model.get("count_o") == start + 30
        assert model.get("wide_o") == wide ^ (1 << 70) - 1
        with pytest.raises(RtlError, match=r"no port 'nothing'; one of .*count_o"):
            model.get("nothing")
        capfd.readouterr()
        with pytest.raises(RtlError, match="an assertion failed"):
            model.run(100)
        said = capfd.readouterr()
        assert said.out == "" and "Assertion failed" in said.err  # answers go to stdout
    junk = set()
    for seed in (1, 2, 2):
        with build_model("counter", {"Step": 3}, sources=[counter], optimize=0, seed=seed) as model:
            junk.add(model.get("junk_o"))
    assert len(junk) == 2  # what is unknown follows the seed


def test_a_closed_model_refuses_every_use_in_one_line(counter):
    model = build_model("counter", {"Step": 3}, sources=[counter], optimize=0)
    number = model.record("count_o", "count_o")
    model.close()
    model.close()
    none = np.zeros((0, 1), np.uint32), np.zeros(0, bool)
    uses = {
        "cycle": lambda: model.cycle,
        "set": lambda: model.set("wide_i", 1),
        "get": lambda: model.get("count_o"),
        "record": lambda: model.record("count_o", "wide_o"),
        "recorded": lambda: model.recorded(number),
        "forget": model.forget,
        "run": lambda: model.run(1),
        "reset": model.reset,
        "write": lambda: model.write(0, 0),
        "read": lambda: model.read(0),
        "read_one": lambda: model.read_one(0),
        "write_one": lambda: model.write_one(0, 0),
        "attach": lambda: model.attach("", "", Mover),
        "move": lambda: model.move(0, 1),
        "stream": lambda: model.stream(*none, 0),
        "with": model.__enter__,
    }
    public = {name for name in dir(type(model)) if not name.startswith("_")} - {"close", "is_open"}
    assert public == set(uses) - {"with"}
    for use in uses.values():
        with pytest.raises(RtlError, match=r"^counter: the model is closed; make a new one$"):
            use()
    model.close()


def test_a_record_that_is_not_there_is_refused(counter):
    with build_model("counter", {"Step": 3}, sources=[counter], optimize=0) as model:
        with pytest.raises(RtlError, match="no record -1"):
            model.recorded(-1)
        number = model.record("count_o", "count_o")
        with pytest.raises(RtlError, match=f"no record {number + 1}"):
            model.recorded(number + 1)


def test_a_source_with_an_error_is_refused_in_one_line(counter, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    counter.write_text(COUNTER.replace("assign junk_o = unknown;", "assign junk_o = ;"))
    with pytest.raises(RtlError, match=r"model of counter: verilator failed .*counter\.sv") as error:
        build_library("counter", sources=[counter])
    assert "\n" not in str(error.value)
    assert not list(cache_folder().glob("*.so"))


def test_a_model_that_nobody_closed_is_freed(counter, monkeypatch):
    freed, close = [], Model.close
    monkeypatch.setattr(Model, "close", lambda model: (freed.append(model.top), close(model)))
    model = build_model("counter", {"Step": 3}, sources=[counter], optimize=0)
    del model
    gc.collect()
    assert freed == ["counter"]


def test_a_cache_that_others_can_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "crossloom").mkdir()
    (tmp_path / "crossloom").chmod(0o777)
    with pytest.raises(DeviceError, match="only you can write"):
        cache_folder()


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DeviceError, match=r"file/crossloom: cannot be made \(Not a directory\); .*set XDG_CACHE_HOME$"):
        cache_folder()


def test_keys_tell_lists_apart():
    assert len({content_key(*parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["ab", "c", ""])}) == 4


def test_beats_of_another_width_are_refused():
    with build_tile(SMALL) as model, pytest.raises(RtlError, match="1 words and one last each"):
        model.stream(np.zeros((3, 2), dtype=np.uint32), np.zeros(3, dtype=bool), 0)
