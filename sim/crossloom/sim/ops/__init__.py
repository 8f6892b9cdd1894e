"""The operators: data, bounds and the exact kernel that defines each one."""

from .base import Edge, Kernel, Op, Tensor, Window
from .join import Add, Concat, Flatten
from .leaky import LeakyReLU
from .lif import LIF, membrane_bits
from .linear import Conv2d, Dense, Linear
from .pool import MaxPool, SumPool
from .quantize import Requant, Threshold
from .reduce import Count, First, Last

OPERATORS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        *(Dense, Conv2d, Requant, Threshold, MaxPool, SumPool, Add, Concat, Flatten, LeakyReLU),
        *(LIF, Count, Last, First),
    )
}

__all__ = [
    "LIF",
    "OPERATORS",
    "Add",
    "Concat",
    "Conv2d",
    "Count",
    "Dense",
    "Edge",
    "First",
    "Flatten",
    "Kernel",
    "Last",
    "LeakyReLU",
    "Linear",
    "MaxPool",
    "Op",
    "Requant",
    "SumPool",
    "Tensor",
    "Threshold",
    "Window",
    "membrane_bits",
]
