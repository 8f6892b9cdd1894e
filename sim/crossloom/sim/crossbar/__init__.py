"""Crossbar physics: exact wire resistance in voltage and gate mode, device models, and whole networks on arrays."""

from .accuracy import METHODS, Point, Sweep, method_spec, sweep, wilson
from .analysis import Study, steps, study
from .devices import DEVICES, FEFET, RERAM, SRAM_8T, Device, Quantity, drift, program, read_noise, stick
from .drop import cell_losses, cell_volts
from .elimination import TransferCache, transfer, transfers
from .gate import Ladders, LadderTable, gate_currents, make_ladders, prepare, segment
from .layer import ArrayLayer, LayerPlan, build_layer, plan_layer
from .nonlinear import CellLaw, ConvergenceError, NonlinearSolution, solve_nonlinear
from .order import greedy_order, loss, swann_order
from .order_cost import COSTS_7NM, Costs, Overhead, overhead
from .pipeline import ArrayNetwork, NetworkPlan, build_network, check_untimed, correct, plan_network
from .spec import ArraySpec, Physics
from .tile import Tile, make_tile
from .twin_layers import TwinPoint, compare_twins, tile_config, twin_network
from .voltage import Solution, apply_transfer, solve

__all__ = [
    "COSTS_7NM",
    "DEVICES",
    "FEFET",
    "METHODS",
    "RERAM",
    "SRAM_8T",
    "ArrayLayer",
    "ArrayNetwork",
    "ArraySpec",
    "CellLaw",
    "ConvergenceError",
    "Costs",
    "Device",
    "LadderTable",
    "Ladders",
    "LayerPlan",
    "NetworkPlan",
    "NonlinearSolution",
    "Overhead",
    "Physics",
    "Point",
    "Quantity",
    "Solution",
    "Sweep",
    "Tile",
    "TransferCache",
    "TwinPoint",
    "Study",
    "apply_transfer",
    "build_layer",
    "build_network",
    "cell_losses",
    "cell_volts",
    "check_untimed",
    "compare_twins",
    "correct",
    "drift",
    "gate_currents",
    "greedy_order",
    "loss",
    "make_ladders",
    "make_tile",
    "method_spec",
    "overhead",
    "plan_layer",
    "plan_network",
    "prepare",
    "program",
    "read_noise",
    "segment",
    "solve",
    "solve_nonlinear",
    "stick",
    "swann_order",
    "steps",
    "study",
    "sweep",
    "tile_config",
    "transfer",
    "transfers",
    "twin_network",
    "wilson",
]
