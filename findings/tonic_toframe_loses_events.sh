#!/usr/bin/env bash
# Expected: the frames of tonic's ToFrame hold every event of the recording.
# Seen: windows in time and bins are half open at the end of the recording: the last event is always lost, with
#   include_incomplete=True as well. Only a window of event_count events keeps it. Counts are int16 and wrap: 40,000
#   events in a bin are -25,536.
# Versions: tonic 1.7.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tonic==1.7.0
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
from tonic.transforms import ToFrame


def events(count):
    made = np.zeros(count, dtype=[("x", "i4"), ("y", "i4"), ("t", "i4"), ("p", "i4")])
    made["t"] = 10 * np.arange(count)
    return made


WAYS = [
    {"time_window": 30},
    {"time_window": 30, "include_incomplete": True},
    {"n_time_bins": 3},
    {"n_event_bins": 3},
    {"event_count": 10},
]
totals = [int(ToFrame(sensor_size=(1, 1, 1), **way)(events(10)).sum()) for way in WAYS]
for way, total in zip(WAYS, totals):
    print(f"seen: {way}: {total} of 10 events")
many = ToFrame(sensor_size=(1, 1, 1), n_time_bins=1)(events(40001))
print(f"seen: 40001 events in one bin: {many.dtype} {many.ravel().tolist()}")
if totals != [9, 9, 9, 9, 10] or many.ravel().tolist() != [-25536]:
    sys.exit("CHANGED: ToFrame counts otherwise")
PY
