"""The cocotb benches of the tile and its parts."""

import pytest
from benches import Bench, named, run_benches

# imc_regs has no bench of its own: test_faults.py drives its every register and error through the tile's bus.
PARTS = [
    Bench("popcount3", "testbench_arithmetic", "unroll", {"Width": 7}),
    Bench("compress63", "testbench_arithmetic", "compress", {"Width": 5}),
    Bench("popcount_and", "testbench_arithmetic", "popcount", {"Width": 64}),
    Bench("popcount_and", "testbench_arithmetic", "popcount", {"Width": 7}),
    Bench("imc_adc", "testbench_arithmetic", "adc"),
    Bench("imc_gain", "testbench_arithmetic", "gain", {"AccBits": 19}),
    Bench("imc_lane", "testbench_arithmetic", "lane", {"Rows": 32, "Groups": 4, "AccBits": 17}),
    Bench("imc_seq", "testbench_streams", "seq", {"Segments": 4, "Groups": 4}),
    Bench("imc_frame", "testbench_streams", "frame", {"Rows": 32}),
    Bench("imc_planes", "testbench_streams", "planes", {"Rows": 64}),
    Bench("imc_output", "testbench_streams", "output", {"Lanes": 8, "Groups": 2, "AccBits": 19}),
    Bench("axil_bus", "testbench_axi", "bus"),
]
# Apart, for a cycle of these takes long.
WHOLE = [
    Bench("imc_core", "testbench_streams", "core", {"Rows": 32, "Cols": 16, "Lanes": 8}),
    Bench("imc_tile", "testbench_axi", "tile", {"Rows": 32, "Cols": 16, "Lanes": 8}),
]


@pytest.mark.parametrize("benches", [PARTS, WHOLE], ids=named)
def test_a_part_of_the_tile_does_what_its_model_says(benches, monkeypatch, tmp_path):
    run_benches(benches, monkeypatch, tmp_path)
