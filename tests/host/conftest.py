"""Artifacts that the host's tests run: random networks, saved with golden vectors."""

import numpy as np
import pytest

from crossloom.sim import Artifact, make_golden, random_network, save


def _saved(folder, routed):
    seed = next(
        s
        for s in range(100)
        if (random_network(s, 4).route is not None) == routed and random_network(s, 4).input.levels == 256
    )
    network = random_network(seed, 4)
    images = np.random.default_rng(seed).integers(0, 256, (30, *network.input.shape), dtype=np.uint8)
    golden = make_golden(network, "random test", images, np.zeros(30, np.int64))
    info = {"accuracy": {"value": 0.5, "origin": "measured for the test"}, "seed": seed}
    path = folder / f"{network.name}.loom"
    save(Artifact(network, info, golden), path)
    return path


@pytest.fixture(scope="session")
def flat(tmp_path_factory):
    return _saved(tmp_path_factory.mktemp("flat"), False)


@pytest.fixture(scope="session")
def routed(tmp_path_factory):
    return _saved(tmp_path_factory.mktemp("routed"), True)
