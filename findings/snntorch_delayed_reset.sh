#!/usr/bin/env bash
# Expected: reset by subtraction takes the threshold off when the neuron fires, and what is left decays from then on.
# Seen: snnTorch's default (reset_delay=True) takes it off one step later, after the decay: the subtracted threshold is
#   not decayed itself. From 1.5 with beta 0.75 the next membrane is 0.75 * 1.5 - 1 = 0.125, not 0.75 * 0.5 = 0.375.
#   The spike counts of a quantized or hardware neuron that resets at once differ from training's.
# Versions: snntorch 1.0.0, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet snntorch==1.0.0 torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import snntorch
import torch

neuron = snntorch.Leaky(beta=0.75, threshold=1.0)
membrane, seen = neuron.init_leaky(), []
for current in (1.5, 0.0, 0.0):
    spike, membrane = neuron(torch.tensor([current]), membrane)
    seen.append((spike.item(), membrane.item()))
print(f"seen: spike and membrane of three steps: {seen}")
print("a reset at once: membrane 0.375 in the second step")
if seen != [(1.0, 1.5), (0.0, 0.125), (0.0, 0.09375)]:
    sys.exit("CHANGED: snnTorch resets otherwise")
PY
