"""The engine's registry: how it takes each kind of operator."""

from .base import Lowered, Read, ReadOf
from .join import ADD, CONCAT, FLATTEN
from .leaky import LEAKYRELU
from .linear import CONV2D, DENSE
from .pool import MAXPOOL, SUMPOOL
from .quantize import REQUANT, THRESHOLD
from .time import COUNT, FIRST, LAST, LIF

LOWERED: dict[str, Lowered] = {
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
    "lif": LIF,
    "count": COUNT,
    "last": LAST,
    "first": FIRST,
}

__all__ = ["LOWERED", "Lowered", "Read", "ReadOf"]
