"""Small reports in the formats of Vitis HLS and Vivado, and programs of their names that write them."""

import sys

CSYNTH = """<?xml version="1.0"?>
<profile>
<ReportVersion><Version>2024.1</Version></ReportVersion>
<UserAssignments><unit>ns</unit><ProductFamily>zynq</ProductFamily><Part>xc7z020-clg400-1</Part>
<TopModelName>{top}</TopModelName><TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<PipelineType>dataflow</PipelineType>
<SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>7.256</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><unit>clock cycles</unit>
<Best-caseLatency>{best}</Best-caseLatency><Average-caseLatency>{worst}</Average-caseLatency>
<Worst-caseLatency>{worst}</Worst-caseLatency>
<Interval-min>{interval}</Interval-min><Interval-max>{interval}</Interval-max>
</SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates>
<Resources><BRAM_18K>21</BRAM_18K><DSP>88</DSP><FF>12003</FF><LUT>15731</LUT><URAM>0</URAM></Resources>
<AvailableResources><BRAM_18K>280</BRAM_18K><DSP>220</DSP><FF>106400</FF><LUT>53200</LUT></AvailableResources>
</AreaEstimates>
</profile>
"""

COSIM = """
== Vitis HLS Report for 'crossloom_top'

Result
======
+----------+----------+-----------------------------------------+-----------------------------------------+
|          |          |          Latency(Clock Cycles)          |          Interval(Clock Cycles)         |
+   RTL    +  Status  +-----------------------------------------+-----------------------------------------+
|          |          |     min     |     avg     |     max     |     min     |     avg     |     max     |
+----------+----------+-----------------------------------------+-----------------------------------------+
|      VHDL|        NA|           NA|           NA|           NA|           NA|           NA|           NA|
|   Verilog|      {status}|         1204|         1530|         2011|         1205|         1531|         2012|
+----------+----------+-----------------------------------------+-----------------------------------------+
"""

UTILIZATION = """Copyright
| Tool Version : Vivado v.2024.1 (lin64) Build 5076996 Wed May 22 18:36:09 MDT 2024
| Design State : Routed

1. Slice Logic
+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| Slice LUTs                 | 14211 |     0 |          0 |     53200 | 26.71 |
|   LUT as Logic             | 13000 |     0 |          0 |     53200 | 24.44 |
| Slice Registers            | 13377 |     0 |          0 |    106400 | 12.57 |
+----------------------------+-------+-------+------------+-----------+-------+

3. Memory
| Block RAM Tile    | 10.5 |     0 |          0 |       140 |  7.50 |
|   RAMB36/FIFO*    |    9 |     0 |          0 |       140 |  6.43 |

4. DSP
| DSPs           |   90 |     0 |          0 |       220 | 40.91 |
"""

TIMING = """| Tool Version      : Vivado v.2024.1 (lin64) Build 5076996
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
      {wns}        0.000                      0                41234        {whs}        0.000


All user specified timing constraints are met.
"""

DRIVER = """// control
#define XCROSSLOOM_TOP_CONTROL_ADDR_AP_CTRL          0x00
#define XCROSSLOOM_TOP_CONTROL_ADDR_COMMAND_DATA     0x10
#define XCROSSLOOM_TOP_CONTROL_BITS_COMMAND_DATA     32
#define XCROSSLOOM_TOP_CONTROL_ADDR_FRAMES_DATA      0x18
#define XCROSSLOOM_TOP_CONTROL_ADDR_STATUS_DATA      0x20
#define XCROSSLOOM_TOP_CONTROL_ADDR_STATUS_CTRL      0x24
#define XCROSSLOOM_TOP_CONTROL_ADDR_LOADED_DATA      0x30
#define XCROSSLOOM_TOP_CONTROL_ADDR_DONE_DATA        0x40
#define XCROSSLOOM_TOP_CONTROL_ADDR_SHORT_FRAMES_DATA 0x50
#define XCROSSLOOM_TOP_CONTROL_ADDR_LONG_FRAMES_DATA 0x60
#define XCROSSLOOM_TOP_CONTROL_ADDR_IDENTITIES_BASE  0x80
#define XCROSSLOOM_TOP_CONTROL_ADDR_IDENTITIES_HIGH  0xff
"""

# What each program must be called with, and what it leaves in the folder that it runs in.
VITIS = {
    "hls_project/solution/syn/report/csynth.xml": CSYNTH.format(top="crossloom_top", best=7, worst=4000, interval=4001),
    "hls_project/solution/syn/report/run_frame_csynth.xml": CSYNTH.format(
        top="run_frame", best=1200, worst=1210, interval=640
    ),
    "hls_project/solution/sim/report/crossloom_top_cosim.rpt": COSIM.format(status="Pass"),
    "hls_project/solution/impl/ip/drivers/crossloom_top_v1_0/src/xcrossloom_top_hw.h": DRIVER,
}
VIVADO = {"utilization.rpt": UTILIZATION, "timing.rpt": TIMING.format(wns="1.337", whs="0.021")}
CALLS = {
    "vitis-run": ["--mode", "hls", "--tcl", "run_hls.tcl"],
    "vivado": ["-mode", "batch", "-nojournal", "-nolog", "-source", "build_bitstream.tcl"],
}

PROGRAM = """#!{python}
import sys, time
from pathlib import Path
if sys.argv[1:] != {call!r} or not Path(sys.argv[-1]).is_file():
    sys.exit(f"ERROR: called with {{sys.argv[1:]}}")
print("INFO: at work", flush=True)
for name, text in {files!r}.items():
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
{then}
"""


def install(folder, name, files, then=""):
    """Put a program into a folder; `then` is Python that ends it."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(PROGRAM.format(python=sys.executable, call=CALLS[name], files=files, then=then))
    path.chmod(0o755)


def install_both(folder):
    """Both programs, which do what is expected of them."""
    install(folder, "vitis-run", VITIS)
    install(folder, "vivado", VIVADO)
