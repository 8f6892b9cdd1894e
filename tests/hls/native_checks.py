"""What makes a native core right: every edge and every answer as the integer simulator has them."""

import numpy as np

from crossloom.hls import simulate
from crossloom.hls.folding import estimate_folding, fold_steps
from crossloom.sim import compare, differing, random_codes, random_network, run


def folded(network):
    """One product a cycle in every layer."""
    return estimate_folding(network, {name: steps[0] for name, steps in fold_steps(network).items()})


def parallel(network):
    """As many products a cycle as each layer can do."""
    return estimate_folding(network, {name: steps[-1] for name, steps in fold_steps(network).items()})


def mixed(network, seed=1):
    """Any number in each layer."""
    rng = np.random.default_rng(seed)
    return estimate_folding(network, {name: rng.choice(steps) for name, steps in fold_steps(network).items()})


def check(network, simulation, codes):
    """Assert that no code differs from the simulator's, on any edge or in an answer, and that one branch ran."""
    expected, before = run(network, codes=codes, edges=tuple(network.edges)), simulation.calls()
    answers = simulation.run(codes)
    branch = np.zeros(len(codes), int) if expected.branch is None else expected.branch
    assert np.array_equal(simulation.calls() - before, np.bincount(branch, minlength=len(before)))
    found = compare(network, expected.edges, simulation.edges())
    assert found.codes == len(codes) * sum(edge.image_size for edge in network.edges.values())
    assert found.total == 0, found.first
    assert not differing(expected, answers).any()


def random_cores(seeds, folder, size=5, **options):
    """The cores of some of the spine's random networks, {seed: simulation}; of one library for the same arguments."""
    networks = [random_network(seed, size) for seed in seeds]
    foldings = [mixed(network, seed) for seed, network in zip(seeds, networks, strict=True)]
    simulations = simulate(networks, folder, trace=True, optimize=0, foldings=foldings, **options)
    return dict(zip(seeds, simulations, strict=True))


def check_random(seeds, folder, size=5, **options):
    """Check some of the spine's random networks, in one library."""
    for seed, simulation in random_cores(seeds, folder, size, **options).items():
        check(simulation.network, simulation, random_codes(simulation.network, seed, 16))
