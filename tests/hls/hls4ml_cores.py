"""hls4ml cores of several networks in one library, and what differs from the simulator."""

from crossloom.hls import HlsError, Simulation, build_library
from crossloom.hls.hls4ml_model import take_apart
from crossloom.hls.hls4ml_project import write_core
from crossloom.hls.names import core_namespace
from crossloom.sim import differing, run


def refusal(network):
    """Why the hls4ml flow refuses a network, or None."""
    try:
        take_apart(network)
    except HlsError as error:
        return str(error)
    return None


def taken(networks):
    """Those that the hls4ml flow takes."""
    return [network for network in networks if refusal(network) is None]


def hls4ml_simulations(networks, folder, optimize=0):
    """The core of each network, all compiled at once; their names must differ."""
    lines = ['#include "crossloom/csim.hpp"']
    for index, network in enumerate(networks):
        write_core(network, folder / str(index))
        space = core_namespace(network)
        lines += [f'#include "{index}/core.hpp"', f"CROSSLOOM_CSIM_COMMON({space})", f"CROSSLOOM_CSIM_RUN({space})"]
    top = folder / "cores.cpp"
    top.write_text("\n".join([*lines, ""]))
    # The kernels of hls4ml are the same beside every core.
    library = build_library([top], [folder, folder / "0"], where="hls4ml cores", optimize=optimize)
    return [Simulation(library, network) for network in networks]


def assert_exact(simulation, codes):
    """Every score, coarse decision and branch is the simulator's, and each frame ran one branch."""
    network = simulation.network
    before = simulation.calls().sum()
    assert not differing(run(network, codes=codes), simulation.run(codes)).any(), network.name
    assert simulation.calls().sum() - before == len(codes), network.name
