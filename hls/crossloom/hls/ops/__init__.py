"""The native flow's registry: what each kind of operator becomes."""

from typing import Any

from .base import Fold, Native, Table
from .join import ADD, CONCAT, FLATTEN
from .leaky import LEAKYRELU
from .lif import COUNT, FIRST, LAST, NEURONS
from .linear import CONV2D, DENSE
from .pool import MAXPOOL, SUMPOOL
from .quantize import REQUANT, THRESHOLD

NATIVE: dict[str, Native[Any]] = {
    "dense": DENSE,
    "conv2d": CONV2D,
    "requant": REQUANT,
    "threshold": THRESHOLD,
    "maxpool": MAXPOOL,
    "sumpool": SUMPOOL,
    "add": ADD,
    "concat": CONCAT,
    "flatten": FLATTEN,
    "leakyrelu": LEAKYRELU,
    "lif": NEURONS,
    "count": COUNT,
    "last": LAST,
    "first": FIRST,
}

__all__ = ["NATIVE", "Fold", "Native", "Table"]
