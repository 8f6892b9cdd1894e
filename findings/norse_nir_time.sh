#!/usr/bin/env bash
# Expected: a neuron that norse writes as NIR and reads back leaks as it did.
# Seen: LIFBoxCell moves by dt * tau_mem_inv of the way a step. The export writes tau = dt / tau_mem_inv, a time squared;
#   the import takes tau_mem_inv = 1 / tau. So the neuron comes back 1/dt = 1,000 times as fast and its membrane explodes.
#   Nothing is said either way.
# Versions: norse 1.1.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==1.26.4 nir==1.0.8 torch==2.13.0
# Without what norse asks for besides: torchvision, which only its data sets need.
"$work/venv/bin/pip" install --quiet --no-deps nirtorch==2.6 norse==1.1.0
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import nir
import norse.torch as norse
import torch
from norse.torch.utils.export_nir import to_nir
from norse.torch.utils.import_nir import from_nir

one, zero = torch.ones(1), torch.zeros(1)
p = norse.LIFBoxParameters(tau_mem_inv=250 * one, v_leak=zero, v_th=one, v_reset=zero)
model = norse.SequentialState(torch.nn.Linear(1, 1), norse.LIFBoxCell(p))
nir.write("neuron.nir", to_nir(model, torch.ones(1, 1)))
read = nir.read("neuron.nir", type_check=False)
print(f"seen: dt 0.001, tau_mem_inv 250: the file has tau = {read.nodes['1'].tau.item():.3g}")
(back,) = [m.p.tau_mem_inv.item() for m in from_nir(read).modules() if isinstance(m, norse.LIFBoxCell)]
print(f"seen: read back, tau_mem_inv is {back:,.0f}")
if not 2.4e5 < back < 2.6e5:
    sys.exit("CHANGED: a NIR file gives norse's time constant back")
PY
