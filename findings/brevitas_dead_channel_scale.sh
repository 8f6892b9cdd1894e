#!/usr/bin/env bash
# Expected: with one power-of-two scale a channel, a channel of zeros gets a scale near that of its neighbours, or 1.
# Seen: it gets 2**-36, from the least value that a scale may have, about 30 bits below the others. Whoever puts bias or
#   accumulator on the channel's scale gets integers of some 30 more bits from a channel that does nothing.
# Versions: brevitas 0.13.4, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet brevitas==0.13.4 torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PY'
import math
import sys

import torch
from brevitas.nn import QuantLinear
from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint

layer = QuantLinear(2, 3, bias=False, weight_quant=Int8WeightPerChannelFixedPoint, weight_bit_width=4)
with torch.no_grad():
    layer.weight.copy_(torch.tensor([[1.0, -0.5], [0.0, 0.0], [0.2, 0.4]]))
exponents = [math.log2(scale) for scale in layer.quant_weight().scale.flatten().tolist()]
print(f"seen: scales of the channels, as powers of two: {exponents}")
if exponents != [-3.0, -36.0, -4.0]:
    sys.exit("CHANGED: a dead channel gets another scale")
PY
