"""A user's own trunk, head and branches: exported and equal to torch, or refused in one line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

import brevitas.nn as qnn  # noqa: E402 - after the skip
from torch import nn  # noqa: E402

from crossloom.sim import ExportError, run  # noqa: E402
from crossloom.training.export import convert_routed  # noqa: E402
from crossloom.training.inputs import to_float  # noqa: E402
from crossloom.training.prove import prove  # noqa: E402
from crossloom.training.quantizers import BiasQuant, activation_quantizer, weight_quantizer  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

VALUES = ((np.arange(256) / 255 - 0.45) / 0.3).astype(np.float32)[:, None]
CLASSES = tuple("abcde")
MEMBERS = ((0, 3), (1, 2, 4))


class Trunk(nn.Module):
    """A user's own trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.inp = qnn.QuantIdentity(activation_quantizer(6, True), return_quant_tensor=True)
        self.conv = qnn.QuantConv2d(
            3, 4, 3, stride=2, bias=True, weight_quant=weight_quantizer(4, True), bias_quant=BiasQuant
        )
        self.relu = qnn.QuantReLU(activation_quantizer(5, False), return_quant_tensor=True)

    def forward(self, x: Any) -> Any:
        """Return the quantized image."""
        return self.relu(self.conv(self.inp(x)))


class Mean(nn.Module):
    """A coarse head that averages over the image; its layers are named as the trunk's are."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.inp = qnn.QuantIdentity(activation_quantizer(8, False), return_quant_tensor=True)
        self.conv = _dense(4, outputs)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        return self.conv(self.inp(torch.mean(x.value, (2, 3), keepdim=True)).flatten(1))


def _dense(inputs: int, outputs: int) -> Any:
    return qnn.QuantLinear(inputs, outputs, bias=True, weight_quant=weight_quantizer(4, False), bias_quant=BiasQuant)


def _branch(bits: int = 4) -> Any:
    relu = qnn.QuantReLU(activation_quantizer(bits, False), return_quant_tensor=True)
    return nn.Sequential(nn.Flatten(), _dense(16, 6), relu, nn.Dropout(), _dense(6, 3))


def own(**changes: Any) -> dict[str, Any]:
    torch.manual_seed(3)
    parts = {"trunk": Trunk(), "head": Mean(), "branches": {"low": _branch(), "high": _branch()}, "members": MEMBERS}
    rest = {"name": "own", "classes": CLASSES, "shape": (5, 6, 3), "values": VALUES}
    return {**parts, **rest, **changes}


def pictures(count: int = 300) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, 5, 6, 3), dtype=np.uint8)


def test_a_users_own_trunk_head_and_branches_export_and_equal_torch() -> None:
    parts = own()
    with torch.no_grad():
        source = parts["trunk"].eval()(to_float(pictures(), VALUES))
        parts["head"].conv.bias -= parts["head"].eval()(source).mean(0)
    found = convert_routed(**parts)
    assert prove(found, pictures()).edges == len(found.network.edges)
    answers = run(found.network, pictures())
    assert set(answers.branch) == {0, 1} and len(set(answers.labels)) >= 2
    assert found.network.hierarchy == {"low": ["a", "d"], "high": ["b", "c", "e"]}
    assert (
        len({n.name for n in (*found.network.nodes, *found.network.route.branches[0].nodes)})
        == len(found.network.edges) - 1
    ), "layers of equal names in trunk and head get names of their own"


def _leaky(*slopes: float) -> Any:
    """A head or branch of 5 and then 2 or 3 rows, with a LeakyReLU of some slope between them."""

    def act(bits: int) -> Any:
        return qnn.QuantIdentity(activation_quantizer(bits, True), return_quant_tensor=True)

    return [nn.Sequential(nn.Flatten(), _dense(16, 5), nn.LeakyReLU(slope), act(6), _dense(5, 3)) for slope in slopes]


def test_a_leaky_relu_in_head_and_branches_equals_torch_on_every_edge() -> None:
    low, high, head = _leaky(2**-2, 2**-2, 2**-5)
    head[4] = _dense(5, 2)
    parts = own(head=head, branches={"low": low, "high": high})
    with torch.no_grad():
        source = parts["trunk"].eval()(to_float(pictures(), VALUES))
        head[4].bias -= head.eval()(source).mean(0)
    found = convert_routed(**parts)
    assert prove(found, pictures()).edges == len(found.network.edges)
    assert set(run(found.network, pictures()).branch) == {0, 1}


def test_branches_that_leak_differently_are_refused() -> None:
    low, high = _leaky(2**-2, 2**-3)
    with pytest.raises(ExportError, match=r"branch 'high': node 'n2': .*the first branch has"):
        convert_routed(**own(branches={"low": low, "high": high}))


def test_a_quantizer_that_one_bank_alone_would_not_need_stays_in_every_bank() -> None:
    def branch() -> Any:
        inp = qnn.QuantIdentity(activation_quantizer(5, False), return_quant_tensor=True)
        return nn.Sequential(inp, nn.Flatten(), _dense(16, 3))

    parts = own(branches={"low": branch(), "high": branch()})
    ranges = [p for b in parts["branches"].values() for n, p in b.named_parameters() if "act_quant" in n]
    with torch.no_grad():
        ranges[1] -= 1.0
    found = convert_routed(**parts)
    prove(found, pictures(100))
    assert [len(b.nodes) for b in found.network.route.branches] == [3, 3]


def _unlike() -> Any:
    return own(branches={"low": _branch(), "high": nn.Sequential(nn.Flatten(), _dense(16, 3))})


REFUSED: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "branches that are not alike": (
        _unlike,
        "branch 'high': other layers than 'low' (flatten, dense; there flatten, dense, requant, dense)",
    ),
    "branches of other widths": (lambda: own(branches={"low": _branch(), "high": _branch(5)}), "branch 'high': node"),
    "too few coarse logits": (lambda: own(head=Mean(3)), "needed [2], one row per branch"),
    "a class in two branches": (lambda: own(members=((0, 3), (1, 2, 3))), "each once"),
    "too many classes for a branch": (lambda: own(members=((0,), (1, 2, 3, 4))), "capacity is 3"),
    "members for fewer branches": (lambda: own(members=((0, 1, 2, 3, 4),)), "2 branch(es) and the classes of 1"),
    "one branch": (lambda: own(branches={"low": _branch()}, members=((0, 1, 2),)), "1 branch(es)"),
    "no branch": (lambda: own(branches={}, members=()), "0 branch(es)"),
    "a name that is no identifier": (lambda: own(branches={"Low": _branch(), "high": _branch()}), "Low"),
    "a trunk that ends in a sum": (
        lambda: own(trunk=nn.Sequential(*list(Trunk().children())[:2])),
        "trunk: its result is a sum that is not quantized",
    ),
    "a trunk that quantizes nothing": (
        lambda: own(trunk=nn.Sequential(nn.MaxPool2d(2))),
        "trunk: its result is not quantized",
    ),
    "a trunk that returns two things": (lambda: own(trunk=Two()), "trunk: its result is"),
    "a branch for another shape": (
        lambda: own(branches={"low": _dense(9, 3), "high": _dense(9, 3)}),
        "branch 'low': it does not run",
    ),
}


class Two(Trunk):
    """A trunk with two results."""

    def forward(self, x: Any) -> Any:
        """Return the image twice."""
        y = super().forward(x)
        return y, y


@pytest.mark.parametrize("name", REFUSED)
def test_modules_that_make_no_routed_network_are_refused_in_one_line(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ExportError, match=re.escape(words)) as caught:
        convert_routed(**make())
    assert "\n" not in str(caught.value)
