"""NIR files: every writer's dialect, what an import changes, files of ours and back, and each refusal in one line."""

from dataclasses import replace

import nir
import nir_files
import numpy as np
import pytest
from nir_files import NEURONS, conv, dense, lif, of, refused, write

from crossloom.sim import run
from crossloom.sim.identity import weights_sha256
from crossloom.training.importing.importer import RealInputs, import_nir
from crossloom.training.importing.integers import ImportSettings
from crossloom.training.importing.nir_dialects import Unsaid
from crossloom.training.importing.nir_file import read_nir
from crossloom.training.importing.nir_graph import chain_of
from crossloom.training.importing.nir_own import export_nir

WRITERS = sorted(NEURONS)
EXACT = ImportSettings(6, divisor=256.0)  # 6 steps of a leak of 2 bits in 16 guard bits: nothing is ever rounded


def images(shape, count=80):
    rng = np.random.default_rng(2)
    return RealInputs((rng.integers(0, 256, (count, *shape)) * (rng.random((count, *shape)) < 0.6)).astype(np.uint8))


@pytest.fixture(autouse=True)
def by_rule(monkeypatch):
    """Compare with the rules in float64, whatever libraries are installed."""
    monkeypatch.setattr("crossloom.training.importing.running.installed", lambda package: None)


@pytest.mark.parametrize("writer", WRITERS)
def test_the_numbers_of_each_dialect_are_the_same_decay(tmp_path, writer):
    chain = chain_of(read_nir(of(writer, tmp_path / "a.nir")), writer, None, None, Unsaid())
    assert [neuron.name for neuron in chain.neurons] == ["1", "3"]
    for neuron in chain.neurons:
        assert neuron.decay == pytest.approx([0.75], abs=1e-6) and neuron.theta == pytest.approx([1.0], abs=1e-4)
    first = chain.neurons[0]
    rule = first.reset, first.when, first.strict, first.normed, first.most, first.late
    assert (
        rule
        == {
            "snntorch": ("subtract", "next", True, False, 1, False),
            "spikingjelly": ("zero", "now", False, False, 1, False),
            "sinabs": ("subtract", "now", False, True, None, False),
            "norse": ("zero", "now", True, True, 1, False),
            "spyx": ("subtract", "next", True, False, 1, True),
        }[writer]
    )


@pytest.mark.parametrize("encoder", ["direct", "rate"])
@pytest.mark.parametrize("writer", WRITERS)
def test_no_spike_differs_where_the_guard_bits_hold_every_bit_of_the_leaks(tmp_path, writer, encoder):
    nodes = dense(NEURONS[writer], biases=writer != "spyx")
    path = of(writer, tmp_path / "a.nir", nodes)
    settings = replace(EXACT, encoder=encoder)
    found = import_nir(path, writer, settings, images=images((12,)))
    report = found.report()
    assert report["spikes"] > 30 and report["spikes_differing"] == 0
    assert report["rounded"] == ([] if encoder == "direct" or writer else report["rounded"])
    assert report["guard"] == 16 and [layer["name"] for layer in report["layers"]] == ["1", "3"]


@pytest.mark.parametrize("pool", ["avg", "sum"])
@pytest.mark.parametrize("writer", ["snntorch", "spikingjelly", "sinabs", "norse"])
def test_convolutions_pools_and_the_order_of_flattened_channels_come_over(tmp_path, writer, pool):
    pair = np.array([2, 2])
    made = None if pool == "avg" else nir.SumPool2d(pair, pair, np.array([0, 0]))
    path = of(writer, tmp_path / "a.nir", conv(NEURONS[writer], made))
    found = import_nir(path, writer, EXACT, images=images((6, 6, 2)))
    assert found.report()["spikes"] > 400 and found.report()["spikes_differing"] == 0 and found.rounded == ()
    assert found.network.input.shape == (6, 6, 2)


@pytest.mark.parametrize(
    ("shape", "settings", "out"),
    [
        ((4, 1, 3, 3), {"groups": 2, "padding": 1}, (6, 6)),
        ((4, 2, 3, 2), {"stride": np.array([2, 1]), "padding": np.array([0, 1])}, (2, 7)),
        ((4, 2, 2, 2), {"dilation": np.array([2, 3])}, (4, 3)),
        ((4, 2, 4, 3), {"padding": "same"}, (6, 6)),
        ((4, 2, 3, 3), {"padding": "valid"}, (4, 4)),
    ],
)
def test_convolutions_of_every_kind_come_over(tmp_path, shape, settings, out):
    kernel = (np.random.default_rng(1).integers(-20, 28, shape) / 32).astype(np.float32)
    plain = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **settings}
    nodes = conv(NEURONS["snntorch"])
    nodes["conv"] = nir.Conv2d(None, kernel, **plain, bias=np.array([0.25, 0, -0.125, 0.5], np.float32))
    nodes["conv"].input_shape = np.array([6, 6])
    nodes["fires"], nodes["last"] = NEURONS["snntorch"]((4, *out)), nir_files.weights(3, 4 * out[0] * out[1])
    nodes["flat"] = nir.Flatten({"input": np.array([4, *out])}, 0, -1)
    del nodes["pool"]
    found = import_nir(write(tmp_path / "a.nir", nodes), "snntorch", EXACT, images=images((6, 6, 2)))
    assert found.report()["spikes"] > 400 and found.report()["spikes_differing"] == 0


def test_thresholds_and_leaks_of_each_channel_come_over_also_behind_a_flatten(tmp_path):
    theta, tau = np.arange(1.0, 5)[:, None, None] * np.ones((4, 6, 6)), np.ones((4, 6, 6))
    tau *= np.array([1, 2, 2, 1])[:, None, None] * 2e-4
    nodes = conv(NEURONS["snntorch"])
    nodes["fires"] = nir.LIF(tau, tau / 1e-4, 0 * tau, theta, 0 * tau)
    flat = np.arange(36.0) / 32 + 0.25
    nodes = {
        **{name: nodes[name] for name in ("input", "conv", "fires", "pool", "flat")},
        "again": nir_files.lif((36,), 4e-4, 4, 1),
        **{name: nodes[name] for name in ("last", "answer", "output")},
    }
    nodes["again"].v_threshold = flat
    found = import_nir(write(tmp_path / "a.nir", nodes), "snntorch", EXACT, images=images((6, 6, 2)))
    assert found.report()["spikes_differing"] == 0 and all(layer["spikes"] for layer in found.report()["layers"])
    first, second = [node.op for node in found.network.nodes if node.op.kind == "lif"][:2]
    assert first.leak.tolist() == [1, 2, 2, 1] and len(second.theta) == 36
    assert second.theta.tolist() != sorted(second.theta.tolist())  # ours counts channels last
    export_nir(found.network, tmp_path / "b.nir")
    back = import_nir(tmp_path / "b.nir", "crossloom").network
    assert weights_sha256(back) == weights_sha256(found.network)
    assert np.array_equal(nir.read(tmp_path / "b.nir", type_check=False).nodes["again_membrane"].v_threshold, flat)
    theta[0, 0, 0] = 3
    refused(write(tmp_path / "a.nir", nodes), "node 'fires': v_threshold differs within a channel")


@pytest.mark.parametrize(("alpha", "reset"), [(0.0, "subtract"), (0.5, "subtract"), (0.75, "zero")])
def test_a_current_that_decays_is_a_membrane_before_the_membrane(tmp_path, alpha, reset):
    def neurons(shape):
        numbers = {"tau_syn": 1e-4 / (1 - alpha), "tau_mem": 4e-4, "r": 4, "w_in": 1 / (1 - alpha)}
        numbers |= {"v_leak": 0, "v_threshold": 1, "v_reset": 0}
        return nir.CubaLIF(**{key: nir_files.full(shape, value) for key, value in numbers.items()})

    path = write(tmp_path / "a.nir", dense(neurons))
    found = import_nir(path, "snntorch", replace(EXACT, steps=4), unsaid=Unsaid(reset), images=images((12,)))
    assert found.report()["spikes"] > 100 and found.report()["spikes_differing"] == 0
    kinds = [node.op.kind for node in found.network.nodes]
    assert kinds.count("lif") == (4 if alpha else 2)


def test_more_guard_bits_leave_fewer_spikes_that_differ_and_the_report_counts_them(tmp_path):
    path = of("snntorch", tmp_path / "a.nir")
    differing = []
    for guard in (0, 4, 16):
        report = import_nir(path, "snntorch", replace(EXACT, guard=guard, steps=40), images=images((12,), 60)).report()
        assert report["spikes_differing"] == sum(layer["differing"] for layer in report["layers"])
        differing.append(report["spikes_differing"])
    assert differing[0] > differing[1] > differing[2]


def test_weights_off_every_grid_are_rounded_and_said_at_the_bits_asked_for(tmp_path):
    nodes = dense(NEURONS["snntorch"])
    nodes["0"].weight = nodes["0"].weight + np.float32(0.001)
    path = write(tmp_path / "a.nir", nodes)
    for bits, shown in ((None, 16), (5, 5)):
        found = import_nir(path, "snntorch", replace(EXACT, weight_bits=bits))
        (line,) = [line for line in found.rounded if "'0': weights" in line]
        assert f"weights to {shown} bits" in line
    assert found.network.nodes[0].op.weight_type.bits <= 5


@pytest.mark.parametrize("divisor", [255.0, 256.0])
def test_images_from_0_to_1_cost_only_the_first_weights_their_grid(tmp_path, divisor):
    path = of("snntorch", tmp_path / "a.nir")
    found = import_nir(path, "snntorch", replace(EXACT, divisor=divisor, weight_bits=16), images=images((12,)))
    assert len([line for line in found.rounded if "weights" in line]) == (divisor == 255)
    assert found.report()["spikes_differing"] <= (10 if divisor == 255 else 0)


def test_a_reset_that_no_file_says_is_assumed_and_said_or_given(tmp_path):
    path = of("snntorch", tmp_path / "a.nir")
    assert "reset subtract" in import_nir(path, "snntorch", EXACT).assumed[0]
    given = import_nir(path, "snntorch", EXACT, unsaid=Unsaid("zero"), images=images((12,)))
    assert given.assumed == () and given.report()["spikes_differing"] == 0
    assert [node.op.reset for node in given.network.nodes if node.op.kind == "lif"] == ["zero", "zero"]
    refused(path, "--reset none: spikingjelly files have zero", "spikingjelly", unsaid=Unsaid("none"))


def test_a_decay_that_is_no_power_of_two_is_refused_by_name_or_rounded_and_said(tmp_path):
    path = write(tmp_path / "a.nir", dense(lambda shape: lif(shape, 1e-3, 10, 1)))
    refused(path, r"layer '1': decay 0.9 is no 1 - 2\^-k.*--round")
    found = import_nir(path, "snntorch", replace(EXACT, nearest=True))
    assert found.rounded == tuple(f"layer '{name}': decay 0.9 to 1 - 2^-3 = 0.875" for name in "13")


def test_spikes_that_leave_late_shorten_the_run_and_refuse_a_bias_behind_them(tmp_path):
    path = of("spyx", tmp_path / "a.nir", dense(NEURONS["spyx"], biases=False))
    assert import_nir(path, "spyx", EXACT).network.steps == 4
    refused(path, "needed at least 3", "spyx", ImportSettings(2))
    refused(of("spyx", tmp_path / "b.nir"), "layer '2': a bias behind neurons whose spikes leave one step late", "spyx")


def test_integrate_and_fire_and_its_r_are_known_by_writer(tmp_path):
    def neurons(r):
        return lambda shape: nir.IF(*(nir_files.full(shape, value) for value in (r, 1, 0)))

    for writer, r in (("spikingjelly", 1e4), ("sinabs", 1), ("norse", 1)):
        path = of(writer, tmp_path / f"{writer}.nir", dense(neurons(r)))
        found = import_nir(path, writer, EXACT, images=images((12,)))
        assert found.report()["spikes"] > 100 and found.report()["spikes_differing"] == 0
        assert all((node.op.leak == 0).all() for node in found.network.nodes if node.op.kind == "lif")
    refused(
        of("norse", tmp_path / "n.nir", dense(neurons(1))), "node '1': r 1; spikingjelly writes 10000", "spikingjelly"
    )


@pytest.mark.parametrize("readout", ["count", "last", "first"])
def test_each_readout_makes_scores(tmp_path, readout):
    path = of("snntorch", tmp_path / "a.nir")
    network = import_nir(path, "snntorch", replace(EXACT, readout=readout), classes=["a", "b", "c"]).network
    assert network.classes == ("a", "b", "c") and run(network, images((12,)).images).scores.shape == (80, 3)
    assert network.nodes[-1].op.kind == readout
