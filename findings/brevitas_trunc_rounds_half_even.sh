#!/usr/bin/env bash
# Expected: TruncAvgPool2d truncates, as its name says: the sum's low bits are cut off, rounding down.
# Seen: by default it rounds to the nearest, ties to even. A shift to the right in hardware gives other codes for 2 of
#   the 4 sums below.
# Versions: brevitas 0.13.4, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet brevitas==0.13.4 torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import torch
from brevitas.nn import TruncAvgPool2d
from brevitas.quant_tensor import IntQuantTensor

sums = [1, 2, 3, 6]
codes = torch.tensor([[min(total, 3), total - min(total, 3), 0, 0] for total in sums], dtype=torch.float32)
images = IntQuantTensor(
    codes.reshape(4, 1, 2, 2), scale=1.0, zero_point=0.0, bit_width=4.0, signed=False, training=False
)
pool = TruncAvgPool2d(2, bit_width=4).eval()
found = pool(images)
found = (found.value / found.scale).flatten().tolist() if hasattr(found, "scale") else found.flatten().tolist()
print(f"seen: sums {sums} over 4: {found}; floor gives {[total // 4 for total in sums]}")
if found != [0.0, 0.0, 1.0, 2.0]:
    sys.exit("CHANGED: TruncAvgPool2d rounds otherwise")
PY
