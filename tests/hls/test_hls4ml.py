"""The hls4ml flow answers as the integer simulator does."""

from dataclasses import replace

import numpy as np
import pytest
from expressible import expressible_network
from hls4ml_cores import assert_exact, hls4ml_simulations, taken
from hls4ml_networks import corners, dense, every_rounding, network_of, requant

from crossloom.hls import Simulation
from crossloom.hls.hls4ml_types import round_shift
from crossloom.sim import Flatten, QType, Requant, Rounding, random_codes, random_network

pytest.importorskip("hls4ml")


def test_corners_of_graphs_every_rounding_and_a_random_network_are_exact(tmp_path):
    cases = [every_rounding(), *((n, random_codes(n, 3, 32)) for n in (*corners(), expressible_network(3)))]
    for simulation, (_, codes) in zip(hls4ml_simulations([n for n, _ in cases], tmp_path), cases, strict=True):
        assert_exact(simulation, codes)


@pytest.mark.long
@pytest.mark.parametrize("first", [0, *range(100, 160, 10)])
def test_many_random_networks_are_exact(first, tmp_path):
    networks = taken(map(expressible_network, range(first, first + 10)))
    for simulation in hls4ml_simulations(networks, tmp_path):
        assert_exact(simulation, random_codes(simulation.network, 1, 48))


@pytest.mark.long
def test_random_networks_of_every_kind_that_are_taken_are_exact(tmp_path):
    networks = taken(map(random_network, range(400)))
    assert networks
    for simulation in hls4ml_simulations(networks, tmp_path):
        assert_exact(simulation, random_codes(simulation.network, 1, 48))


def test_two_networks_with_the_same_names_share_nothing(tmp_path):
    def made(seed):
        return network_of(
            [
                ("codes", requant(4, QType(0, 15), 0), ("input",)),
                ("flat", Flatten(), ("codes",)),
                ("logits", dense(4, 72, seed), ("flat",)),
            ]
        )

    first, second = made(1), made(2)
    simulations = []
    for index, network in enumerate((first, second)):
        simulations += hls4ml_simulations([network], tmp_path / str(index))
    codes = random_codes(first, 0, 12)
    assert isinstance(simulations[0], Simulation)
    for simulation in (*simulations, *simulations):
        assert_exact(simulation, codes)
    assert (simulations[0].run(codes).scores != simulations[1].run(codes).scores).any()


def test_rounding_of_bounds_is_the_simulators():
    values = np.arange(-40, 41).reshape(1, 81)
    for rounding in Rounding:
        for shift in (-2, 0, 1, 3):
            op = Requant(np.array([shift]), rounding, QType(-999, 999, -shift))
            edge = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72), ("flat",))]).edges["input"]
            edge = replace(edge, shape=(81,), type=QType(-40, 40, 0))
            wanted = op.kernel([edge], op.infer("op", [edge], False))(values.astype(np.float32))
            assert [round_shift(int(v), shift, rounding) for v in values[0]] == wanted[0].tolist()
