"""Projects: complete, compiled and run as a user would, never over what is not ours."""

import re

import pytest
from tiny_flow import TINY, flip, run_testbench, tiny_artifact

from crossloom.hls import HlsError
from crossloom.hls.emit import FLOWS, Flow, emit
from crossloom.hls.registers import REGISTERS
from crossloom.sim import InputError, Network
from crossloom.sim.board import CORE, DMA


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(FLOWS, "tiny", TINY)


def snapshot(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_project_is_whole_and_its_test_bench_passes(tmp_path):
    files = emit(tiny_artifact(), "tiny", tmp_path / "project")
    names = {path.relative_to(tmp_path / "project").as_posix() for path in files}
    assert {
        *("README.md", "run_hls.tcl", "build_bitstream.tcl", "src/core.hpp", "src/weights.hpp", "src/top.cpp"),
        *("src/top.hpp", "src/protocol.hpp", "include/crossloom/wrapper.hpp", "include/crossloom/beats.hpp"),
        *("tb/tb.cpp", "tb/frames.txt", "tb/results.txt", "tb/load.txt"),
    } <= names
    assert not {name for name in names if "csim" in name}
    assert set(snapshot(tmp_path / "project")) == names
    found = run_testbench(tmp_path / "project")
    assert (found.returncode, found.stdout) == (0, "PASS: 12 frames\n"), found.stderr


def test_the_test_bench_fails_when_a_word_is_flipped(tmp_path):
    emit(tiny_artifact(), "tiny", tmp_path)
    assert run_testbench(tmp_path).returncode == 0
    for name, line in [("results.txt", 0), ("results.txt", -1), ("frames.txt", 3)]:
        text = (tmp_path / "tb" / name).read_text()
        flip(tmp_path / "tb" / name, line)
        found = run_testbench(tmp_path, compiled=True)
        assert found.returncode == 1 and "FAIL" in found.stdout
        (tmp_path / "tb" / name).write_text(text)
    (tmp_path / "tb" / "frames.txt").write_text("")
    assert run_testbench(tmp_path, compiled=True).returncode == 1


def test_the_same_network_gives_the_same_project_and_another_replaces_it(tmp_path):
    emit(tiny_artifact(), "tiny", tmp_path / "a")
    emit(tiny_artifact(), "tiny", tmp_path / "b")
    first = snapshot(tmp_path / "a")
    assert first == snapshot(tmp_path / "b")
    emit(tiny_artifact(7, "other"), "tiny", tmp_path / "a")
    assert snapshot(tmp_path / "a").keys() == first.keys()
    assert snapshot(tmp_path / "a")["src/weights.hpp"] != first["src/weights.hpp"]
    emit(tiny_artifact(), "tiny", tmp_path / "a")
    assert snapshot(tmp_path / "a") == first


def test_what_a_project_no_longer_has_goes_and_what_tools_made_stays(tmp_path, monkeypatch):
    def more(network, folder):
        TINY.write(network, folder)
        (folder / "more.hpp").write_text("")

    monkeypatch.setitem(FLOWS, "more", Flow(more, False, False))
    emit(tiny_artifact(), "more", tmp_path)
    (tmp_path / "hls_project").mkdir()
    (tmp_path / "hls_project" / "log").write_text("log")
    emit(tiny_artifact(), "tiny", tmp_path)
    assert not (tmp_path / "src" / "more.hpp").exists()
    assert (tmp_path / "hls_project" / "log").read_text() == "log"


def foreign_file(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")


def changed_file(folder):
    emit(tiny_artifact(), "tiny", folder)
    (folder / "src" / "top.cpp").write_text("mine")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign_file, "has 'thesis.txt' and no list .* by 'crossloom emit hls'"),
        (changed_file, "changed or made by somebody else"),
    ],
)
def test_a_folder_with_foreign_content_is_left_as_it_is(tmp_path, make, words):
    make(tmp_path / "out")
    before = snapshot(tmp_path)
    with pytest.raises(HlsError, match=words) as caught:
        emit(tiny_artifact(3), "tiny", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert snapshot(tmp_path) == before


def test_a_refused_network_leaves_no_folder_behind(tmp_path, monkeypatch):
    def refuse(network: Network, folder):
        (folder / "half").write_text("")
        raise HlsError("refused")

    monkeypatch.setitem(FLOWS, "refusing", Flow(refuse, False, False))
    with pytest.raises(HlsError, match="refused"):
        emit(tiny_artifact(), "refusing", tmp_path / "out")
    with pytest.raises(InputError, match="one of native, hls4ml"):
        emit(tiny_artifact(), "vhdl", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_core_of_other_sizes_is_refused_by_the_compiler(tmp_path, monkeypatch):
    def short(network, folder):
        TINY.write(network, folder)
        text = (folder / "core.hpp").read_text()
        (folder / "core.hpp").write_text(text.replace("kFrameBeats = 2", "kFrameBeats = 3"))

    monkeypatch.setitem(FLOWS, "short", Flow(short, False, False))
    emit(tiny_artifact(), "short", tmp_path)
    assert "sizes other than the network's" in run_testbench(tmp_path).stderr


def test_scripts_and_readme_speak_of_the_same_addresses_and_files(tmp_path):
    emit(tiny_artifact(), "tiny", tmp_path)
    hls, vivado = (tmp_path / "run_hls.tcl").read_text(), (tmp_path / "build_bitstream.tcl").read_text()
    readme = (tmp_path / "README.md").read_text()
    for name in re.findall(r"(?:add_files (?:-tb )?)(\S+\.\w+)", hls):
        assert (tmp_path / name).is_file(), name
    for region in (CORE, DMA):
        assert f"-offset 0x{region.start:08x} -range 0x{region.size:x} " in vivado
        assert f"0x{region.start:08x}" in readme
    for register in REGISTERS:
        assert f"| 0x{register.offset:02x} | {register.name}" in readme
    for text in (hls, vivado):
        assert text.count("{") == text.count("}") and text.count("[") == text.count("]")
    assert "tiny-dense.bit" in vivado and "tiny-dense.hwh" in vivado
