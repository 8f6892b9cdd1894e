"""Networks that a built core must take without synthesis: another coarse head and other branches."""

from dataclasses import replace

import numpy as np

from crossloom.sim.network import Network
from crossloom.sim.ops import LIF, Conv2d, Dense, LeakyReLU, Requant, Threshold


def other_banks(network: Network, seed: int = 3, shifts: int = 2) -> Network:
    """The same structure and trunk with other tensors and class counts in the coarse head and in every branch.

    Shifts differ by up to `shifts` bits, within what a Requant may have; the fracs of weights follow, as in training.
    """
    rng = np.random.default_rng(seed)

    def altered(nodes, wanted):
        found = {node.name: node.op for node in nodes}
        for node in nodes:
            op = found[node.name]
            if node.name not in wanted:
                continue
            if isinstance(op, Dense | Conv2d):
                limit = 1 << (op.bias_bits - 1)
                weight = rng.integers(op.weight_type.lo, op.weight_type.hi, op.weight.shape, endpoint=True)
                bias = np.clip(op.bias + rng.integers(-9, 10, op.bias.shape), -limit, limit - 1)
                found[node.name] = replace(op, weight=weight, bias=bias)
            elif isinstance(op, LIF):
                most = ((1 << op.bits - 1) - 1) // op.most
                theta = np.clip(op.theta + rng.integers(-9, 10, op.theta.shape), 1, most)
                found[node.name] = replace(op, theta=theta, leak=rng.integers(0, 16, op.leak.shape))
            elif isinstance(op, Threshold) and isinstance(neurons := found.get(node.inputs[0]), LIF):
                found[node.name] = replace(op, thresholds=neurons.levels)
            elif isinstance(op, Threshold):
                moved = op.thresholds + rng.integers(-9, 10, op.thresholds.shape)
                moved = np.clip(moved, op.thresholds.min(), op.thresholds.max())
                found[node.name] = replace(op, thresholds=np.sort(moved, axis=1))
            elif isinstance(op, Requant):
                (source,) = node.inputs
                readers = [other for other in nodes if source in other.inputs]
                if isinstance(found.get(source), LeakyReLU):
                    source = next(other for other in nodes if other.name == source).inputs[0]
                    readers += [other for other in nodes if source in other.inputs][1:]
                linear = found.get(source)
                if not isinstance(linear, Dense | Conv2d) or len(readers) > 1:
                    continue
                wide = np.broadcast_to(op.shift.astype(np.int64), len(linear.weight))
                drawn = wide + rng.integers(-shifts, shifts + 1, len(wide) if len(op.shift) > 1 else 1)
                shift = np.clip(drawn, -16, 47)
                frac = np.broadcast_to(linear.weight_type.frac, len(wide)) + shift - wide
                kind = replace(linear.weight_type, frac=tuple(int(f) for f in frac))
                found[source] = replace(linear, weight_type=kind)
                found[node.name] = replace(op, shift=shift[: len(op.shift)])
        return tuple(replace(node, op=found[node.name]) for node in nodes)

    route = network.route
    counts = rng.permutation(len(route.branches))
    # Two classes change their branch where there is room, so that the counts differ.
    classes = [list(b.classes) for b in route.branches]
    for to, of in zip(counts, np.roll(counts, 1), strict=True):
        if len(classes[to]) < route.capacity and len(classes[of]) > 1:
            classes[to].append(classes[of].pop())
    branches = tuple(
        replace(b, classes=tuple(c), nodes=altered(b.nodes, {n.name for n in b.nodes}))
        for b, c in zip(route.branches, classes, strict=True)
    )
    return replace(network, nodes=altered(network.nodes, network.head), route=replace(route, branches=branches))
