#!/usr/bin/env bash
# Expected: a neuron's reset survives a round trip through a NIR file, or the export refuses what NIR cannot say.
# Seen: NIR has no field for the kind of reset. snnTorch writes the same file for subtract, zero and none, with or
#   without delay, and reads each of them back as "zero" without delay. Nothing is said either way.
# Versions: snntorch 1.0.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet snntorch==1.0.0 nir==1.0.8 nirtorch==2.6 torch==2.13.0
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import nir
import snntorch
import torch
from snntorch.export_nir import export_to_nir
from snntorch.import_nir import import_from_nir

back, params = set(), set()
for kind in ("subtract", "zero", "none"):
    for delay in (True, False):
        neuron = snntorch.Leaky(
            torch.tensor([0.75]), threshold=torch.tensor([1.0]), reset_mechanism=kind, reset_delay=delay,
            init_hidden=True,
        )
        linear = torch.nn.Linear(1, 1)
        torch.nn.init.ones_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        graph = export_to_nir(torch.nn.Sequential(linear, neuron), torch.ones(1))
        nir.write("neuron.nir", graph)
        read = nir.read("neuron.nir")
        params.add(tuple(f"{key} {getattr(read.nodes['1'], key)}" for key in ("tau", "r", "v_threshold", "v_reset")))
        for module in import_from_nir(read).modules():
            if isinstance(module, snntorch.Leaky):
                print(f"seen: {kind}, reset_delay={delay}: back as {module.reset_mechanism}, {module.reset_delay}")
                back.add((module.reset_mechanism, module.reset_delay))
print(f"seen: {len(params)} different node among 6 files: {params}")
if back != {("zero", False)} or len(params) != 1:
    sys.exit("CHANGED: a NIR file tells resets apart")
PY
