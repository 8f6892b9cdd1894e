"""Torch models with a library's neurons, stood in for: their forwards, their rules, what is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

import spiking_stand_ins as stand_ins  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from crossloom.sim import ForeignError, load  # noqa: E402
from crossloom.training.importing.importer import RealInputs, import_model, write_imported  # noqa: E402
from crossloom.training.importing.integers import ImportSettings  # noqa: E402

EXACT = ImportSettings(6, divisor=256.0)
SHAPE = (6, 6, 2)


@pytest.fixture(autouse=True)
def libraries(monkeypatch):
    stand_ins.install(monkeypatch)
    torch.manual_seed(3)


def images(count=40, labels=False):
    rng = np.random.default_rng(2)
    pixels = (rng.integers(0, 256, (count, *SHAPE)) * (rng.random((count, *SHAPE)) < 0.6)).astype(np.uint8)
    return RealInputs(pixels, rng.integers(0, 3, count) if labels else None)


def on_grid(model):
    """With weights and biases of some 6 bits, the weights rather positive."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            with torch.no_grad():
                module.weight.copy_(((module.weight + 0.02) * 64).round() / 32)
                if module.bias is not None:
                    module.bias.copy_((module.bias * 32).round() / 32)
    return model


def leaky(**given):
    return stand_ins.Leaky(0.75, 0.5, init_hidden=True, **given)


def multi(**given):
    return stand_ins.LIF(0.75, stand_ins.MultiSpike, stand_ins.MembraneSubtract(), **given)


def single(reset):
    return stand_ins.LIF(0.75, stand_ins.SingleSpike, reset, norm_input=False)


def dense(make, wrap=nn.Sequential, start=1):
    return on_grid(wrap(nn.Flatten(start), nn.Linear(72, 16), make(), nn.Linear(16, 3), make()))


def conv(make, wrap=nn.Sequential):
    first = nn.Conv2d(2, 5, 3, padding=1)
    return on_grid(wrap(first, make(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(45, 3), make()))


def exact(model, settings=EXACT, **more):
    found = import_model(model, settings, shape=SHAPE, images=images(), **more)
    report = found.report()
    assert report["spikes"] > 100 and report["spikes_differing"] == 0 and report["rounded"] == []
    return found


CASES = {
    "snntorch subtract": leaky,
    "snntorch zero": lambda: leaky(reset_mechanism="zero"),
    "snntorch none": lambda: leaky(reset_mechanism="none"),
    "spikingjelly default": lambda: stand_ins.LIFNode(4.0, v_threshold=0.25),
    "spikingjelly soft": lambda: stand_ins.LIFNode(4.0, False, v_reset=None),
    "norse": lambda: stand_ins.LIFBoxCell(stand_ins.reset_value),
    "norse subtract": lambda: stand_ins.LIFBoxCell(stand_ins.reset_subtract),
}


@pytest.mark.parametrize("encoder", ["direct", "rate"])
@pytest.mark.parametrize("kind", [dense, conv])
@pytest.mark.parametrize("case", CASES)
def test_a_model_and_its_integers_spike_alike(case, kind, encoder):
    wrap = stand_ins.SequentialState if case.startswith("norse") else nn.Sequential
    found = exact(kind(CASES[case], wrap), replace(EXACT, encoder=encoder))
    assert found.writer == case.partition(" ")[0]


@pytest.mark.parametrize(
    "make", [multi, lambda: single(stand_ins.MembraneSubtract()), lambda: single(stand_ins.MembraneReset())]
)
def test_a_model_over_all_steps_at_once_and_its_integers_spike_alike(make):
    exact(dense(make, start=2))


@pytest.mark.parametrize("kind", [dense, conv])
def test_events_are_images_with_steps(kind):
    rng = np.random.default_rng(2)
    events = RealInputs((rng.poisson(0.7, (40, 6, *SHAPE))).astype(np.uint8))
    settings = replace(EXACT, encoder="events", divisor=1.0)
    found = import_model(kind(leaky), settings, shape=SHAPE, images=events)
    assert found.report()["spikes"] > 500 and found.report()["spikes_differing"] == 0
    assert found.network.input.image_shape == (6, *SHAPE)


class Loop(nn.Module):
    """A forward with its own loop and states, as snnTorch's tutorials write it."""

    def __init__(self, reverse=False):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(72, 16), stand_ins.Leaky(0.75, 0.5)
        self.fc2, self.lif2 = nn.Linear(16, 3), stand_ins.Leaky(0.5, 0.5)
        self.reverse = reverse

    def forward(self, x):
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        x, found = x.view(x.size(0), -1), []
        for _ in range(6):
            spikes, mem1 = self.lif1(self.fc1(x), mem1)
            spikes, mem2 = self.lif2(self.fc2(spikes), mem2)
            found.append(spikes)
        return torch.stack(found, 0), mem2


class AllSteps(nn.Module):
    """A forward over all steps at once, as SpikingJelly's examples write it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(2),
            nn.Linear(72, 16),
            stand_ins.LIFNode(4.0, v_threshold=0.25),
            nn.Linear(16, 3),
            stand_ins.LIFNode(4.0, v_threshold=0.25),
        )
        self.layers[2].step_mode = self.layers[4].step_mode = "m"

    def forward(self, x):
        return self.layers(x.unsqueeze(0).repeat(6, 1, 1, 1, 1)).mean(0)


class OneStep(nn.Module):
    """A forward of one step with functions between layers, a batch norm, and a view."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.first = nn.Conv2d(2, 5, 3, bias=False), nn.BatchNorm2d(5, eps=0.0), leaky()
        self.drop, self.last, self.second = nn.Dropout(0.5), nn.Linear(20, 3), leaky()
        self.norm.running_var.fill_(0.25)
        self.norm.running_mean.fill_(0.125)

    def forward(self, x):
        x = F.max_pool2d(self.first(self.norm(self.conv(x))), 2)
        return self.second(self.last(torch.flatten(self.drop(x), 1)))


def test_forwards_with_loops_states_functions_and_batch_norms_are_traced():
    assert [layer["name"] for layer in exact(on_grid(Loop())).report()["layers"]] == ["lif1", "lif2"]
    assert [layer["name"] for layer in exact(on_grid(AllSteps())).report()["layers"]] == ["layers.2", "layers.4"]
    found = exact(on_grid(OneStep()))
    kinds = [node.op.kind for node in found.network.nodes]
    assert kinds == ["conv2d", "lif", "threshold", "maxpool", "flatten", "dense", "lif", "threshold", "count"]
    with pytest.raises(ForeignError, match="the model's forward takes 6; needed as many"):
        import_model(Loop(), ImportSettings(7), shape=SHAPE)


def test_a_model_is_as_it_was_afterwards():
    model = conv(leaky)
    model.train()
    model[1].mem = kept = torch.ones(3)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    exact(model)
    assert model.training and model[1].mem is kept
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_pools_before_neurons_and_windows_of_any_size_come_over():
    for pool in (nn.AvgPool2d(2), nn.MaxPool2d(2)):
        model = nn.Sequential(nn.Conv2d(2, 5, 3), pool, leaky(), nn.Flatten(), nn.Linear(20, 3), leaky())
        exact(on_grid(model))
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), leaky(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(20, 3), leaky()
    )
    found = import_model(on_grid(model), replace(EXACT, weight_bits=16), shape=SHAPE, images=images()).report()
    assert found["spikes_differing"] < found["spikes"] / 500 and "'4': weights to" in found["rounded"][0]


def test_a_last_layer_without_neurons_answers_with_the_sum_of_its_steps():
    model = on_grid(nn.Sequential(nn.Flatten(), nn.Linear(72, 16), leaky(), nn.Linear(16, 3)))
    found = import_model(model, EXACT, shape=SHAPE, images=images(labels=True))
    assert found.report()["accuracy"] == found.report()["accuracy_original"] is not None
    assert found.assumed == ("layer '3': its sums over all steps are the answer",)


def test_decays_that_were_learned_are_refused_or_rounded_and_the_spikes_that_differ_are_counted():
    model = on_grid(nn.Sequential(nn.Flatten(), nn.Linear(72, 3), stand_ins.Leaky(0.8, 0.5, init_hidden=True)))
    with pytest.raises(ForeignError, match=r"layer '2': decay 0.8 is no 1 - 2\^-k"):
        import_model(model, EXACT, shape=SHAPE)
    found = import_model(model, replace(EXACT, nearest=True), shape=SHAPE, images=images()).report()
    assert found["spikes_differing"] > 0 and found["rounded"] == ["layer '2': decay 0.8 to 1 - 2^-2 = 0.75"]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: leaky(reset_delay=False), "layer '1': reset_mechanism='subtract' with reset_delay=False"),
        (lambda: leaky(inhibition=True), "layer '1': inhibition=True"),
        (lambda: leaky(state_quant=True), "layer '1': state_quant"),
        (lambda: leaky(graded_spikes_factor=2.0), "layer '1': graded_spikes_factor"),
        (lambda: stand_ins.Leaky(0.75, float("nan"), init_hidden=True), "layer '1': threshold is nan"),
        (lambda: stand_ins.Lapicque(0.75), "no layer of neurons that has an integer form, of snnTorch"),
        (lambda: stand_ins.LIFNode(4.0, v_reset=0.5), "layer '1': v_reset 0.5; needed 0"),
        (lambda: multi(min_v_mem=torch.tensor(-1.0)), "layer '1': min_v_mem -1"),
        (
            lambda: stand_ins.LIF(0.75, stand_ins.MultiSpike, stand_ins.MembraneReset()),
            "layer '1': MembraneReset with MultiSpike",
        ),
        (lambda: stand_ins.LIF(0.75, len, stand_ins.MembraneReset()), "layer '1': spike_fn len"),
        (lambda: stand_ins.LIF(0.75, stand_ins.MultiSpike, max), "layer '1': reset_fn"),
        (lambda: stand_ins.LIFBoxCell(max), "layer '1': reset_method max"),
        (lambda: stand_ins.LIFBoxCell(stand_ins.reset_value, v_leak=torch.tensor(0.1)), "layer '1': v_leak 0.1"),
    ],
)
def test_an_option_that_no_operator_has_is_refused_by_name(make, match):
    with pytest.raises(ForeignError, match=match):
        import_model(nn.Sequential(nn.Linear(4, 3), make()), EXACT, shape=(4,))


class Asks(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(72, 3), leaky()

    def forward(self, x):
        return self.lif(self.fc(x)) if x.sum() > 0 else x


class Adds(Asks):
    def forward(self, x):
        return self.lif(torch.sigmoid(self.fc(x.flatten(1))))


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (lambda: nn.Linear(72, 3), "no layer of neurons"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.ReLU(), leaky()), "layer '2': a ReLU has no place"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.Linear(3, 3), leaky()),
            "layer '2': weights right after",
        ),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(70, 3), leaky()),
            "layer '1': reads 70 values.* has 72; needed as many",
        ),
        (lambda: nn.Sequential(nn.BatchNorm2d(2), leaky()), "layer '0': a batch norm that follows no weights"),
        (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding_mode="circular", padding=1), leaky()), "padding_mode"),
        (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), leaky()), "an answer of shape"),
        (lambda: nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), leaky()), "layer '0': ceil_mode"),
        (Asks, "torch.fx cannot trace its forward"),
        (Adds, "model: sigmoid has no place between spiking layers"),
        (dict, "model: dict; needed an nn.Module"),
    ],
)
def test_a_model_without_an_integer_form_is_refused_by_name(model, match):
    with pytest.raises(Exception, match=match) as error:
        import_model(model(), EXACT, shape=SHAPE)
    assert "\n" not in str(error.value)


def test_neurons_that_stand_twice_are_refused():
    shared = leaky()
    with pytest.raises(ForeignError, match="stands twice"):
        import_model(nn.Sequential(nn.Flatten(), nn.Linear(72, 3), shared, nn.Linear(3, 3), shared), EXACT, shape=SHAPE)


def test_an_artifact_carries_what_was_measured_and_golden_vectors_of_the_images(tmp_path):
    given = replace(images(labels=True), dataset="made up")
    found = import_model(conv(leaky), EXACT, shape=SHAPE, images=given, name="Its Name")
    artifact = write_imported(found, tmp_path / "a.loom", given)
    back = load(tmp_path / "a.loom")
    assert back.sha256 == artifact.sha256 and back.network.name == "its-name"
    assert back.info["imported"]["spikes_differing"] == 0 and back.info["imported"]["writer"] == "snntorch"
    assert back.info["accuracy"]["value"] == found.report()["accuracy"]
    assert back.golden.dataset == "made up" and back.golden.vectors == 40
    with pytest.raises(ForeignError, match="images: uint8"):
        write_imported(found, tmp_path / "b.loom", RealInputs(given.images[:, 1:]))
