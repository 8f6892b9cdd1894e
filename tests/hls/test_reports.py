"""Figures come out of the tools' reports as they stand there, and what is no report is refused in one line."""

import pytest
from fake_tools import COSIM, CSYNTH, DRIVER, TIMING, UTILIZATION

from crossloom.hls import HlsError
from crossloom.hls.reports import check_registers, read_cosim, read_csynth
from crossloom.sim import ToolError
from crossloom.sim.board.reports import read_timing, read_utilization


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_synthesis_gives_cycles_of_a_frame_and_resources_of_the_whole(tmp_path):
    written(tmp_path / "csynth.xml", CSYNTH.format(top="crossloom_top", best=7, worst=4000, interval=4001))
    whole = read_csynth(tmp_path)
    assert (whole["of"], whole["latency_min"], whole["latency_max"]) == ("crossloom_top", 7, 4000)
    written(tmp_path / "run_frame_csynth.xml", CSYNTH.format(top="run_frame", best=1200, worst="undef", interval="?"))
    found = read_csynth(tmp_path)
    assert found == {
        "origin": "estimated",
        "tool": "Vitis HLS 2024.1",
        "part": "xc7z020-clg400-1",
        "of": "run_frame",
        "latency_min": 1200,
        "latency_max": None,
        "interval_min": None,
        "interval_max": None,
        "clock_ns": 7.256,
        "bram18": 21,
        "dsp": 88,
        "ff": 12003,
        "lut": 15731,
    }


def test_co_simulation_gives_counted_cycles(tmp_path):
    found = read_cosim(written(tmp_path / "x.rpt", COSIM.format(status="Pass")))
    assert found["origin"] == "simulated"
    assert [found[f"latency_{k}"] for k in ("min", "avg", "max")] == [1204, 1530, 2011]
    assert [found[f"interval_{k}"] for k in ("min", "avg", "max")] == [1205, 1531, 2012]
    with pytest.raises(ToolError, match="co-simulation says 'Fail'"):
        read_cosim(written(tmp_path / "x.rpt", COSIM.format(status="Fail")))


def test_vivado_gives_what_is_used_and_the_worst_slack(tmp_path):
    found = read_utilization(written(tmp_path / "u.rpt", UTILIZATION))
    assert found == {
        "origin": "measured", "tool": "Vivado 2024.1", "lut": 14211, "ff": 13377, "bram36": 10.5, "dsp": 90
    }  # fmt: skip
    found = read_timing(written(tmp_path / "t.rpt", TIMING.format(wns="1.337", whs="0.021")))
    assert (found["wns_ns"], found["whs_ns"], found["met"], found["origin"]) == (1.337, 0.021, True, "estimated")
    for slacks in ({"wns": "-0.004", "whs": "0.021"}, {"wns": "1.337", "whs": "-0.001"}):
        assert read_timing(written(tmp_path / "t.rpt", TIMING.format(**slacks)))["met"] is False


@pytest.mark.parametrize("read", [read_cosim, read_timing, read_utilization])
@pytest.mark.parametrize("text", ["", "nothing here", "|||", "WNS(ns)  WHS(ns)", "| Slice LUTs | 1 |", None])
def test_what_is_no_report_is_refused(tmp_path, read, text):
    path = tmp_path / "some.rpt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ToolError, match=r"some\.rpt: no ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "<profile>", "<profile/>", "text", None])
def test_what_is_no_synthesis_report_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "csynth.xml").write_text(text)
    with pytest.raises(ToolError, match=r"csynth\.xml: no "):
        read_csynth(tmp_path)


def test_registers_elsewhere_than_the_host_expects_are_an_error(tmp_path):
    check_registers(tmp_path)
    header = tmp_path / "core" / "src" / "xcrossloom_top_hw.h"
    written(header, DRIVER)
    check_registers(tmp_path)
    header.write_text(DRIVER.replace("STATUS_DATA      0x20", "STATUS_DATA      0x28"))
    with pytest.raises(HlsError, match="register status is at 0x28; the host expects 0x20"):
        check_registers(tmp_path)
    header.write_text(DRIVER.replace("IDENTITIES_BASE", "IDS_BASE"))
    with pytest.raises(HlsError, match="register identities is at nowhere"):
        check_registers(tmp_path)
