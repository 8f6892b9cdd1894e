"""What `crossloom bench snn` measures: one network of 784-256-10 neurons in Crossloom, snnTorch and SpikingJelly."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from crossloom.sim import Network
from crossloom.sim.types import AnyArray

if TYPE_CHECKING:
    import torch

SIZES = 784, 256, 10
STEPS, BATCH = 25, 128
LEAK = 2  # decay 1 - 2^-2

Step = Callable[[], object]


def images(count: int) -> tuple[AnyArray, AnyArray]:
    """Random images uint8 (count, 28, 28, 1) and labels int64 (count,)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 28, 28, 1), np.uint8), rng.integers(0, SIZES[2], count)


def _tensors(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    pixels, labels = images(count)
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2) / np.float32(256)), torch.from_numpy(labels)


def crossloom(steps: int = STEPS, mode: str = "bptt") -> Any:
    """The quantized network of a recipe: 4-bit weights, 8-bit images, spike counts."""
    import torch

    from crossloom.training.config import parse_config
    from crossloom.training.models import build_quantized

    layers: list[dict[str, Any]] = [
        {"type": "flatten"},
        {"type": "dense", "units": SIZES[1], "activation": "lif"},
        {"type": "dense"},
    ]
    # With 4 guard bits every membrane is carried in float32.
    spiking = {"steps": steps, "leak": LEAK, "guard": 4, "mode": mode}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = parse_config({"name": "bench", "spiking": spiking, "layers": layers}, "bench")
        return build_quantized(config, (1, 28, 28), SIZES[2]).train()


def integer_network() -> Network:
    """That network as the integer simulator runs it."""
    from crossloom.training.export import convert

    values = (np.arange(256, dtype=np.float32) / 256)[:, None]
    classes = [str(i) for i in range(SIZES[2])]
    return convert(crossloom().eval(), name="bench", classes=classes, shape=(28, 28, 1), values=values).network


def snntorch(once: bool) -> Any | None:
    """As its fifth tutorial builds it, first layer at every step, or `once`; None where it is not installed."""
    try:
        package, surrogate = import_module("snntorch"), import_module("snntorch.surrogate")
    except ImportError:
        return None
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first, second, third = SIZES
            self.fc1, self.fc2 = nn.Linear(first, second), nn.Linear(second, third)
            self.lif1, self.lif2 = (package.Leaky(beta=1 - 2.0**-LEAK, spike_grad=surrogate.atan()) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.flatten(1)
            one, two = self.lif1.init_leaky(), self.lif2.init_leaky()
            held, counts = self.fc1(x) if once else None, []
            for _ in range(STEPS):
                spikes, one = self.lif1(self.fc1(x) if held is None else held, one)
                spikes, two = self.lif2(self.fc2(spikes), two)
                counts.append(spikes)
            return torch.stack(counts).sum(0)

    return Net()


def spikingjelly(once: bool) -> Any | None:
    """All steps in one call of each layer, which is its fastest way; None where it is not installed."""
    try:
        part = {n: import_module(f"spikingjelly.activation_based.{n}") for n in ("neuron", "layer", "functional")}
        surrogate = import_module("spikingjelly.activation_based.surrogate")
    except ImportError:
        return None
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first, second, third = SIZES
            self.fc1 = part["layer"].Linear(first, second, step_mode="s" if once else "m")
            self.fc2 = part["layer"].Linear(second, third, step_mode="m")
            self.lif1, self.lif2 = (
                part["neuron"].LIFNode(
                    tau=2.0**LEAK,
                    decay_input=False,
                    v_reset=None,
                    detach_reset=True,
                    surrogate_function=surrogate.ATan(),
                    step_mode="m",
                )
                for _ in range(2)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            part["functional"].reset_net(self)
            x = x.flatten(1)
            many = self.fc1(x)[None].repeat(STEPS, 1, 1) if once else self.fc1(x[None].repeat(STEPS, 1, 1))
            counts: torch.Tensor = self.lif2(self.fc2(self.lif1(many))).sum(0)
            return counts

    return Net()


def training_step(model: Any) -> Step:
    """Forward, cross entropy of the spike counts, backward."""
    from torch.nn import functional

    pixels, labels = _tensors(BATCH)
    model.train()

    def step() -> object:
        model.zero_grad(set_to_none=True)
        return functional.cross_entropy(model(pixels), labels).backward()  # type: ignore[no-untyped-call]

    return step


def by_steps(model: Any, count: int) -> Step:
    """A step of training of `count` images in the network's own mode."""
    from crossloom.training.evaluation import assess, steps_of

    pixels, labels = _tensors(count)

    def step() -> object:
        model.zero_grad(set_to_none=True)
        own = steps_of(model)
        if own is not None:
            return own(pixels, labels, 0.0, np.random.default_rng(0))
        loss = assess(model, pixels, labels, 0.0, 0.0)[0]
        return loss.backward()  # type: ignore[no-untyped-call]

    return step


def forward(model: Any) -> Step:
    """The forward pass alone, without gradients."""
    import torch

    pixels, _ = _tensors(BATCH)
    model.eval()

    def step() -> object:
        with torch.no_grad():
            return model(pixels)

    return step
