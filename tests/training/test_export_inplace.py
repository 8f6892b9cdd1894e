"""A right network is never accused: in-place forms export as plain ones, chance is named, models stay as they are."""

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas_models import CLASSES, VALUES, Applied, act, built, conv, dense, exported, images, relu, seq
from torch import nn
from torch.nn import functional

from crossloom.sim import ExportError
from crossloom.sim.identity import weights_sha256
from crossloom.training.inputs import to_float
from crossloom.training.prove import compare_torch, export_model, export_routed, prove


def _export(model, count=100, **more):
    given = {"name": "m", "classes": CLASSES, "shape": (8, 8, 3), "values": VALUES, "images": images(count=count)}
    return export_model(model, **given | more)


def _plain(bits=4, signed=True):
    return qnn.QuantIdentity(act(bits, signed).act_quant.quant_injector)


def _net(relu_of, quantizer):
    def forward(m, x):
        return m.fc(m.q2(m.relu_of(m.c(m.q(x)))).flatten(1))

    return Applied(forward, q=act(8), c=conv(3, 4), q2=quantizer, fc=dense(144), relu_of=relu_of)


def _twice(add):
    def forward(m, x):
        x = m.shared(m.c(m.q(x)))
        y = add(m.shared(m.e(x)), x)
        return m.fc(m.r(y + x).flatten(1)) if add is _add_twice else m.fc(m.r(y).flatten(1))

    parts = {"q": _plain(8), "c": conv(3, 4, padding=1, bias=False), "e": conv(4, 4, padding=1, bias=False)}
    return Applied(forward, shared=_plain(), r=relu(), fc=dense(256), **parts)


def _add(a, b):
    return a + b


def _add_twice(a, b):
    return a


def _iadd(a, b):
    a += b
    return a


RELUS = {
    "nn.ReLU(inplace=True)": lambda: nn.ReLU(inplace=True),
    "F.relu(inplace=True)": lambda: lambda x: functional.relu(x, inplace=True),
    "F.relu(x, True)": lambda: lambda x: functional.relu(x, True),
    "torch.relu_": lambda: torch.relu_,
    "x.relu_()": lambda: lambda x: x.relu_(),
    "nn.ReLU6(inplace=True)": lambda: nn.ReLU6(inplace=True),
    "clamp_": lambda: lambda x: x.clamp_(min=0),
}


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("name", RELUS)
def test_a_relu_in_place_exports_as_the_plain_one(name, signed):
    sums = []
    for form in (RELUS[name](), nn.ReLU6() if "6" in name else nn.ReLU()):
        torch.manual_seed(0)
        network, _ = _export(_net(form, act(4, signed)).eval())
        sums.append(weights_sha256(network))
    assert sums[0] == sums[1]


@pytest.mark.parametrize("add", [lambda a, b: a.add_(b), _iadd, lambda a, b: a.__iadd__(b)])
def test_an_addition_in_place_exports_as_the_plain_one(add):
    sums = []
    for form in (add, _add):
        torch.manual_seed(0)
        network, _ = _export(_twice(form).eval())
        sums.append(weights_sha256(network))
    assert sums[0] == sums[1]


def test_what_an_operation_in_place_changed_is_read_as_changed():
    def forward(m, x):
        y = m.c(m.q(x))
        functional.relu(y, inplace=True)  # its result is not taken
        return m.fc(m.q2(y).flatten(1))

    torch.manual_seed(0)
    found = _export(Applied(forward, q=act(8), c=conv(3, 4), q2=act(4), fc=dense(144)))
    torch.manual_seed(0)
    plain = _export(_net(functional.relu, act(4)))
    assert weights_sha256(found[0]) == weights_sha256(plain[0])

    def alias(m, x):
        y = m.c(m.q(x))
        again = y
        y += m.c(m.q(x)) if False else 0
        return m.fc(m.q2(again).flatten(1))

    with pytest.raises(ExportError, match="which is no quantized image"):
        _export(Applied(alias, q=act(8), c=conv(3, 4), q2=act(4), fc=dense(144)))


def test_an_alias_of_what_was_added_to_in_place_is_the_sum():
    def forward(m, x):
        x = m.shared(m.q(x))
        y = m.shared(m.e(x))
        first = y.detach()
        y += x
        return m.fc(m.r(first).flatten(1))

    torch.manual_seed(0)
    parts = {"q": _plain(8), "e": conv(3, 3, padding=1, bias=False), "shared": _plain(), "r": relu(), "fc": dense(192)}
    network, _ = _export(Applied(forward, **parts))
    assert [n.op.kind for n in network.nodes].count("add") == 1


def test_a_trunk_whose_result_a_head_writes_to_is_the_same_for_the_branches():
    torch.manual_seed(0)
    trunk = seq(act(8), conv(3, 4, 5), act(4))
    trunk[2].return_quant_tensor = False
    head = Applied(lambda m, x: m.fc(functional.relu(x, inplace=True).flatten(1)), fc=dense(64, 2, bias=False))
    branches = {name: seq(nn.Flatten(), dense(64, 2, bias=False)) for name in ("low", "high")}
    given = {"name": "m", "classes": CLASSES, "shape": (8, 8, 3), "values": VALUES, "images": images(count=200)}
    _, proof = export_routed(trunk, head, branches, ((0,), (1, 2)), **given)
    assert proof.samples == 200


# -- chance -----------------------------------------------------------------------------------------------------


class _Stubborn(nn.Dropout):
    """Dropout that eval() does not reach."""

    def train(self, mode=True):
        return super().train(True)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            lambda x: functional.dropout(x, 0.3),
            "dropout: dropout that is on in eval mode too; needed it off: F.dropout",
        ),
        (lambda x: functional.dropout(x, p=0.3, training=True), "F.dropout(x, p, self.training)"),
        (lambda x: functional.dropout2d(x), "F.dropout(x, p, self.training)"),
        (lambda x: torch.dropout(x, 0.5, True), "F.dropout(x, p, self.training)"),
        (_Stubborn(0.5), "dropout that is on in eval mode too"),
    ],
)
def test_dropout_that_stays_on_is_named_with_the_remedy(layer, words):
    with pytest.raises(ExportError) as caught:
        _export(_net(layer, relu()))
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layer",
    [
        lambda x: functional.dropout(x, 0.3, False),
        lambda x: functional.dropout(x, 0.0),
        lambda x: functional.dropout(x, training=False, p=0.9),
        nn.Dropout(0.5),
        nn.Dropout2d(0.5),
        nn.Dropout(0.0),
    ],
)
def test_dropout_that_is_off_is_nothing(layer):
    _export(_net(layer, relu()))


def test_a_layer_that_answers_otherwise_each_time_is_named_before_the_network_is_accused():
    model = built("per channel")
    found = exported(model)
    layer = model[1]
    plain = layer.inner_forward_impl

    def noisy(x, weight, bias):
        return plain(x, weight, bias) + torch.randint(0, 2, (6, 1, 1)) * 0.25

    layer.inner_forward_impl = noisy
    with pytest.raises(ExportError, match="1: torch gives other values when run again"):
        prove(found, images(count=300))


def test_a_difference_of_a_torch_model_that_is_sure_of_itself_is_still_a_difference():
    model = built("per channel")
    found = exported(model)
    with torch.no_grad():
        model[1].bias += 1
    with pytest.raises(ExportError, match="the integer network differs from the torch model"):
        prove(found, images(count=50))


# -- what is left behind ----------------------------------------------------------------------------------------


class _Counting(nn.Module):
    """A module that counts its calls, in a number and in a buffer."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.steps += 1
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_mode_state_and_chance_are_the_same_after_a_call(fails):
    torch.manual_seed(0)
    model = seq(act(8), conv(3, 4), nn.Dropout(), relu(), nn.Flatten(), _Counting(), dense(144)).train()
    model(to_float(images(count=32), VALUES))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    calls, chance = model[5].calls, torch.random.get_rng_state()
    if fails:
        with pytest.raises(ExportError):
            _export(model, classes=("a", "b"))
    else:
        _export(model)
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model[5].calls == calls and torch.equal(torch.random.get_rng_state(), chance)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_a_model_that_trains_on_after_the_conversion_is_proved_in_eval_mode():
    model = built("nested")
    found = exported(model)
    model.train()
    assert compare_torch(found, images(count=20)).total == 0
    assert model.training and model[0][2].training


def test_torch_edges_of_an_input_are_those_before_the_model_wrote_to_it():
    def forward(m, x):
        q = m.q(x)
        x.zero_()
        return m.fc(q.flatten(1))

    with pytest.raises(ExportError, match="zero_ has no exact integer form"):
        _export(Applied(forward, q=act(8), fc=dense(192)))
    assert np.isfinite(VALUES).all()
