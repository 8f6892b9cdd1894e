#!/usr/bin/env bash
# Expected: events whose times go back are returned as they are, or refused.
# Seen: in AEDAT4 and EVT3 files alike, a time that goes back becomes the latest one before, without a word; a decoder
#   that starts anew in the middle of a file gives all later events one time. aedat returns what the file says.
# Versions: faery 0.7.1, aedat 2.3.0, numpy 1.26.4.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet faery==0.7.1 aedat==2.3.0 numpy==1.26.4
"$work/venv/bin/python" -W ignore - "$work" <<'PY'
import struct
import sys
from pathlib import Path

import aedat
import faery
import numpy as np

folder = Path(sys.argv[1])
HIGH, LOW, Y, X = 0x8000, 0x6000, 0x0000, 0x2800
words = [HIGH | 9, LOW | 5, Y | 1, X | 1, HIGH | 1, LOW | 5, X | 2, HIGH | 2, LOW | 5, X | 3]
raw = folder / "events.raw"
raw.write_bytes(b"% evt 3.0\n% geometry 1280x720\n% end\n" + np.array(words, "<u2").tobytes())
evt3 = np.concatenate([p["events"]["t"] for p in faery.evt.Decoder(raw, None, None)]).tolist()


def sized(data):
    return struct.pack("<I", len(data)) + data


text = (
    b'<dv version="2.0"><node name="outInfo" path="/outInfo/"><node name="0" path="/outInfo/0/">'
    b'<attr key="compression" type="string">NONE</attr><attr key="typeIdentifier" type="string">EVTS</attr>'
    b'<node name="info" path="/outInfo/0/info/"><attr key="sizeX" type="int">8</attr>'
    b'<attr key="sizeY" type="int">8</attr></node></node></node></dv>'
)
head = struct.pack("<I4s6x5HiiIqI", 24, b"IOHE", 10, 20, 4, 12, 8, 10, 0, 12, -1, len(text)) + text
events = b"".join(struct.pack("<qhh?3x", t, 1, 1, True) for t in (9, 3, 5))
packet = sized(struct.pack("<I4s2x3HiII", 16, b"EVTS", 6, 8, 4, 6, 4, 3) + events)
path = folder / "events.aedat4"
path.write_bytes(b"#!AER-DAT4.0\r\n" + sized(head + bytes(4 - len(text) % 4)) + struct.pack("<ii", 0, len(packet)) + packet)
held = np.concatenate([packet["t"] for _, packet in faery.aedat.Decoder(path)]).tolist()
told = np.concatenate([packet["events"]["t"] for packet in aedat.Decoder(path)]).tolist()
print(f"seen: EVT3 times 36869, 4101, 8197: faery {evt3}")
print(f"seen: AEDAT4 times 9, 3, 5: faery {held}, aedat {told}")
if evt3 != [36869, 36869, 36869] or held != [9, 9, 9] or told != [9, 3, 5]:
    sys.exit("CHANGED: times that go back are read otherwise")
PY
