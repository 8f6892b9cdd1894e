"""Brevitas models of every kind that exports, and what they are built of."""

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant import Int16Bias, Int32Bias
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import nn
from torch.nn import functional

from crossloom.training.export import convert
from crossloom.training.quantizers import BiasQuant, activation_quantizer, weight_quantizer

VALUES = ((np.arange(256) / 255 - 0.45) / 0.3).astype(np.float32)[:, None]
CLASSES = ("a", "b", "c")


def images(shape=(8, 8, 3), count=1000):
    rng = np.random.default_rng(5)
    found = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    found[0], found[1] = 0, 255
    return found


def act(bits=4, signed=True):
    return qnn.QuantIdentity(activation_quantizer(bits, signed), return_quant_tensor=True)


def relu(bits=4):
    return qnn.QuantReLU(activation_quantizer(bits, False), return_quant_tensor=True)


def conv(inputs, outputs, kernel=3, bits=4, channel=True, bias=True, **options):
    return qnn.QuantConv2d(
        inputs,
        outputs,
        kernel,
        bias=bias,
        weight_quant=weight_quantizer(bits, channel),
        bias_quant=BiasQuant if bias else None,
        **options,
    )


def dense(inputs, outputs=3, bits=4, bias=True):
    return qnn.QuantLinear(
        inputs, outputs, bias=bias, weight_quant=weight_quantizer(bits, False), bias_quant=BiasQuant if bias else None
    )


class Applied(nn.Module):
    """A model whose forward is a function of itself."""

    def __init__(self, forward, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def seq(*modules):
    return nn.Sequential(*modules)


def _residual(m, x):
    a = m.ra(m.a(m.inp(x)))
    b = m.qb(m.b(a))
    return m.fc(m.r(a.value + b.value).flatten(1))


def _concat(m, x):
    x = m.inp(x)
    both = torch.cat([m.q(m.r(m.a(x))), m.q(m.rb(m.b(x)))], dim=1)
    return m.fc(functional.max_pool2d(both, 2).reshape(both.shape[0], -1))


def _two_flats(m, x):
    x = m.inp(x)
    parts = [m.q(m.a(x)).value.flatten(1), m.q(m.b(x)).value.flatten(1)]
    return m.fc(m.q2(torch.cat(parts, 1)))


def _functional(m, x):
    x = functional.relu(m.a(m.inp(x)))
    x = functional.avg_pool2d(m.q(x).value, 2)
    x = functional.dropout(m.q2(x).value, 0.5, m.training)
    x = m.q3(functional.adaptive_avg_pool2d(x, (1, 1)))
    return m.fc(x.view(x.size(0), -1))


def _mean(m, x):
    return m.fc(m.q2(m.q(m.a(m.inp(x))).value.mean((2, 3))))


def _eltwise(m, x):
    x = m.inp(x)
    return m.fc(m.add(m.r(m.a(x)), m.rb(m.b(x))).flatten(1))


def _signed_relu(m, x):
    return m.fc(torch.relu(m.q(m.a(m.inp(x)))).flatten(1))


def _leaky(m, x):
    x = functional.leaky_relu(m.inp(x), negative_slope=0.25)
    x = functional.leaky_relu(m.r(m.a(m.q(x))), 2**-4)
    return m.fc(m.q(x).flatten(1))


def _eltwise_add():
    fixed = {"input_quant": Uint8ActPerTensorFixedPoint, "output_quant": Int8ActPerTensorFixedPoint}
    return qnn.QuantEltwiseAdd(**fixed, return_quant_tensor=True)


MODELS = {
    "per channel": lambda: seq(act(), conv(3, 6, padding=1), relu(), nn.Flatten(), dense(384)),
    "per tensor": lambda: seq(act(), conv(3, 6, channel=False), relu(), nn.Flatten(), dense(216)),
    "two bits": lambda: seq(
        act(2), conv(3, 6, bits=2), relu(2), conv(6, 4, bits=2), act(2), nn.Flatten(), dense(64, bits=2)
    ),
    "eight bits": lambda: seq(
        act(8), conv(3, 4, bits=8), relu(8), conv(4, 4, bits=8), act(8), nn.Flatten(), dense(64, bits=8)
    ),
    "three and five bits": lambda: seq(act(5), conv(3, 4, bits=3), relu(5), nn.Flatten(), dense(144, bits=5)),
    "no bias": lambda: seq(act(), conv(3, 6, bias=False), relu(), nn.Flatten(), dense(216, bias=False)),
    "depthwise": lambda: seq(
        act(), conv(3, 6, groups=3, padding=1), relu(), conv(6, 6, groups=6), act(), nn.Flatten(), dense(216)
    ),
    "groups": lambda: seq(act(), conv(3, 4), relu(), conv(4, 6, groups=2), relu(), nn.Flatten(), dense(96)),
    "strides and uneven kernels": lambda: seq(
        act(), conv(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), relu(), nn.Flatten(), dense(112)
    ),
    "same padding": lambda: seq(act(), conv(3, 4, (2, 3), padding="same"), relu(), nn.Flatten(), dense(256)),
    "valid padding": lambda: seq(act(), conv(3, 4, padding="valid"), relu(), nn.Flatten(), dense(144)),
    "max pool with padding": lambda: seq(act(), conv(3, 4), act(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), dense(36)),
    "average pool": lambda: seq(
        act(),
        conv(3, 4, padding=1),
        relu(),
        nn.AvgPool2d(2),
        act(),
        nn.AvgPool2d((1, 4)),
        act(),
        nn.Flatten(),
        dense(16),
    ),
    "global average": lambda: seq(
        act(), conv(3, 4, padding=1), relu(), nn.AdaptiveAvgPool2d(1), act(), nn.Flatten(), dense(4)
    ),
    "truncating average": lambda: seq(
        act(), conv(3, 4, padding=1), relu(), qnn.TruncAvgPool2d(2, bit_width=4), nn.Flatten(), dense(64)
    ),
    "flooring average": lambda: seq(
        act(),
        conv(3, 4, padding=1),
        relu(),
        qnn.TruncAvgPool2d(2, bit_width=3, float_to_int_impl_type="floor"),
        nn.Flatten(),
        dense(64),
    ),
    "floor rounding": lambda: seq(
        act(),
        conv(3, 4),
        qnn.QuantIdentity(activation_quantizer(4, True).let(float_to_int_impl_type="floor"), return_quant_tensor=True),
        nn.Flatten(),
        dense(144),
    ),
    "quantizers of Brevitas": lambda: seq(
        qnn.QuantIdentity(Int8ActPerTensorFixedPoint, return_quant_tensor=True),
        qnn.QuantConv2d(3, 4, 3, bias=True, weight_quant=Int8WeightPerTensorFixedPoint, bias_quant=Int16Bias),
        qnn.QuantReLU(Uint8ActPerTensorFixedPoint, return_quant_tensor=True),
        nn.Flatten(),
        qnn.QuantLinear(144, 3, bias=True, weight_quant=Int8WeightPerTensorFixedPoint, bias_quant=Int32Bias),
    ),
    "quantizers inside a layer": lambda: seq(
        qnn.QuantConv2d(
            3,
            4,
            3,
            bias=True,
            weight_quant=weight_quantizer(4, True),
            bias_quant=Int32Bias,
            input_quant=Int8ActPerTensorFixedPoint,
            output_quant=Int8ActPerTensorFixedPoint,
            return_quant_tensor=True,
        ),
        nn.ReLU(),
        act(),
        nn.Flatten(),
        dense(144),
    ),
    "convolution as the last layer": lambda: seq(
        act(), conv(3, 4, 4, stride=4), relu(), conv(4, 3, 2, channel=False), nn.Flatten()
    ),
    "nested": lambda: seq(
        seq(act(), seq(conv(3, 4), relu()), nn.Dropout(0.5)), seq(nn.Identity(), nn.Flatten(), dense(144))
    ),
    "residual": lambda: Applied(
        _residual,
        inp=act(),
        a=conv(3, 4, padding=1),
        ra=relu(),
        b=conv(4, 4, padding=1),
        qb=act(5),
        r=relu(),
        fc=dense(256),
    ),
    "concat": lambda: Applied(
        _concat, inp=act(), a=conv(3, 4), r=relu(), b=conv(3, 2), rb=relu(6), q=act(5), fc=dense(54)
    ),
    "concat of flat values": lambda: Applied(
        _two_flats, inp=act(), a=conv(3, 2), b=conv(3, 4, 5), q=act(5), q2=act(4), fc=dense(136)
    ),
    "functions": lambda: Applied(
        _functional, inp=act(), a=conv(3, 4, padding=1), q=act(), q2=act(), q3=act(), fc=dense(4)
    ),
    "mean": lambda: Applied(_mean, inp=act(), a=conv(3, 4, padding=1), q=act(), q2=act(6), fc=dense(4)),
    "elementwise add": lambda: Applied(
        _eltwise, inp=act(), a=conv(3, 4), r=relu(), b=conv(3, 4), rb=relu(), add=_eltwise_add(), fc=dense(144)
    ),
    "leaky relu": lambda: seq(
        act(), conv(3, 6), nn.LeakyReLU(2**-3), act(), conv(6, 4), nn.LeakyReLU(0.5), relu(), nn.Flatten(), dense(64)
    ),
    "leaky relu after flatten": lambda: seq(
        act(), conv(3, 4, channel=False), nn.Flatten(), nn.LeakyReLU(2**-6), act(5), dense(144)
    ),
    "leaky relu of codes, as a function": lambda: Applied(
        _leaky, inp=act(), a=conv(3, 4), r=act(), q=act(6), fc=dense(144)
    ),
    "leaky logits": lambda: seq(act(), nn.Flatten(), dense(192), nn.LeakyReLU(2**-15)),
    "relu on signed codes": lambda: Applied(_signed_relu, inp=act(), a=conv(3, 4), q=act(), fc=dense(144, bias=False)),
}


def built(name):
    torch.manual_seed(len(name))
    model = MODELS[name]()
    model.train()
    for _ in range(2):  # quantizers that learn from statistics see some data
        model(torch.from_numpy(VALUES[images(count=32), 0].transpose(0, 3, 1, 2)))
    return model.eval()


def exported(model, shape=(8, 8, 3), values=VALUES):
    return convert(model, name="matrix", classes=CLASSES, shape=shape, values=values)
