"""Networks that differ in nothing but what a load may change."""

from dataclasses import replace

import numpy as np

from crossloom.sim import LIF, Conv2d, Dense, Network, Threshold


def _rewritten(op, rng):
    if isinstance(op, Conv2d | Dense):
        limit = 1 << (op.bias_bits - 1)
        weight = rng.integers(op.weight_type.lo, op.weight_type.hi, op.weight.shape, endpoint=True)
        return replace(op, weight=weight, bias=rng.integers(-limit, limit, op.bias.shape))
    if isinstance(op, Threshold):
        found = rng.choice(op.thresholds.ravel(), op.thresholds.shape)
        return replace(op, thresholds=np.sort(found, axis=1))
    if isinstance(op, LIF):
        theta = rng.integers(1, op.theta.max(), op.theta.shape, endpoint=True)
        return replace(op, theta=theta, leak=rng.integers(0, 5, op.leak.shape))
    return op


def _section(nodes, changed, rng):
    """The nodes of a section, those that are `changed` with other tensors; neurons and their spikes stay together."""
    found = {node.name: _rewritten(node.op, rng) if node.name in changed else node.op for node in nodes}
    for node in nodes:
        neurons = found.get(node.inputs[0])
        if isinstance(node.op, Threshold) and isinstance(neurons, LIF) and node.name in changed:
            found[node.name] = replace(node.op, thresholds=neurons.levels)
    return tuple(replace(node, op=found[node.name]) for node in nodes)


def rewritten(network, seed):
    """The same structure and trunk with other weights, and the branches, their shifts and class counts, reversed."""
    rng = np.random.default_rng(seed)
    head = _section(network.nodes, network.head, rng)
    branches = tuple(
        replace(branch, nodes=_section(branch.nodes, {node.name for node in branch.nodes}, rng))
        for branch in reversed(network.route.branches)
    )
    route = replace(network.route, branches=branches)
    return Network(network.name, network.input, head, network.output, network.classes, route)
