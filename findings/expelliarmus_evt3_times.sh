#!/usr/bin/env bash
# Expected: in an EVT3 file, a high part of the time without a low part after it starts at 0 (Prophesee's own decoder
#   sets the low part to 0), so that times are 5, 4096 and 4099 us after the start.
# Seen: the old low part is kept, 4101 us; the next low part, as it is smaller, counts as another 4,096 us: 8195. A
#   trigger event makes the whole file unreadable: None is returned, with a line on standard error.
# Versions: expelliarmus 1.1.12, numpy 1.26.4.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet expelliarmus==1.1.12 numpy==1.26.4
"$work/venv/bin/python" -W ignore - "$work" <<'PY'
import sys
from pathlib import Path

import numpy as np
from expelliarmus import Wizard

HIGH, LOW, Y, X, TRIGGER = 0x8000, 0x6000, 0x0000, 0x2800, 0xA001
path = Path(sys.argv[1], "events.raw")


def read(words):
    path.write_bytes(b"% evt 3.0\n% geometry 1280x720\n% end\n" + np.array(words, "<u2").tobytes())
    return Wizard(encoding="EVT3").read(path)


found = read([HIGH | 1, LOW | 5, Y | 1, X | 1, HIGH | 2, X | 2, LOW | 3, X | 3])
times = (found["t"] - 4096).tolist()
print(f"seen: times {times}")
trigger = read([HIGH | 1, LOW | 5, Y | 1, X | 1, TRIGGER, X | 2])
print(f"seen: a file with a trigger event: {trigger}")
if times != [5, 4101, 8195] or trigger is not None:
    sys.exit("CHANGED: EVT3 is read otherwise")
PY
