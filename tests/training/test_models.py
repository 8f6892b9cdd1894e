"""Networks of a recipe: folding changes nothing, every tensor is integers, torch.fx sees the layers."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU  # noqa: E402 - after the skip
from torch import nn  # noqa: E402

from crossloom.sim.errors import ConfigError, ExportError, InputError  # noqa: E402
from crossloom.training.batchnorm import fold_batch_norm  # noqa: E402
from crossloom.training.config import parse_config  # noqa: E402
from crossloom.training.inputs import input_values, to_float  # noqa: E402
from crossloom.training.models import build_float, build_quantized, quantize  # noqa: E402
from crossloom.training.quantizers import BiasQuant, activation_quantizer, weight_quantizer  # noqa: E402
from crossloom.training.tracing import trace  # noqa: E402

LAYERS: list[dict[str, Any]] = [
    {"type": "conv", "channels": 6},
    {"type": "conv", "depthwise": True, "activation": "none"},
    {
        "type": "residual",
        "layers": [{"type": "conv", "channels": 6}, {"type": "conv", "channels": 6, "activation": "none"}],
    },
    {"type": "maxpool"},
    {"type": "residual", "layers": [{"type": "conv", "channels": 8, "stride": 2, "groups": 2, "activation": "none"}]},
    {"type": "avgpool"},
    {"type": "flatten"},
    {"type": "dense", "units": 12},
    {"type": "dense"},
]  # fmt: skip


def float_network(bits: int = 4, scaling: str = "channel", normalization: str = "unit") -> Any:
    table = {
        "name": "net",
        "quantization": {
            "weight_bits": bits,
            "activation_bits": bits,
            "input_bits": bits,
            "weight_scaling": scaling,
            "normalization": normalization,
        },
        "layers": LAYERS,
    }
    network = build_float(parse_config(table), (2, 8, 8), 10)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.2, 2, generator=generator)
                module.weight.uniform_(-1.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return network.eval()


def images(count: int = 32) -> Any:
    return torch.rand(count, 2, 8, 8, generator=torch.Generator().manual_seed(9))


def outputs_of(model: Any, x: Any) -> dict[str, Any]:
    """Run the model; return what each module returned, by name."""
    seen: dict[str, Any] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
        for name, module in model.named_modules()
        if not isinstance(module, torch.jit.ScriptModule)  # which take no hooks, under BREVITAS_JIT=1
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return seen


def test_eight_bits_stay_close_to_the_float_network_it_came_from() -> None:
    network, x = float_network(8), images()
    with torch.no_grad():
        expected, found = network(x), quantize(network, x)(x)
    assert float((expected - found).abs().max()) < 0.08 * float(expected.std())


@pytest.mark.parametrize("scaling", ["channel", "tensor"])
@pytest.mark.parametrize("normalization", ["unit", "standard"])
def test_every_edge_is_integers_of_its_scale_and_every_accumulator_too(scaling: str, normalization: str) -> None:
    model = quantize(float_network(4, scaling, normalization), images())
    seen = outputs_of(model, images())
    edges = 0
    for name, module in model.named_modules():
        out = seen.get(name)
        if isinstance(module, QuantReLU | QuantIdentity):
            codes = out.value.double() / out.scale.double()
            low, high = (-8, 7) if out.signed else (0, 15)
            assert torch.equal(codes, codes.round()) and low <= codes.min() and codes.max() <= high, name
            assert float(torch.log2(out.scale)).is_integer()
            edges += 1
        if isinstance(module, QuantConv2d | QuantLinear):
            assert module.bias_quant.is_quant_enabled and module.bias is not None
    assert edges == 11


def test_the_forward_pass_equals_integer_arithmetic_layer_by_layer() -> None:
    model = quantize(float_network(), images())
    inputs: dict[str, Any] = {}
    for name, module in model.named_modules():
        if isinstance(module, QuantConv2d | QuantLinear):
            module.register_forward_hook(lambda m, args, out, name=name: inputs.__setitem__(name, (m, args[0], out)))
    with torch.no_grad():
        model(images())
    assert len(inputs) == 8
    for name, (module, x, out) in inputs.items():
        weight = module.quant_weight()
        bias = module.bias_quant(module.bias, x, weight).int().to(torch.int64)
        codes = [t.int().to(torch.int64) for t in (x, weight)]
        if isinstance(module, QuantConv2d):
            exact = nn.functional.conv2d(*codes, bias, module.stride, module.padding, 1, module.groups)
        else:
            exact = nn.functional.linear(*codes, bias)
        scale = (x.scale.double() * weight.scale.double()).reshape(1, -1, *[1] * (out.dim() - 2))
        assert torch.equal(out.double() / scale, exact.double()), name


def test_the_logits_leave_through_one_scale_and_other_layers_have_one_per_channel() -> None:
    model = quantize(float_network(), images())
    sizes = {n: m.quant_weight().scale.numel() for n, m in model.named_modules() if isinstance(m, QuantLinear)}
    assert sizes == {"dense8": 12, "dense9": 1}


def test_operands_of_a_residual_add_may_have_different_scales() -> None:
    model = quantize(float_network(), images())
    with torch.no_grad():
        model.residual3.main[-1].act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value.add_(3)
    seen = outputs_of(model, images())
    a, b = seen["residual3.main"], seen["conv2_quant"]
    assert float(a.scale) != float(b.scale)
    fine = min(float(a.scale), float(b.scale))
    codes = seen["residual3.add"].double() / fine
    assert torch.equal(codes, codes.round())


def test_a_batch_norm_follows_every_layer_of_the_float_network_but_the_last() -> None:
    names = [name for name, _ in float_network().named_modules()]
    layers = [n for n, m in float_network().named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [n for n in layers if f"{n}_bn" not in names] == ["dense9"]


def test_torch_fx_traces_the_quantized_network_with_brevitas_layers_whole() -> None:
    model = quantize(float_network(), images())
    graph = trace(model).graph
    targets = [str(n.target) for n in graph.nodes if n.op == "call_module"]
    assert {"quant_input", "conv1", "conv1_relu", "residual3.main.conv1", "residual5.shortcut.projection"} <= set(
        targets
    )
    traced = torch.fx.GraphModule(model, graph)
    assert torch.equal(traced(images()), model(images()))


def test_building_leaves_torchs_generator_as_it_was_and_depends_on_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = float_network(), float_network()
    quantize(first, images())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    other = build_float(first.plan.config, (2, 8, 8), 10, seed=99)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_a_state_dict_restores_the_quantized_network_to_the_bit() -> None:
    model = quantize(float_network(), images())
    again = build_quantized(model.plan.config, (2, 8, 8), 10)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(images()), model(images()))


def test_quantizing_changes_nothing_in_the_float_network_and_twice_is_refused() -> None:
    network = float_network().train()
    before = copy.deepcopy(network.state_dict())
    model = quantize(network, images())
    assert network.training and not any(m._forward_hooks for m in network.modules())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    with pytest.raises(ConfigError, match="quantized already"):
        quantize(model, images())


class Own(nn.Module):
    """A user's model: batch norm right after a quantized convolution and a quantized dense layer."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        weights = weight_quantizer(8, True)
        self.quant = QuantIdentity(activation_quantizer(8, True), return_quant_tensor=True)
        self.conv = QuantConv2d(2, 4, 3, bias=bias, weight_quant=weights, bias_quant=BiasQuant if bias else None)
        self.norm = nn.BatchNorm2d(4)
        self.relu = QuantReLU(activation_quantizer(8, False), return_quant_tensor=True)
        self.head = nn.Sequential(
            nn.Flatten(), QuantLinear(4 * 36, 3, bias=bias, weight_quant=weights), nn.BatchNorm1d(3, affine=bias)
        )

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        return self.head(self.relu(self.norm(self.conv(self.quant(x)))))


@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_of_a_users_model_is_folded_and_its_bias_quantized(bias: bool) -> None:
    torch.manual_seed(0)
    model = Own(bias)
    for _ in range(20):
        model(torch.rand(16, 2, 8, 8) * 2 - 1)
    x = images(8) * 2 - 1
    with torch.no_grad():
        expected = model.eval()(x)
        folded = fold_batch_norm(model)
        found = folded(x)
    assert folded is model and not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d) for m in model.modules())
    assert model.conv.bias_quant.is_quant_enabled and model.head[1].bias_quant.is_quant_enabled
    assert float((expected - found).abs().max()) < 0.1 * float(expected.std())


def test_folding_a_float_layer_is_exact_to_rounding() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3, eps=0.1), nn.ReLU())
    for _ in range(5):
        model(torch.rand(8, 2, 8, 8))
    x = images(4)
    expected = model.eval()(x)
    assert torch.allclose(fold_batch_norm(model)(x), expected, atol=1e-6)


class Branching(nn.Module):
    """Its forward asks about data."""

    def forward(self, x: Any) -> Any:
        """Return x, or its negative."""
        return x if x.sum() > 0 else -x


class Shared(nn.Module):
    """One batch norm after two convolutions, or a convolution read twice."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.a, self.b, self.norm, self.twice = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), twice

    def forward(self, x: Any) -> Any:
        """Return a sum."""
        y = self.a(x)
        return self.norm(y) + (self.norm(self.b(x)) if self.twice else y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.BatchNorm2d(2)), "'0': it stands after the input"),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.MaxPool2d(2), nn.BatchNorm2d(2)), "'2': it stands after MaxPool2d '1'"),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)), "no running statistics"),
        (Shared(True), "'norm' is used 2 times"),
        (Shared(False), "'a' is read by something else too"),
        (Branching(), "torch.fx cannot trace"),
    ],
)
def test_a_batch_norm_that_cannot_be_folded_is_named(model: nn.Module, message: str) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        fold_batch_norm(model)
    assert "\n" not in str(caught.value)


def test_the_unit_table_gives_every_8_bit_value_its_own_code() -> None:
    values = input_values(np.zeros((1, 1, 1, 1), np.uint8), 256)
    assert (values[:, 0] * 256 == np.arange(256)).all()
    assert input_values(np.zeros((1, 1, 1, 1), np.uint8), 17)[16, 0] == 1.0


def test_the_standard_table_gives_each_channel_mean_zero_and_deviation_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, size=(50, 6, 6, 3), dtype=np.uint8)
    pixels[..., 2] = 7
    table = to_float(pixels, input_values(pixels, 256, "standard"))
    assert torch.allclose(table.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(table.std(dim=(0, 2, 3), correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-5)


def test_images_go_through_the_table_to_nchw_and_bad_ones_are_refused() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 3, 2)
    values = np.stack([np.arange(12), np.arange(12) * 10], axis=1).astype(np.float32)
    assert to_float(pixels, values).tolist() == [[[[0, 2, 4], [6, 8, 10]], [[10, 30, 50], [70, 90, 110]]]]
    for bad in (pixels.astype(np.int64), pixels[0], pixels + np.uint8(1), pixels[..., [0, 1, 0]]):
        with pytest.raises(InputError):
            to_float(bad, values)


def test_importing_the_package_imports_no_torch_and_a_missing_one_names_the_extra() -> None:
    code = (
        "import sys; import crossloom.training as t; assert 'torch' not in sys.modules\n"
        "sys.modules['torch'] = None\n"
        "try: t.train\n"
        "except RuntimeError as error: print(type(error).__name__, error)\n"
    )
    # The child finds the package where this process did.
    paths = [p for p in sys.path if p]
    code = f"import sys; sys.path[:0] = {paths!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MissingExtraError") and "pip install 'crossloom[training]'" in done.stdout
