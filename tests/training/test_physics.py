"""Arrays in the forward pass: the values that the array simulator gives, gradients of the exact layers."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from crossloom.host import find_design  # noqa: E402 - after the skip
from crossloom.sim import load, run  # noqa: E402
from crossloom.sim.crossbar import ArraySpec, Physics, build_network, plan_network  # noqa: E402
from crossloom.sim.errors import ConfigError, ExportError  # noqa: E402
from crossloom.training.data.digits import digits  # noqa: E402
from crossloom.training.data.regroup import exclude  # noqa: E402
from crossloom.training.evaluation import assess  # noqa: E402
from crossloom.training.inputs import to_float  # noqa: E402
from crossloom.training.physics import OnArrays, fine_tune  # noqa: E402
from crossloom.training.prove import convert_model  # noqa: E402
from crossloom.training.restore import restore  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

IDEAL = ArraySpec(adc_bits=None), Physics(rho=0.0)
LOSSY = {
    "as it is": (ArraySpec(), Physics(rho=2e-3)),
    "gains and an order": (ArraySpec(gain=True, order="swann"), Physics(rho=1e-3)),
    "variation": (ArraySpec(active_rows=32), Physics(rho=1e-3, variation=True, seed=3)),
}


def on_arrays(name, spec, physics):
    """A shipped design's Brevitas model with its arrays, its artifact and its input table."""
    artifact = load(find_design(name))
    found, network = restore(artifact), artifact.network

    def convert():
        return convert_model(found.model, network.name, network.classes, network.input.shape, found.values)

    arrays = OnArrays(found.model, convert, spec, physics, artifact.golden.inputs[:20])
    arrays.refresh()
    return arrays, artifact, found.values


def scores(arrays, images, values):
    with torch.no_grad(), arrays.reading():
        return arrays.model.eval()(to_float(images, values)).numpy()


@pytest.mark.parametrize("case", LOSSY)
@pytest.mark.parametrize("name", ["digits-cnn", "digits-sha"])
def test_the_torch_model_gives_the_codes_that_the_array_simulator_gives(name, case):
    spec, physics = LOSSY[case]
    arrays, artifact, values = on_arrays(name, spec, physics)
    network, images = artifact.network, artifact.golden.inputs[20:60]
    built = build_network(plan_network(network, spec, artifact.golden.inputs[:20]), physics).network
    wanted, found = run(built, images), scores(arrays, images, values)
    assert not np.array_equal(np.ma.filled(wanted.scores, 0), np.ma.filled(run(network, images).scores, 0))
    for row in range(len(images)):
        bank = 0 if wanted.branch is None else int(wanted.branch[row])
        edges = network.edges if network.route is None else network.branch_edges[bank]
        output = network.output if network.route is None else network.route.output
        absent = np.isinf(found[row])
        assert np.array_equal(absent, np.ma.getmaskarray(wanted.scores)[row])
        codes = np.ldexp(np.where(absent, 0, found[row]), edges[output].type.common_frac)
        assert np.array_equal(codes, np.ma.filled(wanted.scores, 0)[row])


@pytest.mark.parametrize("name", ["digits-cnn", "digits-sha"])
def test_on_ideal_arrays_values_and_gradients_are_those_of_the_exact_model(name):
    arrays, artifact, values = on_arrays(name, *IDEAL)
    images = to_float(artifact.golden.inputs[:16], values)
    labels = torch.from_numpy(artifact.golden.labels[:16].copy())
    found = []
    for context in (nullcontext(), arrays.reading()):
        with context:
            loss, _, _ = assess(arrays.model.train(), images, labels, 0.1, 0.5)
        grads = torch.autograd.grad(loss, arrays.model.learned_parameters(), allow_unused=True)
        found.append((loss.detach(), grads))
    assert torch.equal(found[0][0], found[1][0])
    assert all(a is b or torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))
    assert any(g is not None and bool(g.abs().sum() > 0) for g in found[0][1])


def test_gradients_reach_every_layer_through_lossy_arrays_and_nothing_stays_hooked():
    arrays, artifact, values = on_arrays("digits-cnn", *LOSSY["as it is"])
    images, labels = to_float(artifact.golden.inputs[:16], values), torch.from_numpy(artifact.golden.labels[:16].copy())
    exact = arrays.model.eval()(images).detach()
    with arrays.reading():
        loss, _, _ = assess(arrays.model.train(), images, labels, 0.0, 0.5)
        loss.backward()
    for module in arrays.layers:
        assert bool(module.weight.grad.abs().sum() > 0)
    assert torch.equal(arrays.model.eval()(images), exact)


def test_a_network_learns_around_what_its_wires_take_away():
    done = []
    artifact = load(find_design("digits-cnn"))
    tuned = fine_tune(artifact, digits(), ArraySpec(), Physics(rho=2e-3), epochs=1, progress=done.append)
    assert done == list(range(1, 22))
    assert tuned.before < 0.75 and tuned.after > tuned.before + 0.1
    again = build_network(plan_network(tuned.exported.network, ArraySpec()), Physics(rho=2e-3)).network
    right = run(again, artifact.golden.inputs).labels == artifact.golden.labels
    assert right.mean() == tuned.after


def test_what_cannot_be_tuned_is_refused_in_one_line():
    artifact = load(find_design("digits-cnn"))
    bare = replace(artifact, info={})
    for error, words, args, more in (
        (ConfigError, "other classes than digits-cnn's", (artifact, exclude(digits(), ["3"])), {}),
        (ConfigError, "epochs 0; needed at least 1", (artifact, digits()), {"epochs": 0}),
        (ExportError, "its recipe: missing", (bare, digits()), {}),
    ):
        with pytest.raises(error, match=words) as caught:
            fine_tune(*args, ArraySpec(), Physics(), **more)
        assert "\n" not in str(caught.value)
