"""Every script of a block design runs as Tcl, and what it asks of Vivado is one whole design: RTL, HLS, each board."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from tiny_flow import TINY, tiny_artifact, tiny_network
from vivado_tcl import HLS_CORE, block_design, run_tcl, wrapper_ports

from crossloom.hls.emit import FLOWS, emit
from crossloom.hls.registers import hwh_core as hls_core
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.bitstream import bitstream_script
from crossloom.rtl.core.generate import generate, listed_sources
from crossloom.rtl.core.handoff import hwh_core as rtl_core
from crossloom.sim import InputError
from crossloom.sim.board import (
    CORE,
    DMA,
    DMA_PARAMETERS,
    DMA_VLNV,
    MEMORY,
    PS_VLNV,
    board_names,
    clock_reached,
    load_board,
    write_hwh,
)

SCRIPT = "build_bitstream.tcl"
FLOWS_HERE = ("rtl", "native", "hls4ml")


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A core in RTL, generated."""
    folder = tmp_path_factory.mktemp("core") / "core"
    generate(compile_network(tiny_network(), Folding(4, 4, 1, 2)), folder)
    return folder


def project(flow, core, tmp_path, monkeypatch, board, clock):
    """A folder with everything that a script finds there, and the ports of its core."""
    folder = tmp_path / "project"
    if flow == "rtl":
        shutil.copytree(core, folder)
        (folder / SCRIPT).write_text(bitstream_script("net-a", board, clock))
        return folder, wrapper_ports((core / "crossloom_core.v").read_text())
    monkeypatch.setitem(FLOWS, flow, TINY)  # its scripts are those of either flow, its kernels need no hls4ml
    emit(tiny_artifact(name="net-a"), flow, folder, board, clock)
    return folder, HLS_CORE


@pytest.fixture(params=[(f, b, c) for f in FLOWS_HERE for b in ("pynq-z2", "pynq-z1") for c in (100, 150)], ids=str)
def built(request, core, tmp_path, monkeypatch):
    """Flow, board, clock, folder, what was asked of Vivado, and the block design that this makes."""
    flow, name, clock = request.param
    board = load_board(name)
    folder, ports = project(flow, core, tmp_path, monkeypatch, board, clock)
    asked = run_tcl(folder, SCRIPT)
    return flow, board, clock, folder, asked, block_design(asked, ports)


def test_what_is_connected_exists_and_every_clock_reset_stream_and_address_is_connected_once(built):
    flow, board, clock, folder, asked, design = built
    assert design.validated and [command[0] for command in asked][-1] == "exit"
    kind = rtl_core() if flow == "rtl" else hls_core()
    catalog = "xilinx.com:ip:{}:10.1"  # the newest, not the one that sorts last as text
    assert design.vlnvs == {
        "ps7": PS_VLNV,
        "core": kind.vlnv,
        "dma": DMA_VLNV,
        "reset": catalog.format("proc_sys_reset"),
        "control": catalog.format("smartconnect"),
        "memory": catalog.format("smartconnect"),
    }
    assert design.buses[f"core/{kind.stream_in}"] == "dma/M_AXIS_MM2S"
    assert design.buses["dma/S_AXIS_S2MM"] == f"core/{kind.stream_out}"
    assert design.addresses == {
        ("ps7/Data", f"core/{kind.control}/Reg"): (CORE.start, CORE.size),
        ("ps7/Data", "dma/S_AXI_LITE/Reg"): (DMA.start, DMA.size),
        ("dma/Data_MM2S", "ps7/S_AXI_HP0/HP0_DDR_LOWOCM"): (MEMORY.start, MEMORY.size),
        ("dma/Data_S2MM", "ps7/S_AXI_HP0/HP0_DDR_LOWOCM"): (MEMORY.start, MEMORY.size),
    }
    assert design.settings["dma"] == DMA_PARAMETERS
    processor = design.settings["ps7"]
    assert processor.items() >= board.settings.items()
    assert processor["PCW_FCLK0_PERIPHERAL_CLKSRC"] == "IO PLL"
    assert float(processor["PCW_FPGA0_PERIPHERAL_FREQMHZ"]) == pytest.approx(clock_reached(clock), abs=1e-6)
    assert ("create_project", "-force", "crossloom", "vivado", "-part", board.part) in asked
    assert (folder / "net-a.bit").is_file() and (folder / "net-a.hwh").is_file()
    assert ("report_utilization", "-file", "utilization.rpt") in asked
    assert ("report_timing_summary", "-file", "timing.rpt") in asked


def test_resets_come_from_the_one_that_follows_the_clock(built):
    design = built[-1]
    resets = {f"{cell}/{pin}": design.nets[f"{cell}/{pin}"] for cell, p in design.cells.items() for pin in p.resets}
    assert resets.pop("reset/ext_reset_in") == "ps7/FCLK_RESET0_N"
    assert set(resets.values()) == {"reset/peripheral_aresetn"}
    assert len(resets) == 4


def test_the_ip_has_every_source_memory_interface_and_register_of_the_core(core, tmp_path, monkeypatch):
    board = load_board("pynq-z2")
    folder, ports = project("rtl", core, tmp_path, monkeypatch, board, 100)
    asked = run_tcl(folder, SCRIPT)
    end = asked.index(("close_project",))
    packaged = asked[:end]
    sources, memories = (command[2:] for command in packaged if command[0] == "add_files")
    copy = folder / "vivado_package" / "top.sv"
    expected = [str(copy if path.name == "top.sv" else path) for path in listed_sources(folder)]
    assert sources[0].split() == expected
    assert memories[0].split() == sorted(str(path) for path in (folder / "memories").glob("*.mem"))
    assert f'.Init("{folder}/memories/")' in copy.read_text()
    assert copy.read_text().replace(f"{folder}/", "") == (folder / "top.sv").read_text()
    assert re.search(r"\bmodule crossloom_core\b", (folder / "crossloom_core.v").read_text())
    assert ("set_property", "top", "crossloom_core", "current_fileset") in packaged
    package = next(command for command in packaged if command[0] == "ipx::package_project")
    options = dict(zip(package[1:9:2], package[2:9:2], strict=True))
    vendor, library, name, version = rtl_core().vlnv.split(":")
    assert (options["-root_dir"], options["-vendor"], options["-library"]) == (f"{folder}/ip_repo", vendor, library)
    properties = [command[1:3] for command in packaged if command[0] == "set_property"]
    assert ("name", name) in properties and ("version", version) in properties
    clocked = [command[2] for command in packaged if command[:2] == ("ipx::associate_bus_interfaces", "-busif")]
    assert set(clocked) == {*ports.gives, *ports.takes} and len(clocked) == 3
    assert any(command[0] == "ipx::associate_bus_interfaces" and "-reset" in command for command in packaged)
    # One block of addresses is left, under the name that the block design assigns.
    assert [c[1] for c in packaged if c[0] == "ipx::remove_address_block"] == ["reg0"]
    assert [c for c in packaged if c[0] == "ipx::add_address_block"] == [("ipx::add_address_block", "s_axi", "Reg")]
    assert ("range", str(CORE.size)) in properties
    made = registers(packaged)
    assert made == {
        register.name: {
            "address_offset": f"0x{register.offset:x}", "size": "32", "description": register.text,
            "access": {"ro": "read-only", "wo": "write-only"}.get(register.access, "read-write"),
            **{f"{n}.bit_offset": str(low) for n, low, _, _ in register.fields},
            **{f"{n}.bit_width": str(width) for n, _, width, _ in register.fields},
        }
        for register in rtl_core().registers
    }  # fmt: skip


def registers(packaged):
    """Properties of every register, those of its fields as FIELD.property."""
    found = {command[2]: {} for command in packaged if command[0] == "ipx::add_register"}
    for command in packaged:
        where = command[-1].split("/")
        if command[0] == "set_property" and where[:2] == ["s_axi", "Reg"] and len(where) > 2:
            if len(where) == 3:
                found[where[2]][command[1]] = command[2]
            elif command[1].startswith("bit_"):
                found[where[2]][f"{where[3]}.{command[1]}"] = command[2]
    return found


def test_an_interface_that_was_not_inferred_ends_the_script_before_a_block_design(core, tmp_path, monkeypatch):
    folder, _ = project("rtl", core, tmp_path, monkeypatch, load_board("pynq-z2"), 100)
    with pytest.raises(RuntimeError, match="crossloom_core: no interface m_axis was inferred"):
        run_tcl(folder, SCRIPT, inferred=("s_axi", "s_axis"))
    assert not (folder / "vivado").exists()


def test_a_top_that_names_its_memories_otherwise_ends_the_script(core, tmp_path, monkeypatch):
    folder, _ = project("rtl", core, tmp_path, monkeypatch, load_board("pynq-z2"), 100)
    (folder / "top.sv").write_text((folder / "top.sv").read_text().replace("memories/", "data/"))
    with pytest.raises(RuntimeError, match=r"top\.sv: names no folder memories"):
        run_tcl(folder, SCRIPT)


@pytest.mark.parametrize("flow", ["rtl", "native"])
def test_a_run_that_did_not_finish_is_an_error_and_leaves_no_bitstream(core, tmp_path, monkeypatch, flow):
    folder, _ = project(flow, core, tmp_path, monkeypatch, load_board("pynq-z2"), 100)
    with pytest.raises(RuntimeError, match="implementation ended at 63%"):
        run_tcl(folder, SCRIPT, progress="63%")
    assert not (folder / "net-a.bit").exists()


def test_tclsh_and_python_read_a_script_alike(core, tmp_path, monkeypatch):
    pytest.importorskip("tkinter", reason="Python without Tcl")
    program = shutil.which("tclsh") or pytest.skip("no tclsh")
    folder, _ = project("rtl", core, tmp_path, monkeypatch, load_board("pynq-z1"), 100)
    assert run_tcl(folder, SCRIPT, program=program) == run_tcl(folder, SCRIPT)


def test_the_stand_in_knows_no_command_that_vivado_lacks(tmp_path):
    (tmp_path / SCRIPT).write_text("create_bd_sell -type ip x")
    with pytest.raises(RuntimeError, match="invalid command name"):
        run_tcl(tmp_path, SCRIPT)


def test_a_board_with_another_processor_is_refused_in_one_line():
    board = replace(load_board("pynq-z2"), name="aup-zu3", ps="zynq_ultra_ps_e", settings={"PSU__A": "1"})
    with pytest.raises(InputError, match=r"^board aup-zu3: its processor is zynq_ultra_ps_e; only processing_system7 "):
        bitstream_script("net-a", board, 100)


def test_a_board_that_sets_what_the_block_design_decides_is_refused():
    board = load_board("pynq-z2")
    board = replace(board, settings={**board.settings, "PCW_FCLK0_PERIPHERAL_CLKSRC": "DDR PLL"})
    with pytest.raises(InputError, match="sets PCW_FCLK0_PERIPHERAL_CLKSRC; the block design decides that"):
        bitstream_script("net-a", board, 100)


def test_boards_are_the_two_that_have_a_processor_with_memory_and_pins():
    assert board_names() == ["pynq-z1", "pynq-z2"]
    for name in board_names():
        board = load_board(name)
        assert (board.part, board.ps) == ("xc7z020clg400-1", "processing_system7")
        assert "github.com/Xilinx/PYNQ" in board.source and json.dumps(board.settings)
        for kind in ("UART0", "SD0", "ENET0", "USB0", "QSPI"):
            assert board.settings[f"PCW_{kind}_PERIPHERAL_ENABLE"] == "1"
            assert board.settings[f"PCW_{kind}_{kind}_IO"].startswith("MIO ")
        assert board.settings["PCW_UIPARAM_DDR_PARTNO"] and board.settings["PCW_CRYSTAL_PERIPHERAL_FREQMHZ"] == "50"


@pytest.mark.parametrize("kind", [rtl_core, hls_core], ids=["rtl", "hls"])
def test_pynq_reads_the_handoff_of_either_core(kind):
    parser = pytest.importorskip("pynq.pl_server.hwh_parser", reason="pynq is not installed")
    core = kind()
    found = parser._HWHZynq(hwh_data=write_hwh(core, 100).decode())
    entry, dma = found.ip_dict["core"], found.ip_dict["dma"]
    assert (entry["type"], entry["phys_addr"], entry["addr_range"]) == (core.vlnv, CORE.start, CORE.size)
    assert (dma["type"], dma["phys_addr"], dma["addr_range"]) == (DMA_VLNV, DMA.start, DMA.size)
    assert {name: at["address_offset"] for name, at in entry["registers"].items()} == {
        register.name: register.offset for register in core.registers
    }
    assert {k: v for k, v in dma["parameters"].items() if k in DMA_PARAMETERS} == DMA_PARAMETERS
