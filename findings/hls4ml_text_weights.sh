#!/usr/bin/env bash
# Expected: two hls4ml projects, each with its own project name and namespace, keep their own weights in one program.
# Seen: with write_weights_txt=True (the default) C simulation reads "weights/w2.txt" from the folder in which the
#   program runs, for either project. Both compute with the same weights; which ones depends on that folder; nothing is
#   said. (The libraries of compile() are built with an absolute path each.)
# Versions: hls4ml 1.3.0, torch 2.13.0. Needs g++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet hls4ml==1.3.0 torch==2.13.0
cd "$work"
cat > write.py <<'PY'
import hls4ml
import torch
from torch import nn

for name, weight in (("first", 1.0), ("second", 2.0)):
    model = nn.Sequential(nn.Linear(2, 2))
    nn.init.constant_(model[0].weight, weight)
    nn.init.zeros_(model[0].bias)
    config = hls4ml.utils.config_from_pytorch_model(model, (2,), granularity="name", backend="Vitis")
    project = hls4ml.converters.convert_from_pytorch_model(
        model, hls_config=config, output_dir=name, project_name=name, namespace=f"ns_{name}", backend="Vitis"
    )
    project.write()
PY
"$work/venv/bin/python" write.py > write.log 2>&1 || { cat write.log; exit 1; }
for name in first second; do
  cat > "call_$name.cpp" <<CPP
#include "$name/firmware/$name.h"
double call_$name() {
  ns_$name::input_t x[2] = {1, 1};
  ns_$name::result_t y[2];
  ns_$name::$name(x, y);
  return y[0].to_double();
}
CPP
done
cat > main.cpp <<'CPP'
#include <cstdio>
double call_first();
double call_second();
int main() {
  const double first = call_first(), second = call_second();
  std::printf("first %g second %g\n", first, second);
}
CPP
g++ -w -O1 -std=c++17 -Ifirst/firmware/ap_types main.cpp call_*.cpp \
  first/firmware/first.cpp second/firmware/second.cpp -o both
in_first=$(cd first/firmware && ../../both 2>&1 | tail -1)
in_second=$(cd second/firmware && ../../both 2>&1 | tail -1)
echo "wanted in either folder: first 2 second 4"
echo "seen: run in first/firmware:  $in_first"
echo "seen: run in second/firmware: $in_second"
if [ "$in_first" != "first 2 second 2" ] || [ "$in_second" != "first 4 second 4" ]; then
  echo "CHANGED: two projects no longer share one set of text weights"
  exit 1
fi
