#!/usr/bin/env bash
# Expected: a neuron that sinabs writes as NIR and reads back spikes as it did.
# Seen: LIF scales its input by 1 - exp(-1/tau) by default (norm_input=True). The file is the same with and without, and
#   is read as without: at tau = 10 the default neuron comes back ten times as excitable. Nothing is said either way.
# Versions: sinabs 3.1.3, nir 1.0.4, nirtorch 1.0, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==1.26.4 nir==1.0.4 torch==2.13.0 pbr==7.1.3 matplotlib==3.11.2
# Without what sinabs asks for besides: samna, which installs itself again over the network when it is imported.
"$work/venv/bin/pip" install --quiet --no-deps nirtorch==1.0 sinabs==3.1.3
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import nir
import sinabs.layers as layers
import torch
from sinabs.nir import from_nir, to_nir

counts = {}
for norm in (True, False):
    neurons = layers.LIFSqueeze(tau_mem=torch.tensor([10.0]), norm_input=norm, spike_threshold=torch.ones(1), batch_size=1)
    model = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), neurons)
    torch.nn.init.ones_(model[0].weight)
    x = torch.ones(20, 2)
    nir.write("neuron.nir", to_nir(model, x))
    read = nir.read("neuron.nir")
    neurons.reset_states()
    with torch.no_grad():
        counts[norm] = model(x).sum().item(), from_nir(read, batch_size=1)(x)[0].sum().item()
    node = read.nodes["1"]
    print(f"seen: norm_input={norm}: tau {node.tau}, r {node.r}; spikes {counts[norm][0]:.0f}, back {counts[norm][1]:.0f}")
if not (counts[True][0] < counts[True][1] == counts[False][1]):
    sys.exit("CHANGED: a NIR file tells how sinabs scales its input")
PY
