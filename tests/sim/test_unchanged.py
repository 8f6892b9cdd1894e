"""Answers stay what they are: the codes of many random networks on every edge, told by one hash.

A change here is a change of the arithmetic, of the random networks or of `random_codes`: each needs a word in the
changelog, and whoever compares across versions must know.
"""

import hashlib

import numpy as np

from crossloom.sim import random_codes, random_network, run

NETWORKS, IMAGES = 100, 6
CODES = "dd26209bb63ae5b9b5bf189ac9a034a98da60fbd1c486a55b1e9fadaa41759cb"


def test_the_codes_of_random_networks_are_those_of_the_versions_before():
    digest = hashlib.sha256()
    for seed in range(NETWORKS):
        network = random_network(seed)
        found = run(network, codes=random_codes(network, seed, IMAGES), edges=list(network.edges))
        for name in network.edges:
            digest.update(name.encode() + np.ascontiguousarray(found.edges[name].astype("<i8")).tobytes())
        digest.update(found.labels.astype("<i8").tobytes() + np.ma.filled(found.scores, -1).astype("<i8").tobytes())
    assert digest.hexdigest() == CODES
