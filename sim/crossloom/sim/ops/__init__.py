"""The operators: data, bounds and the exact kernel that defines each one."""

from .base import Edge, Kernel, Op, Tensor, Window
from .join import Add, Concat, Flatten
from .leaky import LeakyReLU
from .linear import Conv2d, Dense, Linear
from .pool import MaxPool, SumPool
from .quantize import Requant, Threshold

OPERATORS: dict[str, type[Op]] = {
    op.kind: op for op in (Dense, Conv2d, Requant, Threshold, MaxPool, SumPool, Add, Concat, Flatten, LeakyReLU)
}

__all__ = [
    "OPERATORS",
    "Add",
    "Concat",
    "Conv2d",
    "Dense",
    "Edge",
    "Flatten",
    "Kernel",
    "LeakyReLU",
    "Linear",
    "MaxPool",
    "Op",
    "Requant",
    "SumPool",
    "Tensor",
    "Threshold",
    "Window",
]
