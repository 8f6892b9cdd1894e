#!/usr/bin/env bash
# Expected: a QONNX file that Brevitas writes holds the weights' integers of the model, whatever their quantizer does.
# Seen: the file holds the float weights and a Quant node whose rounding_mode is ROUND even for a quantizer that rounds
#   down. Whoever executes the file, qonnx itself included, computes with other integers; no warning is given.
# Versions: brevitas 0.13.4, qonnx 1.0.0, onnx 1.23.2, torch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet brevitas==0.13.4 qonnx==1.0.0 onnx==1.23.2 onnxscript==0.7.2 \
  onnxoptimizer==0.4.2 onnxruntime==1.32.0 setuptools==80.10.2 torch==2.13.0
cd "$work"
cat > export.py <<'PY'
import sys

import torch
from brevitas.export import export_qonnx
from brevitas.nn import QuantLinear
from brevitas.quant.fixed_point import Int8WeightPerTensorFixedPoint
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx


class Floor(Int8WeightPerTensorFixedPoint):
    float_to_int_impl_type = "FLOOR"


layer = QuantLinear(3, 2, bias=False, weight_quant=Floor, weight_bit_width=4)
with torch.no_grad():
    layer.weight.copy_(torch.tensor([[0.9, -0.53, 0.22], [0.3, 0.6, -0.9]]))
model = torch.nn.Sequential(layer).eval()
inputs = torch.eye(3)
export_qonnx(model, inputs, "model.onnx")
file = ModelWrapper("model.onnx")
(answer,) = execute_onnx(file, {file.graph.input[0].name: inputs.numpy()}).values()
(quant,) = [node for node in file.graph.node if node.op_type == "Quant"]
(mode,) = [attribute.s.decode() for attribute in quant.attribute if attribute.name == "rounding_mode"]
scale = float(layer.quant_weight().scale)
ours = layer.quant_weight().int().tolist()
theirs = (answer.T / scale).round().astype(int).tolist()
print(f"seen: quantizer FLOOR, file {mode}; integers in torch {ours}, in the file {theirs}")
sys.exit("CHANGED: the file keeps the rounding" if mode != "ROUND" or ours == theirs else 0)
PY
"$work/venv/bin/python" -W ignore export.py > log 2>&1 || { tail -5 log; exit 1; }
grep "seen:" log
