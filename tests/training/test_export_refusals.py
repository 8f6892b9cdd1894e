"""Export refuses by name what has no exact integer form, and what would have one after a change."""

import brevitas.nn as qnn
import pytest
import torch
from brevitas.quant import Int32Bias
from brevitas.quant.binary import SignedBinaryActPerTensorConst
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Int8WeightPerTensorFloat
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat
from brevitas_models import CLASSES, VALUES, Applied, act, conv, dense, exported, images, relu, seq
from torch import nn

from crossloom.sim import ExportError
from crossloom.training.batchnorm import fold_batch_norm
from crossloom.training.prove import export_model
from crossloom.training.quantizers import activation_quantizer, weight_quantizer


def _batch_norm():
    return seq(act(), conv(3, 4), nn.BatchNorm2d(4), relu(), nn.Flatten(), dense(144))


REFUSED = {
    "batch norm": (_batch_norm, "2: a batch norm; needed it folded"),
    "float layer": (
        lambda: seq(act(), nn.Conv2d(3, 4, 3), relu(), nn.Flatten(), dense(144)),
        "1: Conv2d has no exact integer form",
    ),
    "float weights": (
        lambda: seq(act(), qnn.QuantConv2d(3, 4, 3, bias=False, weight_quant=None), relu(), nn.Flatten(), dense(144)),
        "1: its weights are not quantized",
    ),
    "float bias": (
        lambda: seq(
            act(),
            qnn.QuantConv2d(3, 4, 3, bias=True, weight_quant=weight_quantizer(4, True)),
            relu(),
            nn.Flatten(),
            dense(144),
        ),
        "1: its bias is not quantized; needed bias_quant=Int32Bias",
    ),
    "float scale of an activation": (
        lambda: seq(
            qnn.QuantIdentity(Int8ActPerTensorFloat, return_quant_tensor=True),
            conv(3, 4),
            relu(),
            nn.Flatten(),
            dense(144),
        ),
        "is no power of two",
    ),
    "float scale of weights": (
        lambda: seq(
            act(),
            qnn.QuantConv2d(3, 4, 3, bias=False, weight_quant=Int8WeightPerTensorFloat),
            relu(),
            nn.Flatten(),
            dense(144),
        ),
        "1: weights of channel 0: scale",
    ),
    "no input quantizer": (
        lambda: seq(conv(3, 4, bias=False), relu(), nn.Flatten(), dense(144)),
        "0: it reads the raw image; put a QuantIdentity first",
    ),
    "a layer on a sum": (
        lambda: seq(act(), conv(3, 4, bias=False), conv(4, 4, bias=False), relu(), nn.Flatten(), dense(64)),
        "2: its input is not quantized",
    ),
    "a dilated pool": (
        lambda: seq(act(), conv(3, 4), relu(), nn.MaxPool2d(2, dilation=2), nn.Flatten(), dense(16)),
        "3: dilation=2; needed 1",
    ),
    "reflected padding": (
        lambda: seq(act(), conv(3, 4, padding=1, padding_mode="reflect"), relu(), nn.Flatten(), dense(256)),
        "1: padding_mode=reflect; needed zeros",
    ),
    "a sigmoid": (
        lambda: seq(act(), conv(3, 4), qnn.QuantSigmoid(), nn.Flatten(), dense(144, bias=False)),
        "2: QuantSigmoid has no exact integer form",
    ),
    "a leaky relu of a hundredth": (
        lambda: seq(act(), conv(3, 4), nn.LeakyReLU(), relu(), nn.Flatten(), dense(144)),
        "2: negative_slope=0.01; needed 2**-1 to 2**-15, whose product is a shift; train with 2**-7",
    ),
    "a leaky relu without a leak": (
        lambda: seq(act(), conv(3, 4), nn.LeakyReLU(0), relu(), nn.Flatten(), dense(144)),
        "2: negative_slope=0; needed 2**-1",
    ),
    "a leaky relu as steep": (
        lambda: seq(act(), conv(3, 4), nn.LeakyReLU(1.0), relu(), nn.Flatten(), dense(144)),
        "2: negative_slope=1.0; needed 2**-1",
    ),
    "a leaky relu hardly leaking": (
        lambda: seq(act(), conv(3, 4), nn.LeakyReLU(2**-16), relu(), nn.Flatten(), dense(144)),
        "whose product is a shift; train with 2**-15",
    ),
    "a leaky relu as a function": (
        lambda: Applied(
            lambda m, x: m.fc(m.q(nn.functional.leaky_relu(m.i(x))).flatten(1)), i=act(), q=act(), fc=dense(192)
        ),
        "leaky_relu: negative_slope=0.01; needed",
    ),
    "a leaky relu of the raw image": (
        lambda: seq(nn.LeakyReLU(0.5), act(), nn.Flatten(), dense(192)),
        "0: it reads the raw image; put a QuantIdentity first",
    ),
    "a layer on a leaky sum": (
        lambda: seq(act(), conv(3, 4), nn.LeakyReLU(0.5), conv(4, 4, bias=False), relu(), nn.Flatten(), dense(64)),
        "3: its input is not quantized",
    ),
    "a softmax": (lambda: seq(act(), nn.Flatten(), dense(192), nn.Softmax(1)), "Softmax has no exact integer form"),
    "a relu as the end": (lambda: seq(act(), nn.Flatten(), dense(192), nn.ReLU()), "its result is not quantized"),
    "binary activations": (
        lambda: seq(
            act(), conv(3, 4), qnn.QuantIdentity(SignedBinaryActPerTensorConst), nn.Flatten(), dense(144, bias=False)
        ),
        "2: ClampedBinaryQuant; needed an integer quantizer of 2 bits or more",
    ),
    "a zero point": (
        lambda: seq(
            qnn.QuantIdentity(ShiftedUint8ActPerTensorFloat, return_quant_tensor=True), nn.Flatten(), dense(192)
        ),
        "0: its zero point is not 0; needed a symmetric quantizer",
    ),
    "scales per channel of an activation": (
        lambda: seq(
            act(),
            conv(3, 4),
            qnn.QuantIdentity(
                activation_quantizer(4, True).let(
                    scaling_per_output_channel=True, per_channel_broadcastable_shape=(1, 4, 1, 1)
                )
            ),
            nn.Flatten(),
            dense(144, bias=False),
        ),
        "2: 4 scales; an activation has one scale",
    ),
    "a rounding up": (
        lambda: seq(
            qnn.QuantIdentity(
                activation_quantizer(4, True).let(float_to_int_impl_type="ceil"), return_quant_tensor=True
            ),
            nn.Flatten(),
            dense(192),
        ),
        "0: rounding ceil; needed ROUND (half to even) or FLOOR",
    ),
    "a second quantizer of the image": (
        lambda: Applied(
            lambda m, x: m.fc((m.a(x).value + m.b(x).value).flatten(1)), a=act(), b=act(5), fc=dense(192, bias=False)
        ),
        "a second quantizer on the image",
    ),
    "an addition of a sum": (
        lambda: Applied(
            lambda m, x: m.fc(m.r(m.a(m.i(x)) + m.i(x).value).flatten(1)),
            i=act(),
            a=conv(3, 3, padding=1),
            r=relu(),
            fc=dense(192),
        ),
        "it adds a sum that is not quantized",
    ),
    "an addition of a number": (
        lambda: Applied(lambda m, x: m.fc(m.r(m.i(x).value + 1.0).flatten(1)), i=act(), r=relu(), fc=dense(192)),
        "it reads 1.0, which is no quantized image",
    ),
    "a multiplication": (
        lambda: Applied(lambda m, x: m.fc(m.r(m.i(x).value * 2).flatten(1)), i=act(), r=relu(), fc=dense(192)),
        "call_function mul has no exact integer form",
    ),
    "a branch on data": (
        lambda: Applied(lambda m, x: m.fc(m.i(x).flatten(1)) if x.sum() > 0 else x, i=act(), fc=dense(192)),
        "torch.fx cannot trace it",
    ),
    "two results": (
        lambda: Applied(lambda m, x: (m.fc(m.i(x).flatten(1)), x), i=act(), fc=dense(192)),
        "it returns tuple; needed the logits alone",
    ),
    "another image size": (lambda: seq(act(), nn.Flatten(), dense(100)), "it does not run on an image of [8, 8, 3]"),
    "too few classes": (
        lambda: seq(act(), nn.Flatten(), dense(192, 4)),
        "has shape [4]; needed [3], one row per class",
    ),
    "concat of different scales": (
        lambda: Applied(
            lambda m, x: m.fc(torch.cat([m.i(x).value, m.q(m.i(x)).value], 1).flatten(1)),
            i=act(),
            q=act(8),
            fc=dense(384, bias=False),
        ),
        "joins fracs",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_form_is_refused_by_name(name):
    build, words = REFUSED[name]
    torch.manual_seed(1)
    model = build()
    if name in ("float scale of an activation", "a zero point"):
        model.train()(torch.randn(4, 3, 8, 8))
    with pytest.raises(ExportError) as caught:
        exported(model)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dead_channel_exports_with_brevitas_own_quantizer_and_with_ours():
    from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint

    def model(quantizer):
        torch.manual_seed(0)
        found = seq(
            act(),
            qnn.QuantConv2d(3, 4, 3, bias=True, weight_quant=quantizer, bias_quant=Int32Bias),
            relu(),
            nn.Flatten(),
            dense(144),
        )
        with torch.no_grad():
            found[1].weight[2] = 0
        return found

    for quantizer in (Int8WeightPerChannelFixedPoint, weight_quantizer(4, True)):
        network, _ = export_model(
            model(quantizer), name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images(count=200)
        )
        assert (network.nodes[0].op.weight[2] == 0).all()


def test_a_folded_batch_norm_exports():
    torch.manual_seed(3)
    model = _batch_norm().train()
    for _ in range(3):
        model(torch.randn(16, 3, 8, 8))
    _, proof = export_model(
        fold_batch_norm(model), name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images()
    )
    assert proof.samples == 1000
