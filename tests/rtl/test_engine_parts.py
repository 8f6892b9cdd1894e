"""Runs the cocotb benches of the engine's parts, each at several sizes and with two seeds."""

import numpy as np
import pytest
import test_benches

from crossloom.rtl import engine_package, find_sources
from crossloom.rtl.thresholds import threshold_table

BENCHES = [
    ("skid", "bench_engine_streams", "queue", {"Bits": 9}),
    ("fifo", "bench_engine_streams", "queue", {"Bits": 9, "Depth": 5}),
    ("fifo", "bench_engine_streams", "queue", {"Bits": 1, "Depth": 2}),
    # Beats to pixels of three channels, to groups of a pixel's channels, to a vector; scores and groups to beats.
    ("width", "bench_engine_streams", "cut", {"FieldBits": 4, "In": 16, "InRun": 75, "Out": 3, "OutRun": 3}),
    ("width", "bench_engine_streams", "cut", {"FieldBits": 8, "In": 8, "InRun": 54, "Out": 4, "OutRun": 6}),
    ("width", "bench_engine_streams", "cut", {"FieldBits": 1, "In": 64, "InRun": 40, "Out": 32, "OutRun": 40}),
    ("width", "bench_engine_streams", "cut", {"FieldBits": 2, "In": 5, "InRun": 7, "Out": 32, "OutRun": 70}),
    ("width", "bench_engine_streams", "cut", {"FieldBits": 64, "In": 1, "InRun": 3, "Out": 1, "OutRun": 3}),
    ("frame_guard", "bench_engine_streams", "guard", {"Bits": 16, "Beats": 6}),
    ("frame_guard", "bench_engine_streams", "guard", {"Bits": 64, "Beats": 1}),
    ("requant", "bench_engine_arithmetic", "requant", {"Lanes": 8, "AccBits": 20, "OutBits": 4}),
    *(
        ("requant", "bench_engine_arithmetic", "requant",
         {"Lanes": 3, "AccBits": a, "OutBits": o, "CodeBits": c, "ShiftMin": low, "ShiftMax": high})
        for a, o, c, low, high in ((48, 32, 33, -16, 47), (12, 4, 4, -3, 1), (9, 1, 2, 5, 5), (24, 8, 9, 2, 11))
    ),
    ("threshold", "bench_engine_arithmetic", "threshold",
     {"Lanes": 3, "TBits": 12, "Depth": 64, "Steps": 4, "Init": '"table"'}),
    ("threshold", "bench_engine_arithmetic", "threshold",
     {"Lanes": 1, "TBits": 3, "Depth": 2, "Steps": 1, "Init": '"table"'}),
    ("pool", "bench_engine_arithmetic", "pool", {"Lanes": 3, "XBits": 4}),
    ("argmax", "bench_engine_arithmetic", "argmax", {"Bits": 48, "RowBits": 4}),
    ("argmax", "bench_engine_arithmetic", "argmax", {"Bits": 3, "RowBits": 16}),
]  # fmt: skip


@pytest.mark.parametrize("run", [1, 2])
@pytest.mark.parametrize(("top", "module", "test", "parameters"), BENCHES)
def test_bench_of_the_engine(top, module, test, parameters, run, monkeypatch, tmp_path):
    if "Init" in parameters:
        rng = np.random.default_rng(run)
        high = 1 << parameters["TBits"] - 1
        thresholds = np.sort(rng.integers(-high, high, (parameters["Lanes"], (1 << parameters["Steps"]) - 1)), axis=1)
        for lane, table in enumerate(threshold_table(thresholds, parameters["TBits"])):
            (tmp_path / f"table{lane}.hex").write_text("".join(f"{word % (2 * high):x}\n" for word in table))
    test_benches.test_bench(top, module, test, parameters, monkeypatch, tmp_path)


def test_the_package_is_what_the_simulator_says():
    written = (find_sources() / f"{engine_package.NAME}.sv").read_text(encoding="ascii")
    assert written == engine_package.systemverilog(), "run python -m crossloom.rtl.registers_write"
