"""Every device against the integer simulator: one check for every shipped design and for random networks.

The simulator itself is held against golden digests in test_shipped_designs.py, against plain Python in tests/sim.
"""

from dataclasses import replace

import numpy as np
import pytest
import shipped_designs
from expressible import expressible_network

from crossloom.hls import HlsError
from crossloom.host import backends, design_names, find_design
from crossloom.host.cli import main
from crossloom.host.commands import verify
from crossloom.host.testset import TestImages
from crossloom.sim import (
    Artifact,
    compare,
    differing,
    input_codes,
    load,
    make_golden,
    random_codes,
    random_network,
    run,
    save,
)

DEVICES = [name for name in backends.BACKENDS if name not in ("integer", "board")]
# What a device does not show of a network.
HIDDEN = {"hls-native": lambda edges: set(), "hls4ml": set, "rtl": lambda edges: {"input"}, "virtual": set}
# Every operator between them; hls4ml refuses thresholds in the flat one, LeakyReLU in the leaky one, and time.
RANDOM = {
    "flat": lambda: random_network(27, 6),
    "routed": lambda: expressible_network(1, 5),
    "leaky": lambda: random_network(1009, 5),
    "spiking": lambda: random_network(2016, 5),
}
REFUSED = {("hls4ml", name) for name in ("flat", "leaky", "spiking", "digits-snn", "mnist-snn", "nmnist-snn")}


def shipped(name):
    """A design and the codes of all its test images, or of its golden ones where these do not travel with it."""
    artifact = load(find_design(name))
    images = artifact.golden.images if artifact.golden.inputs is None else artifact.golden.inputs
    return artifact.network, input_codes(artifact.network.input, images)


def agrees(device, network, codes):
    """Assert that one run of a device gives the simulator's answers, and its codes on every edge that it can show."""
    names = list(network.edges)
    wanted = run(network, codes=codes, edges=names)
    backend, _ = backends.open_backend(network, device)
    try:
        found = backend.run(codes, names)
    finally:
        backend.close()
    assert not differing(wanted, found).any()
    assert np.array_equal(found.macs, wanted.macs)
    assert np.array_equal(np.ma.getmaskarray(found.scores), np.ma.getmaskarray(wanted.scores))
    assert np.array_equal(np.ma.filled(found.scores, 0), np.ma.filled(wanted.scores, 0))
    assert set(found.edges) == set(names) - HIDDEN[device](names)
    compared = compare(network, wanted.edges, found.edges)
    assert (compared.total, compared.first) == (0, None)
    assert compared.codes == sum(len(codes) * network.edges[name].image_size for name in found.edges)


def agrees_or_refuses(device, name, network, codes):
    """The same, or a refusal by name where one is known."""
    if (device, name) in REFUSED:
        with pytest.raises(HlsError, match=rf"^{network.name}: node '\w+' \(\w+\)[: ][^\n]*$"):
            agrees(device, network, codes)
        return
    agrees(device, network, codes)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", design_names())
def test_a_shipped_design_is_exact_on_the_test_images_that_travel_with_it(device, name):
    network, codes = shipped(name)
    assert len(codes) in (360, 4)
    agrees_or_refuses(device, name, network, codes)


@pytest.mark.long
@pytest.mark.parametrize("device", ["hls-native", "rtl", "virtual"])
@pytest.mark.parametrize(("name", "count"), [("mnist-snn", 1000), ("nmnist-snn", 100)])
def test_a_shipped_design_is_exact_on_many_test_images(device, name, count):
    network = load(find_design(name)).network
    images, _ = shipped_designs.test_images(name)
    for some in np.array_split(images[:count], count // 50):
        agrees(device, network, input_codes(network.input, some))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", RANDOM)
def test_a_random_network_is_exact(device, name):
    network = RANDOM[name]()
    agrees_or_refuses(device, name, network, random_codes(network, 5, 40))


def with_a_wrong_weight(network, images):
    """The network with one weight of the busiest branch off by one, the first one that changes an answer."""
    wanted, route = run(network, images), network.route
    busy = np.bincount(wanted.branch).argmax()
    nodes = route.branches[busy].nodes
    at = max(i for i, node in enumerate(nodes) if hasattr(node.op, "weight"))
    op = nodes[at].op
    for index, code in enumerate(op.weight.flat):
        weight = op.weight.copy()
        weight.flat[index] += 1 if code < op.weight_type.hi else -1
        changed = (*nodes[:at], replace(nodes[at], op=replace(op, weight=weight)), *nodes[at + 1 :])
        branches = list(route.branches)
        branches[busy] = replace(branches[busy], nodes=changed)
        broken = replace(network, route=replace(route, branches=tuple(branches)))
        if differing(wanted, run(broken, images)).any():
            return broken
    raise AssertionError("no weight matters")


@pytest.mark.parametrize("device", DEVICES)
def test_verify_tells_the_first_difference_of_a_device_with_one_wrong_weight(device, tmp_path, capsys, monkeypatch):
    # A weight is only data to the RTL core above, but an HLS core is compiled again: a small one.
    network = RANDOM["routed"]() if device == "rtl" else expressible_network(10, 3)
    assert network.route
    images = np.random.default_rng(0).integers(0, network.input.levels, (40, *network.input.shape), dtype=np.uint8)
    broken = with_a_wrong_weight(network, images)
    save(Artifact(network, {}, make_golden(network, "random", images, np.zeros(40, np.int64))), tmp_path / "x.loom")
    opened = backends.BACKENDS[device]
    monkeypatch.setitem(backends.BACKENDS, device, lambda given, **how: opened(broken, **how))
    given = TestImages(images, None, np.arange(40), 40)
    data = verify.verify(load(tmp_path / "x.loom"), given, tmp_path, False, [device])
    wanted, wrong = (run(n, images, edges=list(network.edges)) for n in (network, broken))
    shown = {name: wrong.edges[name] for name in network.edges if name not in HIDDEN[device](list(network.edges))}
    answers, codes = differing(wanted, wrong), compare(network, wanted.edges, shown)
    assert data["differences"] == {"golden": 0, device: int(answers.sum()) + codes.total}
    first = f"image {np.flatnonzero(answers)[0]}: scores, branch or label differ"
    assert data["first"] == {device: str(codes.first) if shown else first}
    assert main(["verify", str(tmp_path / "x.loom"), "--devices", device]) == 1
    assert data["first"][device] in capsys.readouterr().out
