"""Export looks at what a model computes, not at how it is written: every way of writing a network exports, equal."""

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant import Int32Bias
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
)
from brevitas_models import VALUES, Applied, act, conv, dense, images, relu, seq
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

from crossloom.sim import ExportError, run
from crossloom.training.batchnorm import fold_batch_norm
from crossloom.training.inputs import to_float
from crossloom.training.prove import export_model
from crossloom.training.quantizers import BiasQuant, weight_quantizer


def exports(model, shape=(8, 8, 3), count=150, classes=("a", "b", "c"), flat=False, calibrated=True):
    """Export, and ask the whole network's answer besides the proof's edges."""
    batch = images(shape, count)
    floats = to_float(batch, VALUES)
    floats = floats.flatten(1) if flat else floats
    if calibrated:
        with torch.no_grad():
            model.train()(floats)
    network, proof = export_model(model, name="m", classes=classes, shape=shape, values=VALUES, images=batch)
    assert model.training == calibrated
    if proof.precision != "float32":  # torch's own sums are not exact
        return network
    with torch.no_grad():
        wanted = model.eval()(floats)
    wanted = (wanted.value if hasattr(wanted, "value") else wanted).numpy().reshape(count, -1)
    frac = network.edges[network.output].type.common_frac
    scores = np.ldexp(run(network, batch).scores.astype(np.float64), -frac)
    assert np.array_equal(scores[:, -wanted.shape[1] :], wanted)
    assert len(np.unique(wanted, axis=0)) > 5, "a model that always answers the same proves little"
    return network


class OwnConv(qnn.QuantConv2d):
    """A project's own layer: Brevitas' with other defaults."""

    def __init__(self, inputs, outputs, kernel, **more):
        given = {"weight_quant": weight_quantizer(4, True), "bias_quant": BiasQuant}
        super().__init__(inputs, outputs, kernel, bias=True, **given, **more)


class OwnRelu(qnn.QuantReLU):
    """Another."""

    def __init__(self):
        super().__init__(relu().act_quant.quant_injector, return_quant_tensor=True)


class ConvRelu(OwnConv):
    """One with a forward of its own."""

    def __init__(self, *given):
        super().__init__(*given)
        self.act = relu()

    def forward(self, x):
        return self.act(super().forward(x))


class OwnPool(nn.MaxPool2d):
    """One of torch's."""


def _sizes(m, x):
    n, c, *_ = x.shape
    x = functional.avg_pool2d(m.r(m.c(m.q(x))).value, x.size()[2] // 4)
    x = m.q2(x)
    assert x.dim() == 4 and x.value.ndim == 4 and c == 3
    return m.fc(x.view(n, x.shape[1] * x.size(2) * x.size(-1)))


def _chosen_by_sizes(m, x):
    x = m.r(m.c(m.q(x)))
    while x.shape[-1] > 2:
        x = functional.max_pool2d(x, 2, stride=2)
    return m.fc(x.reshape(x.size(0), -1))


def _global(m, x):
    x = m.r(m.c(m.q(x))).value
    return m.fc(torch.flatten(functional.max_pool2d(x, kernel_size=x.size()[2:]), start_dim=1))


def _squeezed(m, x):
    return m.fc(m.r(m.c(m.q(x))).value.squeeze(-1).squeeze(-1))


def _aliases(m, x):
    x = m.r(m.c(m.q(input=x)))
    return m.fc(input=torch.flatten(input=torch.cat(tensors=[x.value, x.value], dim=1), start_dim=1))


def _axis(m, x):
    x = m.r(m.c(m.q(x)))
    return m.fc(torch.cat([x.value, x.value], axis=1).flatten(start_dim=1))


def _padded_shortcut(m, x):
    x = functional.pad(m.r(m.c(m.q(x))).value, (1, 0, 2, 1))
    return m.fc(m.r2(m.d(x)).flatten(1))


def _padded_sum(m, x):
    a = m.r(m.c(m.q(x))).value
    return m.fc(m.r2(functional.pad(a, (1, 1, 1, 1)) + functional.pad(a, (0, 2, 2, 0))).flatten(1))


def _quantizer_of_half(m, x):
    return m.fc(m.q2(functional.relu6(m.c(m.q(x)))).flatten(1))


def _net(*middle, out, inputs=4):
    return seq(act(8), conv(3, inputs), relu(), *middle, nn.Flatten(), dense(out))


def _parts(**more):
    return {"q": act(8), "c": conv(3, 4), "r": relu(), **more}


def _large_relu6():
    model = seq(act(8), conv(3, 4), nn.ReLU6(), act(4, False), nn.Flatten(), dense(144))
    with torch.no_grad():
        model[1].weight.mul_(30)
    return model


def _clipped_codes():
    def forward(m, x):
        return m.fc(m.r2(m.d(torch.clamp(m.q2(m.c(m.q(x))).value, 0, 0.5))).flatten(1))

    return Applied(forward, q=act(8), c=conv(3, 4), q2=act(5), d=conv(4, 2, bias=False), r2=relu(), fc=dense(32))


def _asserted(m, x):
    assert x.shape[0] > 0 and x.shape[1] == 3
    x = m.r(m.c(m.q(x.float().to(x.device))))
    return m.fc(x.view(-1, x.value.numel() // x.shape[0])) if x.shape[0] != 0 else x


def _pruned():
    model = seq(act(8), conv(3, 4), relu(), nn.Flatten(), dense(144))
    prune.ln_structured(model[1], "weight", amount=2, n=2, dim=0)
    prune.random_unstructured(model[4], "weight", amount=0.5)
    return model


def _quantized_by_the_layer():
    first = qnn.QuantLinear(
        *(192, 5),
        **{"bias": True, "weight_quant": weight_quantizer(4, True), "bias_quant": BiasQuant},
        input_quant=Int8ActPerTensorFixedPoint,
    )
    return seq(nn.Flatten(), first, relu(), dense(5))


MODELS = {
    "asserts and numbers of a batch": lambda: Applied(_asserted, **_parts(fc=dense(144))),
    "pruned by torch": _pruned,
    "flatten before a layer that quantizes": _quantized_by_the_layer,
    "a subclass of a convolution": lambda: seq(act(8), OwnConv(3, 4, 3), relu(), nn.Flatten(), dense(144)),
    "a subclass of an activation": lambda: seq(act(8), conv(3, 4), OwnRelu(), nn.Flatten(), dense(144)),
    "a subclass with a forward of its own": lambda: seq(
        act(8), ConvRelu(3, 4, 3), ConvRelu(4, 4, 3), nn.Flatten(), dense(64)
    ),
    "a subclass of a pool of torch": lambda: _net(OwnPool(2), out=36),
    "numbers from sizes": lambda: Applied(_sizes, **_parts(q2=act(), fc=dense(36))),
    "a loop over sizes": lambda: Applied(_chosen_by_sizes, **_parts(fc=dense(4))),
    "a pool over all of the image": lambda: Applied(_global, **_parts(fc=dense(4, bias=False))),
    "squeeze": lambda: Applied(_squeezed, **_parts() | {"c": conv(3, 4, 8), "fc": dense(4, bias=False)}),
    "arguments by name": lambda: Applied(_aliases, **_parts(fc=dense(288, bias=False))),
    "axis instead of dim": lambda: Applied(_axis, **_parts(fc=dense(288, bias=False))),
    "uneven padding by function": lambda: Applied(
        _padded_shortcut, **_parts(d=conv(4, 2, bias=False), r2=relu(), fc=dense(70))
    ),
    "padding that no layer reads": lambda: Applied(_padded_sum, **_parts(r2=relu(), fc=dense(256))),
    "ZeroPad2d of the image": lambda: seq(
        nn.ZeroPad2d((2, 1, 0, 1)), act(8), conv(3, 4, stride=2), relu(), nn.Flatten(), dense(80)
    ),
    "ZeroPad2d before the flatten": lambda: _net(nn.ZeroPad2d(1), out=256),
    "ZeroPad2d of a sum": lambda: seq(
        act(8), conv(3, 4), nn.ZeroPad2d(1), relu(), conv(4, 2), relu(), nn.Flatten(), dense(72)
    ),
    "ZeroPad2d that cuts": lambda: _net(nn.ZeroPad2d((-1, 0, -2, 1)), out=100),
    "ZeroPad2d before max pooling": lambda: _net(nn.ZeroPad2d(1), nn.MaxPool2d(2), out=64),
    "ZeroPad2d of signed codes before max pooling": lambda: seq(
        act(8), conv(3, 4), act(), nn.ZeroPad2d(1), nn.MaxPool2d(2), nn.Flatten(), dense(64)
    ),
    "average with padding": lambda: _net(nn.AvgPool2d(2, padding=1), act(), out=64),
    "same padding with strides": lambda: _net(conv(4, 4, (3, 2), padding="same", stride=(2, 3)), relu(), out=24),
    "same padding with dilation": lambda: _net(conv(4, 4, 3, padding="same", dilation=2), relu(), out=144),
    "uneven dilation": lambda: _net(conv(4, 4, (2, 3), dilation=(3, 1)), relu(), out=48),
    "dilated groups": lambda: _net(conv(4, 4, 3, dilation=2, groups=4, padding=2), relu(), out=144),
    "ceil mode that changes nothing": lambda: _net(nn.MaxPool2d(2, ceil_mode=True), out=36),
    "ceil mode that pads": lambda: _net(nn.MaxPool2d(4, ceil_mode=True), out=16),
    "ceil mode with padding and strides": lambda: _net(nn.MaxPool2d(3, 2, 1, ceil_mode=True), out=64),
    "ceil mode whose last window is outside": lambda: _net(nn.MaxPool2d(2, 4, 1, ceil_mode=True), out=16),
    "ceil mode of an average": lambda: _net(nn.AvgPool2d(2, ceil_mode=True), act(), out=36),
    "pools of one pixel": lambda: _net(nn.MaxPool2d(1), nn.AvgPool2d(1), nn.AdaptiveAvgPool2d(6), out=144),
    "every other pixel": lambda: _net(nn.MaxPool2d(1, 2), out=36),
    "a pool of one pixel on a sum": lambda: seq(
        act(8), conv(3, 4, 8), nn.AdaptiveAvgPool2d(1), relu(), nn.Flatten(), dense(4)
    ),
    "adaptive max pooling": lambda: _net(nn.AdaptiveMaxPool2d((2, 3)), out=24),
    "the greatest of an image": lambda: Applied(
        lambda m, x: m.fc(torch.amax(m.r(m.c(m.q(x))).value, (-1, -2))),
        **{"q": act(8), "c": conv(3, 4), "r": relu(), "fc": dense(4, bias=False)},
    ),
    "the greatest of sums": lambda: Applied(
        lambda m, x: m.fc(m.r(m.c(m.q(x)).amax(dim=[2, 3], keepdim=True)).flatten(1)),
        **{"q": act(8), "c": conv(3, 4), "r": relu(), "fc": dense(4)},
    ),
    "adaptive pooling that does not divide": lambda: _net(nn.AdaptiveMaxPool2d(5), out=100),
    "adaptive averages that overlap": lambda: _net(nn.AdaptiveAvgPool2d(5), act(), out=100),
    "a mean over 6x6 pixels": lambda: _net(nn.AdaptiveAvgPool2d(1), act(4, False), out=4),
    "a mean over 3x3 pixels of signed codes": lambda: seq(
        act(8), conv(3, 4), act(), nn.AvgPool2d(3), act(), nn.Flatten(), dense(16)
    ),
    "another divisor": lambda: _net(nn.AvgPool2d(2, divisor_override=3), act(), out=36),
    "a pool before the quantizer": lambda: seq(
        act(8), conv(3, 4), nn.MaxPool2d(3, 2, 1), nn.ReLU(), act(4, False), nn.Flatten(), dense(36)
    ),
    "a flatten before the quantizer": lambda: seq(act(8), conv(3, 4), nn.Flatten(), relu(), dense(144)),
    "pool, pad and flatten before the quantizer": lambda: seq(
        act(8), conv(3, 4), nn.MaxPool2d(2), nn.ZeroPad2d(1), nn.Flatten(), relu(), dense(100)
    ),
    "pool and flatten before the image's quantizer": lambda: seq(nn.MaxPool2d(2), nn.Flatten(), act(8), dense(48)),
    "a ReLU of the image": lambda: seq(nn.ReLU(), act(8), nn.Flatten(), dense(192)),
    "ReLU6": _large_relu6,
    "relu6 as a function": lambda: Applied(_quantizer_of_half, q=act(8), c=conv(3, 4), q2=act(), fc=dense(144)),
    "Hardtanh from 0": lambda: seq(act(8), conv(3, 4), nn.Hardtanh(0, 0.4), act(6), nn.Flatten(), dense(144)),
    "a clamp of codes": _clipped_codes,
    "a leaky ReLU between a pool and its quantizer": lambda: seq(
        act(8), conv(3, 4), nn.MaxPool2d(2), nn.LeakyReLU(0.25, inplace=True), nn.Flatten(), act(), dense(36)
    ),
    "a leaky ReLU of padded codes": lambda: seq(
        act(8),
        conv(3, 4),
        act(),
        nn.ZeroPad2d(1),
        nn.LeakyReLU(0.5),
        act(5),
        conv(4, 2),
        relu(),
        nn.Flatten(),
        dense(72),
    ),
    "nn.Flatten before the quantizer": lambda: seq(nn.Flatten(), act(8), dense(192)),
    "view before the quantizer": lambda: Applied(
        lambda m, x: m.fc(m.q(x.view(x.shape[0], -1))), q=act(8), fc=dense(192)
    ),
    "flatten with negative dimensions": lambda: Applied(
        lambda m, x: m.fc(m.r(m.c(m.q(x))).value.flatten(-3, -1)), **_parts(fc=dense(144, bias=False))
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_network_exports_however_it_is_written(name):
    torch.manual_seed(len(name))
    exports(MODELS[name]())


def _classifier(rows, quantizer=None, **more):
    quantizer = weight_quantizer(4, True) if quantizer is None else quantizer
    layer = qnn.QuantLinear(144, 3, bias=True, weight_quant=quantizer, bias_quant=BiasQuant, **more)
    with torch.no_grad():
        for row, factor in enumerate(rows):
            layer.weight[row] *= factor
    return seq(act(8), conv(3, 4), relu(), nn.Flatten(), layer)


@pytest.mark.parametrize("rows", [(1, 1, 1), (4, 1, 1), (1, 0, 1), (1, 1 / 64, 0), (64, 1, 1 / 8)])
@pytest.mark.parametrize("quantizer", ["ours", "Brevitas'"])
def test_logits_with_a_scale_for_each_class_leave_through_one(rows, quantizer):
    torch.manual_seed(3)
    network = exports(_classifier(rows, None if quantizer == "ours" else _four_bits()))
    assert network.edges[network.output].type.common_frac is not None


def _four_bits():
    return Int8WeightPerChannelFixedPoint.let(bit_width=4)


def test_logits_of_a_convolution_with_a_scale_for_each_class_leave_through_one():
    torch.manual_seed(3)
    model = seq(act(8), conv(3, 4), relu(), conv(4, 3, 6), nn.Flatten())
    with torch.no_grad():
        model[3].weight[1] /= 4
    exports(model)


def test_logits_whose_scales_lie_too_far_apart_are_refused_with_the_remedy():
    torch.manual_seed(3)
    with pytest.raises(ExportError, match=r"needed weights of one scale in the last layer: .*weight_quantizer"):
        exports(_classifier((2.0**12, 1, 1), Int8WeightPerChannelFixedPoint))


@pytest.mark.parametrize("bias", [0.3, 0.0, 1e-9, -7.0])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e-6])
def test_a_channel_of_small_weights_or_none_takes_any_scale(scale, bias):
    torch.manual_seed(0)
    given = {"weight_quant": Int8WeightPerChannelFixedPoint, "bias_quant": Int32Bias}
    model = seq(act(8), qnn.QuantConv2d(3, 4, 3, bias=True, **given), relu(), nn.Flatten(), dense(144))
    with torch.no_grad():
        model[1].weight[2] *= scale
        model[1].bias[2] = bias
    exports(model)


@pytest.mark.parametrize("quantizer", [Int8WeightPerTensorFixedPoint, Int8WeightPerChannelFixedPoint, None])
def test_a_layer_that_is_pruned_as_a_whole_exports(quantizer):
    torch.manual_seed(0)
    model = Applied(
        lambda m, x: m.fc(torch.cat([m.r(m.a(m.q(x))), m.r(m.b(m.q(x)))], 1).flatten(1)),
        **{"q": act(8), "a": conv(3, 2), "b": conv(3, 2), "r": relu(), "fc": dense(144)},
    )
    if quantizer is not None:
        model.a = qnn.QuantConv2d(3, 2, 3, bias=True, weight_quant=quantizer, bias_quant=Int32Bias)
    with torch.no_grad():
        model.a.weight.zero_()
    exports(model)


def test_one_logit_answers_for_two_classes_by_its_sign():
    torch.manual_seed(1)
    for model in (
        seq(act(8), nn.Flatten(), dense(192, 1)),
        seq(act(8), conv(3, 1, 8), nn.Flatten()),
    ):
        network = exports(model, classes=("no", "yes"))
        batch = images(count=50)
        with torch.no_grad():
            logit = model(to_float(batch, VALUES))
        logit = logit.value if hasattr(logit, "value") else logit
        assert (run(network, batch).labels == (logit.numpy().ravel() > 0)).all()


def test_one_name_of_one_logit_is_the_class_above_zero_and_a_tie_is_not_it():
    model = seq(act(8), nn.Flatten(), dense(192, 1, bias=False))
    with torch.no_grad():  # the difference of two pixels, often 0
        model[-1].weight.zero_()
        model[-1].weight[0, :2] = torch.tensor([1.0, -1.0])
    network = exports(model, classes=("cat",))
    assert network.classes == ("not cat", "cat")
    batch = images(count=200) % 2 * 128
    with torch.no_grad():
        logit = model(to_float(batch, VALUES))
    logit = (logit.value if hasattr(logit, "value") else logit).numpy().ravel()
    assert min((logit == 0).sum(), (logit > 0).sum(), (logit < 0).sum()) > 20
    assert (run(network, batch).labels == (logit > 0)).all()


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4), (2, 2, 1)])
def test_a_model_on_features_exports(shape):
    torch.manual_seed(2)
    network = exports(seq(act(8), dense(4, 8), relu(), dense(8)), shape=shape, flat=True)
    assert network.input.shape == shape


def test_an_image_of_several_channels_has_no_order_of_its_own_for_a_model_on_features():
    with pytest.raises(ExportError, match=r"it does not run on an image of \[8, 8, 3\]"):
        exports(seq(act(8), dense(192)), calibrated=False)


def test_a_batch_norm_in_a_subclass_is_named_and_folding_keeps_the_mode():
    class Own(nn.BatchNorm2d):
        pass

    with pytest.raises(ExportError, match=r"a batch norm; needed it folded"):
        exports(seq(act(8), conv(3, 4), Own(4), relu(), nn.Flatten(), dense(144)))
    for mode in (True, False):
        model = seq(act(8), conv(3, 4), nn.BatchNorm2d(4), relu(), nn.Flatten(), dense(144)).train(mode)
        model[3].eval()
        modes = [m.training for m in (model, model[0], model[1], model[2], model[3])]
        fold_batch_norm(model)
        assert [m.training for m in (model, model[0], model[1], model[2], model[3])] == modes


def test_wide_layers_are_proved_in_float64():
    torch.manual_seed(0)
    model = seq(act(8), conv(512, 4, 3, bits=8), relu(8), nn.Flatten(), dense(16))
    network = exports(model, shape=(4, 4, 512), count=20)
    assert network.edges["n1"].magnitude >= 1 << 24
