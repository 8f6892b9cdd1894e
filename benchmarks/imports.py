"""Measures imports: spikes that differ between models of four libraries, trained on MNIST, and their integers.

    python benchmarks/imports.py MNIST_FOLDER [LIBRARY ...]

needs snnTorch, SpikingJelly, sinabs or norse beside crossloom[training]; a library that is missing keeps the figures
that benchmarks/imports.json has of it. A model is a dense or a convolutional network that was trained for one pass over
20,000 images; its weights are then rounded to 8 bits a layer ("grid"), or left as they are ("free").
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from crossloom.training.config import DataConfig
from crossloom.training.data.given import named_test_images
from crossloom.training.data.loading import load_dataset
from crossloom.training.importing.importer import RealInputs, import_model
from crossloom.training.importing.integers import ImportSettings

RESULT = Path(__file__).with_name("imports.json")
STEPS, BATCH, TRAINED, MEASURED = 10, 64, 20_000, 1000
LEAK = 2


def snntorch() -> dict[str, Any]:
    """snnTorch: every reset."""
    import snntorch as snn

    def made(reset: str) -> Any:
        return lambda: snn.Leaky(beta=1 - 2.0**-LEAK, init_hidden=True, reset_mechanism=reset)

    return {f"Leaky, reset {reset}": made(reset) for reset in ("subtract", "zero", "none")}


def spikingjelly() -> dict[str, Any]:
    """SpikingJelly: input decaying or not, hard and soft reset."""
    from spikingjelly.activation_based import neuron, surrogate

    def made(decay_input: bool, v_reset: float | None) -> Any:
        return lambda: neuron.LIFNode(
            tau=2.0**LEAK,
            decay_input=decay_input,
            v_reset=v_reset,
            v_threshold=0.25 if decay_input else 1.0,
            surrogate_function=surrogate.ATan(),
        )

    return {
        "LIFNode, decay_input, v_reset=0": made(True, 0.0),
        "LIFNode, decay_input=False, v_reset=None": made(False, None),
    }


def sinabs() -> dict[str, Any]:
    """sinabs: its default, and single spikes."""
    import sinabs.activation as activation
    import sinabs.layers as layers

    def made(norm: bool, fires: Any) -> Any:
        def neurons() -> Any:
            layer = layers.LIFSqueeze(
                tau_mem=10.0,
                train_alphas=True,
                norm_input=norm,
                spike_fn=fires,
                spike_threshold=torch.tensor(0.25 if norm else 1.0),
                num_timesteps=STEPS,
            )
            layer.alpha_mem.data = torch.tensor(1 - 2.0**-LEAK)
            layer.alpha_mem.requires_grad_(False)
            return layer

        return neurons

    return {
        "LIF, MultiSpike, norm_input": made(True, activation.MultiSpike),
        "LIF, SingleSpike, norm_input=False": made(False, activation.SingleSpike),
    }


def norse() -> dict[str, Any]:
    """norse: both resets."""
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract, reset_value

    def made(method: Any) -> Any:
        return lambda: norse.LIFBoxCell(
            norse.LIFBoxParameters(
                tau_mem_inv=torch.tensor(1024 * 2.0**-LEAK),
                v_th=torch.tensor(0.25),
                reset_method=method,
                alpha=torch.tensor(10.0),
            ),
            dt=1 / 1024,
        )

    return {"LIFBoxCell, reset_value": made(reset_value), "LIFBoxCell, reset_subtract": made(reset_subtract)}


LIBRARIES = {"snntorch": snntorch, "spikingjelly": spikingjelly, "sinabs": sinabs, "norse": norse}


def network(library: str, kind: str, neurons: Any) -> nn.Module:
    """A dense network of 784-128-10 neurons, or 8 5x5 filters at stride 2, mean over 2x2, 10 neurons."""
    wrap: Any = nn.Sequential
    if library == "norse":
        import norse.torch as norse

        wrap = norse.SequentialState
    if kind == "dense":
        return wrap(nn.Flatten(), nn.Linear(784, 128), neurons(), nn.Linear(128, 10), neurons())
    first = nn.Conv2d(1, 8, 5, stride=2)
    return wrap(first, neurons(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(288, 10), neurons())


def rates(library: str, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Mean spikes (N, 10) over the steps of images (N, 1, 28, 28)."""
    if library == "sinabs":
        for layer in model:
            if hasattr(layer, "v_mem"):
                layer.register_buffer("v_mem", torch.zeros(0))
        return model(x.repeat_interleave(STEPS, 0)).reshape(len(x), STEPS, -1).mean(1)
    if library == "norse":
        out, state = [], None
        for _ in range(STEPS):
            spikes, state = model(x, state)
            out.append(spikes)
        return torch.stack(out).mean(0)
    for layer in model:
        if hasattr(layer, "reset_mem"):
            layer.reset_mem()
        elif hasattr(layer, "v_reset"):
            layer.reset()
    return torch.stack([model(x) for _ in range(STEPS)]).mean(0)


def train(library: str, model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """One pass, cross entropy of the spike counts."""
    learned = [p for layer in model for p in layer.parameters() if isinstance(layer, nn.Linear | nn.Conv2d)]
    optimizer = torch.optim.Adam(learned, lr=2e-3)
    for rows in torch.randperm(len(images)).split(BATCH):
        loss = nn.functional.cross_entropy(10 * rates(library, model, images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def on_grid(model: nn.Module) -> nn.Module:
    """The model itself, its weights rounded to 8 bits a layer, and biases to its scale."""
    for layer in model:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            with torch.no_grad():
                scale = 2.0 ** torch.floor(torch.log2(127 / layer.weight.abs().max()))
                layer.weight.copy_((layer.weight * scale).round() / scale)
                layer.bias.copy_((layer.bias * scale).round() / scale)
    return model


def figures(model: nn.Module, settings: ImportSettings, images: RealInputs) -> dict[str, Any]:
    """What an import changes."""
    report = import_model(model, settings, shape=(28, 28, 1), images=images).report()
    share = report["spikes_differing"] / report["spikes"]
    kept = {key: report[key] for key in ("spikes", "spikes_differing", "accuracy_original", "accuracy", "against")}
    return {**kept, "share": share, "guard": [layer["guard"] for layer in report["layers"]]}


def main(folder: str, names: list[str]) -> None:
    """Train, import, measure; write the figures of each library."""
    data = load_dataset(DataConfig(name="mnist", path=folder))
    pixels = torch.from_numpy(data.images[data.train[:TRAINED]].transpose(0, 3, 1, 2) / np.float32(256))
    labels = torch.from_numpy(data.labels[data.train[:TRAINED]])
    tests = named_test_images("mnist test", data.classes, folder)
    assert tests.labels is not None
    images = RealInputs(tests.images[:MEASURED], tests.labels[:MEASURED], "mnist test")
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for library in names or LIBRARIES:
        if find_spec(library) is None:
            print(f"{library}: not installed")
            continue
        for what, neurons in LIBRARIES[library]().items():
            for kind in ("dense", "conv"):
                torch.manual_seed(1)
                model = network(library, kind, neurons)
                train(library, model, pixels, labels)
                model.eval()
                free = {
                    f"free_{bits}": figures(model, ImportSettings(STEPS, divisor=256, weight_bits=bits), images)
                    for bits in (8, 16)
                }
                grid = figures(on_grid(model), ImportSettings(STEPS, divisor=256), images)
                found.setdefault(library, {}).setdefault(what, {})[kind] = {"grid": grid, **free}
                line = ", ".join(
                    f"{name} {100 * f['share']:.4f} % {f['spikes']:,} {f['accuracy_original']:.3f} {f['accuracy']:.3f}"
                    for name, f in {"grid": grid, **free}.items()
                )
                print(f"{library} {what} {kind}: {line}", flush=True)
        RESULT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
