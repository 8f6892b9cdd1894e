#!/usr/bin/env bash
# Expected: `dut.y.value == -1` is true only if y is signed, or never since a LogicArray has no sign.
# Seen: a LogicArray equals every integer of which it can be the bits, signed and unsigned: eight ones equal both -1 and
#   255. A bench that compares so cannot see a sign lost or gained at the port's full width.
# Versions: cocotb 2.1.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet cocotb==2.1.0
"$work/venv/bin/python" - <<'PY'
import sys

from cocotb.types import LogicArray

ones = LogicArray.from_unsigned(255, 8)
equal = [value for value in range(-1000, 1000) if ones == value]
lowest = [value for value in range(-1000, 1000) if LogicArray.from_signed(-128, 8) == value]
print(f"seen: 8'b11111111 equals {equal}, 8'b10000000 equals {lowest}")
print(f"seen: to_signed() {ones.to_signed()}, to_unsigned() {ones.to_unsigned()}")
if (equal, lowest) != ([-1, 255], [-128, 128]):
    sys.exit("CHANGED: a LogicArray no longer equals two integers")
PY
