"""An overlay that is not the one that is needed is refused by name; other banks are rewritten."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from board_cases import is_exact

from crossloom.host.board import virtual_board
from crossloom.host.board.attach import attach
from crossloom.host.board.files import OverlayFiles
from crossloom.host.board.lock import BoardLock
from crossloom.host.board.virtual.bitstream import MAGIC
from crossloom.sim import load, weights_sha256
from crossloom.sim.board.build_record import BuildRecord, Resources, Slack, built_files, write_build
from crossloom.sim.errors import DeviceError


def copied(overlay, folder, **changed):
    """The overlay in another folder, with the bytes of some of its files changed by functions; None leaves one out."""
    for path in (overlay.bit, overlay.hwh, overlay.description):
        change = changed.get(path.suffix.removeprefix("."), lambda data: data)
        if change is not None:
            (folder / path.name).write_bytes(change(path.read_bytes()))
    return OverlayFiles(folder / overlay.bit.name)


def content(change):
    """Changes parameters and memories of a virtual bitstream."""

    def changed(data):
        plain = json.loads(data[len(MAGIC) :])
        change(plain["parameters"], plain["memories"])
        return MAGIC + json.dumps(plain).encode()

    return changed


def told(value=None, **fields):
    """Changes fields of a description, or one number of its frame."""

    def changed(data):
        plain = json.loads(data)
        other = fields if value is None else {"frame": plain["frame"] | {fields["frame"]: value}}
        return json.dumps(plain | other).encode()

    return changed


def test_frames_beyond_the_length_register_are_refused(opened, overlay, tmp_path, cases):
    narrow = copied(overlay, tmp_path, hwh=lambda data: data.replace(b'"26"', b'"14"'))
    assert narrow.hwh.read_bytes() != overlay.hwh.read_bytes()
    with pytest.raises(DeviceError, match=r"500 frames are 40,000 bytes a transfer; .*register holds 16,383"):
        opened(500, files=narrow)
    is_exact(opened(4, files=narrow), cases)


@pytest.mark.parametrize("frames", [0, -1, 1 << 16])
def test_a_count_of_frames_that_no_packet_has_is_refused(opened, frames):
    with pytest.raises(DeviceError, match="frames a transfer; needed 1 to 65535"):
        opened(frames)


@pytest.mark.parametrize("part", ["bit", "hwh", "json"])
def test_an_overlay_with_a_missing_file_is_refused(opened, overlay, tmp_path, part):
    files = copied(overlay, tmp_path, **{part: None})
    with pytest.raises(
        DeviceError, match=r"no (bitstream|hardware handoff|description); NAME.bit, NAME.hwh and core.json"
    ):
        opened(files=files)


@pytest.mark.parametrize(
    ("part", "change", "match"),
    [
        ("bit", lambda data: b"\x00\x09" + data, "no virtual bitstream"),
        ("bit", lambda data: data[: len(data) // 2], "damaged virtual bitstream"),
        ("bit", lambda data: MAGIC + b'{"parameters": {"Rows": "8"}, "memories": {}}', "damaged virtual bitstream"),
        ("bit", lambda data: MAGIC + b'{"parameters": {}, "memories": {"../x.hex": ""}}', "damaged virtual bitstream"),
        ("bit", lambda data: MAGIC + b"[" * 500_000, "damaged virtual bitstream"),
        ("bit", content(lambda parameters, _: parameters.update({"X y\n": 1})), "damaged virtual bitstream"),
        ("bit", content(lambda _, memories: memories.clear()), "damaged virtual bitstream"),
        ("bit", content(lambda _, memories: memories.pop("identity.mem")), "damaged virtual bitstream"),
        ("bit", content(lambda parameters, _: parameters.update(Unknown=1)), r"makes no core \(.*write it again with"),
        ("bit", content(lambda parameters, _: parameters.update(Rows=0)), r"makes no core \(.*write it again with"),
        ("bit", content(lambda _, memories: memories.update({"weights.mem": "qq"})), r"makes no core \(.*weights.mem"),
        ("bit", content(lambda _, memories: memories.update({"identity.mem": "@ffff 0"})), r"makes no core \("),
        ("hwh", lambda data: b"<EDKSYSTEM>", "no XML"),
        ("hwh", lambda data: b"", "no XML"),
        ("hwh", lambda data: b"<EDKSYSTEM/>", "pynq cannot load it"),
        ("hwh", lambda data: b"<a>" * 200_000, "nested deeper than 64 levels"),
        ("hwh", lambda data: b"<a>" + b" " * (17 << 20) + b"</a>", "over 16,777,216 bytes"),
        ("hwh", lambda data: data.replace(b"<EDK", b'<!DOCTYPE x [<!ENTITY e "e">]><EDK', 1), "a DOCTYPE; no handoff"),
        ("hwh", lambda data: data.replace(b"<EDK", b'<!DOCTYPE x SYSTEM "file:///dev/zero"><EDK', 1), "a DOCTYPE;"),
        (
            "hwh",
            lambda data: data.replace(b"<EDK", b"<!DOCTYPE x><EDK", 1).decode()[39:].encode("utf-16"),
            "a DOCTYPE;",
        ),
        ("hwh", lambda data: data.replace(b'BASEVALUE="0x4', b'BASEVALUE="-0x4'), "pynq finds no .* where it says"),
        ("json", told(registers=dict(name="core", address_bits=8, registers=[], windows=[])), "window 'CYCLES'"),
        ("json", told(fixed="0" * 64), "describes another core"),
        ("json", told(frame="codes", value=63), "describes another core"),
        ("hwh", lambda data: data.replace(b"crossloom:rtl", b"somebody:rtl"), "0 IPs of type crossloom:rtl:"),
        ("hwh", lambda data: data.replace(b"ip:axi_dma:7.1", b"ip:axi_vdma:6.3"), "0 IPs of type xilinx.com:ip:axi"),
        (
            "hwh",
            lambda data: data.replace(b'"c_include_sg" VALUE="0"', b'"c_include_sg" VALUE="1"'),
            "built with scatter-gather",
        ),
        (
            "hwh",
            lambda data: data.replace(b'"c_include_s2mm" VALUE="1"', b'"c_include_s2mm" VALUE="0"'),
            "has not both channels",
        ),
        ("json", lambda data: b"{", "no description of a core"),
        (
            "json",
            lambda data: json.dumps(json.loads(data) | {"structure": "0" * 64}).encode(),
            "describes another core",
        ),
    ],
)  # fmt: skip
def test_an_overlay_that_is_none_of_ours_is_refused(opened, overlay, tmp_path, part, change, match):
    with pytest.raises(DeviceError, match=match) as told:
        opened(files=copied(overlay, tmp_path, **{part: change}))
    assert "\n" not in str(told.value)


def test_an_overlay_without_a_name_is_refused(opened):
    with pytest.raises(DeviceError, match="overlay '': no name of a file"):
        opened(files=OverlayFiles(Path()))


def test_a_core_is_found_whatever_it_is_called(opened, overlay, tmp_path, cases):
    renamed = copied(overlay, tmp_path, hwh=lambda data: re.sub(rb'"/?core"', b'"whatever"', data))
    backend = opened(files=renamed)
    assert "whatever" in backend.overlay.ip_dict
    is_exact(backend, cases)


def test_a_core_of_another_structure_is_refused(opened, overlay):
    cnn = load("bitstreams/digits-cnn/digits-cnn.loom").network
    with pytest.raises(DeviceError, match=r"built for another network's structure \(STRUCTURE \w{12}, needed \w{12}\)"):
        opened(network=cnn)


def perturbed(network, node, tensor="weight"):
    """The network with one weight of a node one step away."""
    from crossloom.sim.network import Network

    def change(entry):
        if entry.name != node:
            return entry
        values = getattr(entry.op, tensor).copy()
        values.flat[0] += 1 if values.flat[0] < 0 else -1
        return replace(entry, op=replace(entry.op, **{tensor: values}))

    route = network.route
    branches = tuple(replace(b, nodes=tuple(map(change, b.nodes))) for b in route.branches)
    nodes = tuple(map(change, network.nodes))
    return Network(
        network.name, network.input, nodes, network.output, network.classes, replace(route, branches=branches)
    )


def test_a_core_of_another_trunk_is_refused(opened, sha):
    trunk = next(n.name for n in sha.network.nodes if hasattr(n.op, "weight") and n.name not in sha.network.head)
    with pytest.raises(DeviceError, match=r"other weights in its trunk, which cannot be rewritten \(FIXED"):
        opened(network=perturbed(sha.network, trunk))


def test_banks_of_other_weights_are_rewritten_and_exact(opened, sha, cases):
    from crossloom.sim import run

    branch = next(n.name for n in sha.network.route.branches[0].nodes if hasattr(n.op, "weight"))
    other = perturbed(sha.network, branch)
    backend = opened(network=other)
    assert backend.rewrite_s > 0
    assert backend._core.identity("WEIGHTS") == weights_sha256(other)
    is_exact(backend, (cases[0], run(other, codes=cases[0])))
    backend.load(sha.network)
    is_exact(backend, cases)


def test_another_overlay_on_the_same_board_is_told(opened, overlay, cases):
    backend = opened()
    is_exact(backend, cases)
    attach(overlay, backend.overlay.device)
    with pytest.raises(DeviceError, match="another overlay was downloaded since"):
        backend.run(cases[0])
    is_exact(opened(), cases)


def test_a_closed_device_is_told(opened, cases):
    backend = opened()
    backend.close()
    backend.close()
    for call in (lambda: backend.run(cases[0]), backend.counters, lambda: next(backend.stream(iter([cases[0]])))):
        with pytest.raises(DeviceError, match="the device is closed"):
            call()


def test_an_address_without_anything_is_an_error_not_the_end_of_the_process():
    from pynq import MMIO

    board = virtual_board()
    with pytest.raises(DeviceError, match="bus error at 0x43c00000, nothing is there"):
        MMIO(0x43C0_0000, 0x1000, device=board).read(0)


def test_a_version_that_the_driver_does_not_know_is_refused(opened, overlay, monkeypatch):
    from crossloom.rtl.registers import core_map

    monkeypatch.setattr(core_map, "VERSION", 0x0001_0002)
    with pytest.raises(DeviceError, match=r"core version 1.1; 1.2 or a later 1.x is needed"):
        opened()
    monkeypatch.setattr(core_map, "VERSION", 0x0002_0000)
    with pytest.raises(DeviceError, match=r"core version 1.1; 2.0 or a later 2.x is needed"):
        opened()
    monkeypatch.setattr(core_map, "IDENTITY", 1)
    with pytest.raises(DeviceError, match="ID reads 0x434c4f31; 0x00000001 is needed"):
        opened()


def test_a_second_process_is_told_who_has_the_board(tmp_path):
    path = tmp_path / "lock"
    lock = BoardLock(path)
    code = f"from pathlib import Path; from crossloom.host.board.lock import BoardLock; BoardLock(Path({str(path)!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"process {os.getpid()} uses the board; one at a time can" in ran.stderr.splitlines()[-1]
    lock.release()
    lock.release()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_two_boards_of_one_process_do_not_disturb_each_other(opened, cases):
    first, second = opened(), opened(1)
    is_exact(first, cases)
    is_exact(second, cases)
    is_exact(first, cases)


def recorded(overlay, folder, flow="rtl"):
    """The overlay in another folder, with the record of its build."""
    files = copied(overlay, folder)
    slack, resources = Slack("estimated", 0.1, 0.1, True), Resources("measured", 1, 1, 1, 1)
    described = {"artifact": "0" * 64, "structure": "0" * 64, "weights": "0" * 64, "core": "", "core_version": "1.1"}
    described |= {"folding": "8x8x2x4", "board": "pynq-z2", "part": "xc7z020clg400-1", "clock_mhz": 100.0}
    name = overlay.bit.stem
    given = {"tools": ("one",), "resources": resources, "timing": slack, "files": built_files(name, folder)}
    write_build(BuildRecord(name=name, flow=flow, **described, **given), folder)
    return files


def test_files_of_one_build_are_taken(opened, overlay, tmp_path, cases):
    is_exact(opened(files=recorded(overlay, tmp_path)), cases)


@pytest.mark.parametrize("suffix", [".bit", ".hwh"])
def test_a_bitstream_whose_handoff_is_of_another_build_is_refused(opened, overlay, tmp_path, suffix):
    files = recorded(overlay, tmp_path)
    with files.bit.with_suffix(suffix).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(DeviceError, match=r"of another build than .* beside it \(build.json\)"):
        opened(files=files)


def test_a_core_of_hls_is_refused(opened, overlay, tmp_path):
    with pytest.raises(DeviceError, match="a core of flow hls-native; the driver needs one of RTL"):
        opened(files=recorded(overlay, tmp_path, "hls-native"))
