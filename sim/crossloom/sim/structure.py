"""What hardware is built for, operator by operator: no value of a tensor, no scale, no name of a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .ops import Add, Edge, Threshold
from .ops.base import parameters
from .types import QType, bits_of

if TYPE_CHECKING:
    from .network import Node


def edge_structure(edge: Edge) -> dict[str, Any]:
    """Shape, width and sign of an edge."""
    return {"shape": list(edge.shape), "bits": edge.type.bits, "signed": edge.type.signed}


def node_structure(node: Node, edges: Mapping[str, Edge]) -> dict[str, Any]:
    """One operator as hardware sees it; the banks of a routed network must agree on it.

    Scales (`frac`) are left out: they change what codes mean, not one operation on them, except the alignment
    shifts of Add, which are listed.
    """
    plain: dict[str, Any] = {
        "name": node.name,
        "op": node.op.kind,
        "inputs": list(node.inputs),
        "edge": edge_structure(edges[node.name]),
    }
    for name, value in parameters(node.op).items():
        if isinstance(value, np.ndarray):
            plain[name] = list(value.shape)
        elif isinstance(value, QType):
            plain[name] = [value.lo, value.hi]
        elif name != "frac":
            plain[name] = list(value) if isinstance(value, tuple) else value
    if isinstance(node.op, Add):
        plain["shifts"] = list(node.op.shifts(node.name, [edges[i] for i in node.inputs]))
    if isinstance(node.op, Threshold):
        source = edges[node.inputs[0]].type
        plain["threshold_bits"] = bits_of(source.lo, source.hi + 1)
    return plain
