"""The engine in Verilator gives every edge, score and answer that the simulator gives, at any folding, when stalled."""

from pathlib import Path

import numpy as np
import pytest

from crossloom.rtl.engine import EngineModel
from crossloom.rtl.plan import Folding, Sizes, plan
from crossloom.sim import compare, load, random_codes, random_network, run

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"
# One build of each runs every random network: the program is read at run time.
FOLDINGS = [Folding(4, 4, 2, 2), Folding(6, 3, 1, 3)]
SIZES = Sizes(
    x_bits=9,
    w_bits=16,
    acc_bits=33,
    code_bits=9,
    shift_min=-16,
    shift_max=47,
    features=512,
    weights=1200,
    params=140,
    tables=640,
    steps=6,
    scale_bits=2,
    results=6,
    sweeps=64,
    segments=64,
    branches=4,
    doubling=1,
)


def differences(model, codes, found, network, expected):
    """Codes, accumulators, scores and answers that are wrong."""
    wrong = 0
    rows = np.arange(len(codes))
    for name, values in found.edges.items():
        branch = network.route and name in network.branch_edges[0]
        assert not branch or len(values) == len(codes)
        wrong += compare(network, expected.edges, {name: values}).total
    assert set(found.edges) == set(network.edges) - {"input"}
    answers = found.answers
    if network.route:
        wrong += int((answers.branch != expected.branch).sum() + (answers.coarse != expected.logits).sum())
        wrong += int((answers.scores != expected.fine).sum())
        banks = network.route.branches
        labels = [banks[b].classes[r] for b, r in zip(answers.branch, answers.row, strict=True)]
        return wrong + int((np.array(labels) != expected.labels).sum())
    wrong += int((answers.scores != expected.logits).sum())
    return wrong + int((answers.row[rows] != expected.labels).sum())


def check(network, folding, codes, sizes=None, seed=0, stalled=True, optimize=1):
    """Run codes twice, the second time with random pauses on both sides: both times all as in the simulator."""
    compiled = plan(network, folding, sizes)
    expected = run(network, codes=codes, edges=list(network.edges))
    model = EngineModel(compiled, seed=seed + 1, optimize=optimize)
    found = model.run(codes, limit=2_000_000)
    assert differences(model, codes, found, network, expected) == 0
    if stalled:
        rng = np.random.default_rng(seed)
        idle, stall = rng.random((2, 997)) < rng.choice([0.2, 0.5, 0.9], (2, 1))
        again = model.run(codes, idle=idle, stall=stall, limit=4_000_000)
        assert differences(model, codes, again, network, expected) == 0
    model.close()
    return compiled, found


@pytest.mark.parametrize("seed", range(30))
def test_a_random_network_runs_exactly(seed):
    network = random_network(seed)
    check(network, FOLDINGS[seed % 2], random_codes(network, seed, 6), SIZES, seed)


@pytest.mark.parametrize("design", ["digits-cnn", "digits-sha"])
def test_a_shipped_design_runs_exactly(design):
    network = load(BITSTREAMS / design / f"{design}.loom").network
    codes = random_codes(network, 1, 8)
    check(network, Folding(8, 8, 2, 4), codes)
