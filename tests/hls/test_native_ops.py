"""The native flow knows every kind of operator, and a table is what its operator says that a tensor is."""

import pytest
from spiking_corners import RULES, STEPS, spiking

from crossloom.hls import choose_folding
from crossloom.hls.folding import estimate_folding, fold_steps
from crossloom.hls.native_tables import node_tables
from crossloom.hls.ops import NATIVE
from crossloom.sim import Last, random_network
from crossloom.sim.frames import load_fields
from crossloom.sim.ops import OPERATORS

ROUTED = next(network for network in map(random_network, range(40)) if network.route)


def test_every_operator_has_one_entry():
    assert NATIVE.keys() == OPERATORS.keys()


@pytest.mark.parametrize("seed", [*range(12), 1000, 2003, 2005])
def test_tables_are_the_tensors_of_all_banks_at_their_declared_widths(seed):
    network = random_network(seed)
    found = node_tables(network, choose_folding(network))
    for index, nodes, edges in network.sections():
        if index not in (None, 0):
            continue
        for node in nodes:
            tensors = node.op.tensors([edges[name] for name in node.inputs])
            tables = found.get(node.name, {})
            assert list(tables) == [tensor.name for tensor in tensors]
            for tensor in tensors:
                table = tables[tensor.name]
                banks = len(network.route.branches) if index == 0 else 1
                assert (table.bits, table.signed) == (tensor.bits, tensor.signed)
                assert table.layout.values.size == banks * tensor.count
                assert table.fixed == (index is None and (network.route is None or node.name not in network.head))


def test_what_is_loaded_is_what_is_not_fixed():
    found = node_tables(ROUTED, choose_folding(ROUTED))
    loaded = {(field.node, field.tensor) for field in load_fields(ROUTED) if field.node}
    assert loaded == {(node, name) for node, tables in found.items() for name, t in tables.items() if not t.fixed}


def test_a_layer_takes_its_cycles_at_every_step_and_once_where_its_input_is_the_same():
    """Neurons behind `conv2d0` take its one image at six steps; what comes after them runs six times."""
    once, again = (spiking("lif", [RULES["zero"]], end=Last, encoder=encoder) for encoder in ("direct", "events"))
    assert [n.edges["conv2d0"].steps for n in (once, again)] == [1, STEPS]
    found, more = (estimate_folding(n, {k: steps[0] for k, steps in fold_steps(n).items()}) for n in (once, again))
    assert more.cycles["conv2d0"] == STEPS * found.cycles["conv2d0"]
    assert more.cycles["input"] == STEPS * found.cycles["input"]
    assert more.cycles["lif1"] == found.cycles["lif1"] == STEPS * once.edges["lif1"].size // found.lanes["conv2d0"]
    dense = next(name for name in found.cycles if name.startswith("dense"))
    size = once.edges[dense].size
    assert found.cycles[dense] == more.cycles[dense] == STEPS * (size * once.edges["conv2d0"].size + size)
    assert (found.dsp, found.lut) == (more.dsp, more.lut)
