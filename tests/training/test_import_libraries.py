"""The spiking libraries themselves beside their integers, where they are installed: every class and option.

6 steps of a leak of 2 bits fit the 16 guard bits, and weights lie on a grid, so that no spike may differ.
"""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("nir", reason="nir is not installed")

from nir_files import NEURONS, SIX, conv, dense, of  # noqa: E402
from torch import nn  # noqa: E402

from crossloom.training.importing.importer import RealInputs, import_model, import_nir  # noqa: E402

SHAPE = (6, 6, 2)


def need(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"a spiking library is not installed: {package}")


def leaky(beta=0.75, **given):
    import snntorch as snn

    return lambda: snn.Leaky(beta=beta, threshold=0.5, init_hidden=True, **given)


def synaptic(alpha, **given):
    import snntorch as snn

    return lambda: snn.Synaptic(alpha=alpha, beta=0.75, threshold=0.5, init_hidden=True, **given)


def snntorch_neurons():
    for delay in (True, False):
        for reset in ("subtract", "zero", "none"):
            if delay or reset != "subtract":
                yield leaky(reset_mechanism=reset, reset_delay=delay)
                yield synaptic(0.0, reset_mechanism=reset, reset_delay=delay)
                yield synaptic(0.5, reset_mechanism=reset, reset_delay=delay)


def spikingjelly_neurons():
    from spikingjelly.activation_based import neuron

    for v_reset in (0.0, None):
        for decay_input in (True, False):
            yield lambda d=decay_input, v=v_reset: neuron.LIFNode(4.0, d, v_threshold=0.25, v_reset=v)
        yield lambda v=v_reset: neuron.ParametricLIFNode(4.0, v_threshold=0.25, v_reset=v)
        yield lambda v=v_reset: neuron.IFNode(v_reset=v)
        yield lambda v=v_reset: neuron.CUBALIFNode(0.5, 0.75, v_reset=v)


def sinabs_neurons():
    import sinabs.activation as activation
    import sinabs.layers as layers

    def made(kind, **given):
        layer = kind(tau_mem=10.0, train_alphas=True, spike_threshold=torch.tensor(0.5), num_timesteps=6, **given)
        layer.alpha_mem.data = torch.tensor(0.75)
        if given.get("tau_syn"):
            layer.alpha_syn.data = torch.tensor(0.5)
        return layer

    reset = activation.MembraneReset()
    for norm in (True, False):
        yield lambda n=norm: made(layers.LIFSqueeze, norm_input=n)
        yield lambda n=norm: made(layers.LIFSqueeze, norm_input=n, spike_fn=activation.SingleSpike)
        yield lambda n=norm: made(layers.LIFSqueeze, norm_input=n, spike_fn=activation.SingleSpike, reset_fn=reset)
        yield lambda n=norm: made(layers.LIFSqueeze, norm_input=n, spike_fn=activation.MaxSpike(2))
        yield lambda n=norm: made(layers.LIFSqueeze, norm_input=n, tau_syn=5.0)
    yield lambda: layers.IAFSqueeze(num_timesteps=6)


def norse_neurons():
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract, reset_value

    def made(method):
        p = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(256.0), v_th=torch.tensor(0.25), reset_method=method)
        return norse.LIFBoxCell(p, dt=1 / 1024)

    yield lambda: made(reset_value)
    yield lambda: made(reset_subtract)
    yield norse.IAFCell


LIBRARIES = {
    "snntorch": snntorch_neurons,
    "spikingjelly": spikingjelly_neurons,
    "sinabs": sinabs_neurons,
    "norse": norse_neurons,
}


def models(library, make):
    wrap = nn.Sequential
    if library == "norse":
        import norse.torch as norse

        wrap = norse.SequentialState
    yield wrap(nn.Flatten(), nn.Linear(72, 16), make(), nn.Linear(16, 3), make())
    first = nn.Conv2d(2, 5, 3, padding=1)
    yield wrap(first, make(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(45, 3), make())


def on_grid(model):
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            with torch.no_grad():
                module.weight.copy_(((module.weight + 0.02) * 64).round() / 32)
                module.bias.copy_((module.bias * 32).round() / 32)
    return model.eval()


def images(shape):
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (40, *shape)) * (rng.random((40, *shape)) < 0.6)
    return RealInputs(pixels.astype(np.uint8), rng.integers(0, 3, 40))


@pytest.mark.parametrize("library", [pytest.param(name, marks=need(name)) for name in LIBRARIES])
def test_no_spike_of_any_class_or_option_differs(library):
    torch.manual_seed(3)
    for number, make in enumerate(LIBRARIES[library]()):
        for model in models(library, make):
            report = import_model(on_grid(model), replace(SIX, most=100), shape=SHAPE, images=images(SHAPE)).report()
            assert report["spikes"] > 50, number
            assert (report["spikes_differing"], report["rounded"]) == (0, []), number
            assert report["accuracy"] == report["accuracy_original"]


@pytest.mark.parametrize("library", [pytest.param(name, marks=need(name)) for name in LIBRARIES])
def test_a_file_is_compared_with_neurons_of_the_library_that_wrote_it(library, tmp_path):
    for nodes, shape in ((dense(NEURONS[library]), (12,)), (conv(NEURONS[library]), SHAPE)):
        path = of(library, tmp_path / "a.nir", nodes)
        report = import_nir(path, library, SIX, images=images(shape)).report()
        assert report["against"].startswith("neurons of") and report["spikes_differing"] == 0


def written(library, path):
    """A dense model of a library that its own exporter wrote as NIR, and the model."""
    pytest.importorskip("nirtorch", reason="a spiking library is not installed: nirtorch")
    import nir

    torch.manual_seed(3)
    if library == "spikingjelly":
        from spikingjelly.activation_based import functional, neuron
        from spikingjelly.activation_based.nir_exchange import export_to_nir

        model, _ = models(library, lambda: neuron.LIFNode(4.0, v_threshold=0.25))
        export_to_nir(on_grid(model), torch.zeros(1, 2, 6, 6), path)
        functional.reset_net(model)
        return model
    if library == "snntorch":
        from snntorch.export_nir import export_to_nir

        model, _ = models(library, leaky())
        for layer, size in ((2, 16), (4, 3)):  # its exporter needs a number for each neuron
            model[layer] = leaky(beta=torch.full((size,), 0.75))()
            model[layer].threshold = torch.full((size,), 0.5)
        nir.write(path, export_to_nir(on_grid(model), torch.zeros(1, 2, 6, 6), ignore_dims=[0]))
        return model
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def cell(size):
        numbers = {"tau_mem_inv": 250.0, "v_th": 0.25, "v_leak": 0.0, "v_reset": 0.0}
        p = norse.LIFBoxParameters(**{key: torch.full((size,), value) for key, value in numbers.items()})
        return norse.LIFBoxCell(p)

    model = on_grid(norse.SequentialState(nn.Linear(72, 16), cell(16), nn.Linear(16, 3), cell(3)))
    nir.write(path, to_nir(model, torch.zeros(1, 72)))
    return model


@pytest.mark.parametrize("library", [pytest.param(name, marks=need(name)) for name in LIBRARIES if name != "sinabs"])
def test_what_a_library_writes_is_read_with_the_rule_of_the_model(library, tmp_path):
    model = written(library, tmp_path / "a.nir")
    shape = (72,) if library == "norse" else SHAPE
    file = import_nir(tmp_path / "a.nir", library, SIX, images=images(shape))
    module = import_model(model, SIX, shape=shape, images=images(shape))
    assert file.report()["spikes"] == module.report()["spikes"] > 50
    assert file.report()["spikes_differing"] == module.report()["spikes_differing"] == 0
