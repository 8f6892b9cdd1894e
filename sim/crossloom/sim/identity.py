"""The two identities of a network: what hardware is built for, and what it computes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .network import Network
from .npy import npy_bytes
from .schema import encode


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def structure(network: Network) -> dict[str, Any]:
    """What hardware is built for: graph, shapes, integer types, widths and banks, without any value or class name."""
    plain: dict[str, Any] = {
        "input": network.edges["input"].structure(),
        "levels": network.input.levels,
        "nodes": [n.structure(network.edges) for n in network.nodes],
        "output": network.output,
        "route": None,
    }
    if route := network.route:
        plain["route"] = {
            "source": route.source,
            "output": route.output,
            "capacity": route.capacity,
            "banks": len(route.branches),
            "nodes": [n.structure(network.edges) for n in route.branches[0].nodes],
        }
    return plain


def structure_sha256(network: Network) -> str:
    """SHA-256 (hex) of the canonical JSON of `structure`."""
    return hashlib.sha256(canonical_json(structure(network))).hexdigest()


def weights_sha256(network: Network) -> str:
    """SHA-256 (hex) over everything that decides the answers: structure, fracs, class names, hierarchy, every tensor.

    The network's own name is left out: a renamed artifact computes the same.
    """
    plain, arrays = encode(network)
    digest = hashlib.sha256(canonical_json({**plain, "name": None, "structure": structure_sha256(network)}))
    for name in sorted(arrays):
        digest.update(name.encode() + b"\0" + npy_bytes(arrays[name]))
    return digest.hexdigest()


def identities(network: Network) -> dict[str, Any]:
    """Both identities by the names that reports use."""
    return {"structure_sha256": structure_sha256(network), "weights_sha256": weights_sha256(network)}
