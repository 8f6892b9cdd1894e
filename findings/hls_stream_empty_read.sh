#!/usr/bin/env bash
# Expected: C simulation stops where a kernel reads an hls::stream that is empty, for hardware would wait for ever.
# Seen: the model of hls::stream that hls4ml ships answers with a default value, prints a warning on standard output
#   (not standard error, so it lands among the results) and goes on; the program ends with status 0. read_nb() on an
#   empty stream overwrites its argument.
# Versions: hls4ml 1.3.0 (its ap_types). Needs g++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet hls4ml==1.3.0
package=$(find "$work/venv" -type d -path '*/hls4ml/templates/vivado/ap_types')
cat > "$work/main.cpp" <<'CPP'
#include <iostream>
#include "hls_stream.h"
int main() {
  hls::stream<int> words("words");
  words.write(7);
  int sum = 0;
  for (int i = 0; i < 3; i++) sum += words.read();
  int held = 5;
  words.read_nb(held);
  std::cout << "sum " << sum << " held " << held << std::endl;
}
CPP
g++ -w -std=c++17 -I"$package" "$work/main.cpp" -o "$work/main"
status=0
"$work/main" > "$work/out" 2> "$work/err" || status=$?
sed 's/^/seen on standard output: /' "$work/out"
echo "seen: status $status, $(wc -c < "$work/err") bytes on standard error"
if [ $status -ne 0 ] || [ -s "$work/err" ] || [ "$(grep -c 'read while empty' "$work/out")" -ne 2 ] ||
  ! grep -qx 'sum 7 held 0' "$work/out"; then
  echo "CHANGED: a read of an empty hls::stream behaves otherwise"
  exit 1
fi
