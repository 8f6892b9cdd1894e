#!/usr/bin/env bash
# Expected: a PyTorch pooling option that hls4ml cannot express is refused when the model is converted.
# Seen: divisor_override is dropped, and F.avg_pool2d with count_include_pad=False is converted as if it were True.
#   Conversion, compilation and prediction say nothing; the shapes are right and the values wrong. The module
#   nn.AvgPool2d with the same count_include_pad=False is converted as asked.
# Versions: hls4ml 1.3.0, torch 2.13.0. Needs g++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet hls4ml==1.3.0 torch==2.13.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import hls4ml
import numpy as np
import torch
from torch import nn

warnings.simplefilter("ignore")


class Functional(nn.Module):
    def forward(self, x):
        return nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


MODELS = {
    "divisor": (nn.Sequential(nn.AvgPool2d(2, divisor_override=8)), nn.AvgPool2d(2)),
    "function": (Functional(), nn.AvgPool2d(3, stride=2, padding=1)),
    "module": (nn.Sequential(nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)), None),
}
image = torch.arange(16.0).reshape(1, 1, 4, 4) - 8
changed = False
for name, (model, instead) in MODELS.items():
    common = {"backend": "Vitis", "channels_last_conversion": "full", "transpose_outputs": False}
    config = hls4ml.utils.config_from_pytorch_model(
        model, (1, 4, 4), granularity="name", default_precision="fixed<32,16>", **common
    )
    converted = hls4ml.converters.convert_from_pytorch_model(
        model, hls_config=config, output_dir=name, project_name=name, backend="Vitis", io_type="io_parallel"
    )
    converted.compile()
    found = converted.predict(image.permute(0, 2, 3, 1).contiguous().numpy()).ravel()
    wanted = model(image).numpy().ravel()
    print(f"seen: {name}: torch {wanted.round(3).tolist()}, hls4ml {found.round(3).tolist()}")
    known = wanted if instead is None else instead(image).numpy().ravel()
    changed |= not np.allclose(found, known, atol=1e-3)
    changed |= instead is not None and np.allclose(found, wanted, atol=1e-3)
sys.exit("CHANGED: hls4ml no longer ignores these pooling options as recorded" if changed else 0)
PY
