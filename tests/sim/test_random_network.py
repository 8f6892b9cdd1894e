"""Random networks are valid, deterministic, and cover what they promise."""

from collections import Counter

import numpy as np
import pytest

from crossloom.sim import (
    LIF,
    Conv2d,
    Dense,
    Requant,
    Rounding,
    Threshold,
    random_codes,
    random_network,
    run,
    structure_sha256,
    weights_sha256,
)
from crossloom.sim.encoders import ENCODERS
from crossloom.sim.ops import OPERATORS
from crossloom.sim.ops.lif import RESETS, WHENS

SEEDS = [
    *range(25),
    *range(1000, 1005),
    *range(2001, 2010),
    2014,
]  # from 1000 on with LeakyReLU, from 2000 on with time


def _nodes(network):
    yield from network.nodes
    for branch in network.route.branches if network.route else ():
        yield from branch.nodes


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, again, other = random_network(3, 5), random_network(3, 5), random_network(4, 5)
    assert weights_sha256(first) == weights_sha256(again)
    assert structure_sha256(first) != structure_sha256(other)


def test_some_seeds_cover_every_operator_rounding_kind_and_neuron():
    seen = Counter()
    for seed in SEEDS:
        network = random_network(seed, 5)
        seen["routed" if network.route else "flat"] += 1
        seen["masked rows"] += any(
            len(b.classes) < network.route.capacity for b in (network.route.branches if network.route else ())
        )
        for node in _nodes(network):
            op = node.op
            seen[op.kind] += 1
            if isinstance(op, Requant):
                seen[op.rounding] += 1
                seen["left shift"] += bool((op.shift < 0).any())
                seen["shift per channel"] += len(set(op.shift.tolist())) > 1
                seen["signed"] += op.out.lo < 0
            if isinstance(op, Conv2d):
                seen["depthwise"] += op.groups > 1 and op.weight.shape[3] == 1
                seen["grouped"] += op.groups > 1 and op.weight.shape[3] > 1
                seen["stride"] += max(op.stride) > 1
                seen["uneven padding"] += op.pad[0] != op.pad[1]
                seen["padding by a code"] += any(op.pad) and op.pad_code != 0
            if isinstance(op, Conv2d | Dense):
                seen["wide sum"] += network.edges[node.name].magnitude >= 1 << 24
            if isinstance(op, Threshold):
                seen["bipolar"] += op.step == 2
                seen["many thresholds"] += op.thresholds.shape[1] > 16
        seen[network.input.encoder] += 1
        for op in (node.op for node in _nodes(network)):
            if isinstance(op, LIF):
                seen.update([op.reset, op.when, f"strict {op.strict}"])
                seen["several spikes"] += op.most > 1
                seen["one step"] += op.steps == 1
                seen["many steps"] += op.steps > 1
                seen["theta per channel"] += len(op.theta) > 1
                seen["leak per channel"] += len(op.leak) > 1
                seen["no leak"] += not op.leak.all()
    wanted = {*OPERATORS, *Rounding, "routed", "flat", "masked rows", "left shift", "shift per channel", "signed"}
    wanted |= {"depthwise", "grouped", "stride", "uneven padding", "padding by a code", "wide sum", "bipolar"}
    wanted |= {"many thresholds", *RESETS, *WHENS, "strict True", "strict False", "several spikes", "one step"}
    wanted |= {"many steps", "theta per channel", "leak per channel", "no leak", *ENCODERS}
    assert not {str(w) for w in wanted if not seen[w]}


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_run_and_stay_within_their_proven_ranges(seed):
    network = random_network(seed, 5)
    result = run(network, codes=random_codes(network, seed, 40), edges=network.edges)
    for name, codes in result.edges.items():
        edge = network.edges[name]
        assert edge.type.lo <= codes.min() <= codes.max() <= edge.type.hi, name


def test_ties_at_half_a_step_and_equal_logits_happen():
    half_steps = equal = 0
    for seed in SEEDS:
        network = random_network(seed, 5)
        result = run(network, codes=random_codes(network, seed, 40), edges=network.edges)
        top = np.sort(result.logits, axis=1)
        equal += int((top[:, -1] == top[:, -2]).sum())
        for node in network.nodes:
            if isinstance(node.op, Requant) and (node.op.shift > 0).all():
                acc = result.edges[node.inputs[0]].astype(np.int64)
                shift = node.op.shift.astype(np.int64)
                half_steps += int((acc & ((1 << shift) - 1) == 1 << (shift - 1)).sum())
    assert half_steps > 1000
    assert equal > 10


def test_the_first_layer_is_driven_to_its_proven_extremes():
    reached = set()
    for seed in [*range(60), 84, 116, 250]:  # the last ones begin with groups and no padding
        network = random_network(seed, 1)
        # No image more than those that drive the sums, so that none reaches an end by chance.
        driven = [
            len(n.op.weight) for n in network.nodes if n.inputs == ("input",) and isinstance(n.op, Dense | Conv2d)
        ]
        result = run(network, codes=random_codes(network, seed, 3 + 2 * sum(driven)), edges=network.edges)
        for node in network.nodes:
            linear = isinstance(node.op, Dense) or (isinstance(node.op, Conv2d) and not any(node.op.pad))
            if node.inputs == ("input",) and linear and node.name not in network.head:
                codes, type_ = result.edges[node.name], network.edges[node.name].type
                assert (codes.min(), codes.max()) == (type_.lo, type_.hi)
                rows, (lo, hi) = (
                    node.op.weight.reshape(len(node.op.weight), -1),
                    (network.input.type.lo, network.input.type.hi),
                )
                up, down = np.maximum(rows, 0).sum(1, np.int64), np.minimum(rows, 0).sum(1, np.int64)
                of_channel = codes.reshape(-1, len(rows))
                assert np.array_equal(of_channel.max(axis=0), up * hi + down * lo + node.op.bias)
                assert np.array_equal(of_channel.min(axis=0), up * lo + down * hi + node.op.bias)
                reached.add((node.op.kind, getattr(node.op, "groups", 1)))
    assert reached == {("dense", 1), *(("conv2d", groups) for groups in (1, 2, 3, 4))}


def test_random_codes_begin_with_all_lowest_and_all_highest():
    network = random_network(1, 3)
    codes = random_codes(network, 9, 12)
    assert codes.shape == (12, *network.input.shape)
    assert (codes[0] == network.input.type.lo).all()
    assert (codes[1] == network.input.type.hi).all()
    assert np.array_equal(codes, random_codes(network, 9, 12))


def test_every_seed_gives_a_network_with_time():
    for seed in range(2000, 2120):
        network = random_network(seed, 3)
        assert network.timed
