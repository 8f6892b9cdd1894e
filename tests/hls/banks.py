"""Networks that differ in nothing but what a load may change."""

from dataclasses import replace

import numpy as np

from crossloom.sim import Conv2d, Dense, Network, Threshold


def _rewritten(op, rng):
    if isinstance(op, Conv2d | Dense):
        limit = 1 << (op.bias_bits - 1)
        weight = rng.integers(op.weight_type.lo, op.weight_type.hi, op.weight.shape, endpoint=True)
        return replace(op, weight=weight, bias=rng.integers(-limit, limit, op.bias.shape))
    if isinstance(op, Threshold):
        found = rng.choice(op.thresholds.ravel(), op.thresholds.shape)
        return replace(op, thresholds=np.sort(found, axis=1))
    return op


def rewritten(network, seed):
    """The same structure and trunk with other weights, and the branches, their shifts and class counts, reversed."""
    rng = np.random.default_rng(seed)

    def nodes(found):
        return tuple(replace(node, op=_rewritten(node.op, rng)) for node in found)

    head = tuple(replace(n, op=_rewritten(n.op, rng)) if n.name in network.head else n for n in network.nodes)
    branches = tuple(replace(branch, nodes=nodes(branch.nodes)) for branch in reversed(network.route.branches))
    route = replace(network.route, branches=branches)
    return Network(network.name, network.input, head, network.output, network.classes, route)
