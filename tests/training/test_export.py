"""Export: a matrix of Brevitas models proved equal, every refusal by name, planted faults found."""

import warnings
from dataclasses import replace

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant import Int16Bias, Int32Bias
from brevitas.quant.binary import SignedBinaryActPerTensorConst
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Int8WeightPerTensorFloat
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat
from torch import nn
from torch.nn import functional

from crossloom.sim import ExportError, Requant, Rounding, load, run
from crossloom.training.export import convert
from crossloom.training.folding import fold_batch_norm
from crossloom.training.prove import compare_torch, export_model, prove, torch_edges, write_artifact
from crossloom.training.quantizers import BiasQuant, activation_quantizer, weight_quantizer

warnings.filterwarnings("ignore", category=UserWarning)

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


@pytest.mark.parametrize("name", MODELS)
def test_a_model_equals_its_integer_network_on_every_edge(name):
    network, proof = export_model(
        built(name), name="matrix", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images()
    )
    assert proof.samples == 1000
    hidden = {
        "truncating average": 1,
        "flooring average": 1,
        "quantizers inside a layer": 1,
        "mean": 1,
        "elementwise add": 1,
    }
    assert proof.edges == len(network.edges) - hidden.get(name, 0)
    assert network.output in network.edges
    logits = run(network, images(count=200)).logits
    assert len(np.unique(logits, axis=0)) > 5, "a model that always answers the same proves little"


def test_images_need_not_be_square_and_channels_may_differ_in_the_table():
    values = np.stack([VALUES[:, 0], VALUES[:, 0] / 2], axis=1)
    torch.manual_seed(0)
    model = seq(act(), conv(2, 4), relu(), nn.Flatten(), dense(4 * 3 * 5))
    network, proof = export_model(
        model, name="m", classes=CLASSES, shape=(5, 7, 2), values=values, images=images((5, 7, 2))
    )
    assert proof.samples == 1000
    assert network.input.table.shape == (256, 2)


def test_floor_and_half_even_reach_the_network():
    roundings = {}
    for name in ("per channel", "floor rounding", "flooring average", "truncating average"):
        network = exported(built(name)).network
        roundings[name] = {n.op.rounding for n in network.nodes if isinstance(n.op, Requant)}
    assert roundings["per channel"] == roundings["truncating average"] == {Rounding.HALF_EVEN}
    assert Rounding.FLOOR in roundings["floor rounding"] & roundings["flooring average"]


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = built("per channel")
    sums = []
    for i in range(2):
        network, proof = export_model(
            model, name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images(count=50)
        )
        path = tmp_path / f"{i}.loom"
        saved = write_artifact(
            path,
            network,
            proof,
            dataset="noise test",
            images=images(count=20),
            labels=np.zeros(20, np.int64),
            info={"seed": 1},
        )
        assert load(path).sha256 == saved.sha256
        assert saved.info["accuracy"]["images"] == 20
        sums.append(saved.sha256)
    assert sums[0] == sums[1]


def test_torch_edges_are_the_simulators():
    found = exported(built("residual"))
    edges = torch_edges(found, images(count=9))
    wanted = run(found.network, images(count=9), edges=edges).edges
    assert edges.keys() == set(found.network.edges)
    assert all(np.array_equal(edges[n], wanted[n]) for n in edges)


# -- planted faults ---------------------------------------------------------------------------------------------


def _planted(found, name, change):
    nodes = [replace(n, op=change(n.op)) if n.name == name else n for n in found.network.nodes]
    return replace(found, network=replace(found.network, nodes=tuple(nodes)))


def _one_more(array, limit):
    changed = array.copy()
    at = (0,) * array.ndim
    changed[at] += 1 if changed[at] < limit else -1
    return changed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("n1", lambda op: replace(op, weight=_one_more(op.weight, 7))),
        ("n1", lambda op: replace(op, bias=_one_more(op.bias, 2), bias_bits=op.bias_bits + 1)),
        ("n1", lambda op: replace(op, pad=(0, 2, 1, 1))),
        ("n1", lambda op: replace(op, pad_code=1)),
        ("n2", lambda op: replace(op, rounding=Rounding.FLOOR)),
        ("n2", lambda op: replace(op, rounding=Rounding.HALF_UP)),
        ("n2", lambda op: replace(op, out=replace(op.out, hi=14))),
        ("n4", lambda op: replace(op, weight=_one_more(op.weight, 7))),
    ],
)
def test_a_planted_fault_is_found_and_its_edge_is_named(name, change):
    found = exported(built("per channel"))
    prove(found, images(count=300))
    with pytest.raises(ExportError) as caught:
        prove(_planted(found, name, change), images(count=300))
    assert f"first: edge {name} (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_difference_names_image_index_codes_and_inputs():
    found = _planted(
        exported(built("per channel")), "n1", lambda op: replace(op, bias=op.bias + 1, bias_bits=op.bias_bits + 1)
    )
    first = compare_torch(found, images(count=5)).first
    assert (first.edge, first.op, first.image, first.index) == ("n1", "conv2d", 0, (0, 0, 0))
    assert first.expected == first.found + 1
    assert str(first).startswith(
        f"edge n1 (conv2d), image 0, [0, 0, 0]: {first.found} instead of {first.expected}; made from input "
    )


def test_a_sum_that_torch_cannot_carry_is_refused():
    torch.manual_seed(0)
    # 2000 products of up to 2^7 * 2^7, and a bias that takes the sum past 2^24
    model = seq(act(8), nn.Flatten(), dense(2000, bits=8))
    with torch.no_grad():
        model[2].bias.fill_(1e4)
    with pytest.raises(ExportError, match=r"partial sums reach \d+; torch adds exactly below 2\^24"):
        export_model(model, name="m", classes=CLASSES, shape=(20, 25, 4), values=VALUES, images=images((20, 25, 4), 4))


# -- refusals ---------------------------------------------------------------------------------------------------


def _float_input(m, x):
    return m.fc(m.a(x).flatten(1))


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
    "a pool on a sum": (
        lambda: seq(act(), conv(3, 4), nn.MaxPool2d(2), relu(), nn.Flatten(), dense(36)),
        "reads an accumulator",
    ),
    "an average of nine": (
        lambda: seq(act(), conv(3, 4, padding=1), relu(), nn.AvgPool2d(3), act(), nn.Flatten(), dense(16)),
        "3: averages 3x3 pixels; needed a power of two",
    ),
    "ceil mode": (
        lambda: seq(act(), conv(3, 4), relu(), nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), dense(36)),
        "3: ceil_mode=True; needed False",
    ),
    "a dilated pool": (
        lambda: seq(act(), conv(3, 4), relu(), nn.MaxPool2d(2, dilation=2), nn.Flatten(), dense(16)),
        "3: dilation=2; needed 1",
    ),
    "a dilated convolution": (
        lambda: seq(act(), conv(3, 4, dilation=2), relu(), nn.Flatten(), dense(64)),
        "1: dilation=(2, 2); needed 1",
    ),
    "reflected padding": (
        lambda: seq(act(), conv(3, 4, padding=1, padding_mode="reflect"), relu(), nn.Flatten(), dense(256)),
        "1: padding_mode=reflect; needed zeros",
    ),
    "a sigmoid": (
        lambda: seq(act(), conv(3, 4), qnn.QuantSigmoid(), nn.Flatten(), dense(144, bias=False)),
        "2: QuantSigmoid has no exact integer form",
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
    "logits with a scale per channel": (
        lambda: seq(act(), nn.Flatten(), qnn.QuantLinear(192, 3, bias=False, weight_quant=weight_quantizer(4, True))),
        "logits need one common frac",
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
    if name == "logits with a scale per channel":
        with torch.no_grad():
            model[2].weight[0] /= 8
    if name in ("float scale of an activation", "a zero point"):
        model.train()(torch.randn(4, 3, 8, 8))
    with pytest.raises(ExportError) as caught:
        exported(model)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dead_channel_of_brevitas_own_quantizer_is_refused_and_of_ours_is_not():
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

    with pytest.raises(ExportError, match=r"1: the scale of channel 2 lies \d+ bits below the layer's largest"):
        exported(model(Int8WeightPerChannelFixedPoint))
    network, _ = export_model(
        model(weight_quantizer(4, True)), name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images()
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


def test_nothing_is_written_without_a_proof_of_that_very_network(tmp_path):
    network, proof = export_model(
        built("no bias"), name="m", classes=CLASSES, shape=(8, 8, 3), values=VALUES, images=images(count=20)
    )
    last = network.nodes[-1]
    changed = replace(last, op=replace(last.op, weight=_one_more(last.op.weight, 7)))
    other = replace(network, nodes=(*network.nodes[:-1], changed))
    arguments = {"dataset": "noise test", "images": images(count=5), "labels": np.zeros(5, np.int64), "info": {}}
    with pytest.raises(ExportError, match="the proof is of other weights"):
        write_artifact(tmp_path / "x.loom", other, proof, **arguments)
    assert not list(tmp_path.iterdir())
    saved = write_artifact(tmp_path / "x.loom", network, proof, **arguments)
    assert saved.info["proof"] == {"samples": 20, "edges": proof.edges, "codes": proof.codes, "differences": 0}
