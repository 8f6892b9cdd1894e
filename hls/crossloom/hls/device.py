"""A network on the top function of either flow in C simulation: what the host runs as a device."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from crossloom.sim import Network, weights_sha256
from crossloom.sim.cache import cached, content_key

from .csim import Simulation, build_library, compiler_identity
from .emit import flow_of, write_simulation
from .names import core_namespace
from .sources import find_ap_types, find_include

OPTIMIZE = 2


def simulation_library(network: Network, flow_name: str, *, trace: bool = False, optimize: int = OPTIMIZE) -> Path:
    """The library of a network's top function; found by the network itself, as generating a core takes a while.

    `trace`: it records every edge, where the flow can, and computes in the types of synthesis, which is slower.
    Raises HlsError for a network that the flow refuses, and where there is no compiler; MissingExtraError without
    hls4ml.
    """
    flow = flow_of(flow_name)
    where = f"{network.name}: C simulation ({flow_name})"
    trace = trace and flow.traces
    ours = [Path(__file__).parent.rglob("*.py"), find_include().rglob("*.hpp"), find_ap_types().rglob("*.h")]
    key = content_key(
        *("top", flow_name, core_namespace(network), weights_sha256(network)),
        *(_version("hls4ml"), _version("torch"), f"O{optimize}", f"trace {trace}"),
        *compiler_identity(where),
        *(path.read_bytes() for found in ours for path in sorted(found)),
    )
    functions = ["said", "run", "calls", *(["trace"] if trace else [])]
    needs = [f"{core_namespace(network)}_{name}" for name in functions]

    def build(folder: Path) -> Path:
        source = folder / "source"
        source.mkdir()
        path = write_simulation(network, flow, source, trace)
        # What is looked at closely computes in the types of synthesis as well.
        defines = ["CROSSLOOM_TRACE", "CROSSLOOM_SYNTHESIS_TYPES"] if trace else []
        built = build_library([path], [source], where=where, optimize=optimize, defines=defines, needs=needs)
        return Path(shutil.copy(built, folder / "copy.so"))

    return cached(key, build, kind=flow_name, design=network.name, needs=needs)


def open_simulation(network: Network, flow_name: str, *, trace: bool = False, optimize: int = OPTIMIZE) -> Simulation:
    """Start a network in C simulation, behind the top function; raises as `simulation_library` does."""
    return Simulation(simulation_library(network, flow_name, trace=trace, optimize=optimize), network)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
