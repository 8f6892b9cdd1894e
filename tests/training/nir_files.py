"""NIR files as each library writes them, made by hand with nir, and changed in single places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from crossloom.sim import ForeignError
from crossloom.training.importing.importer import import_nir
from crossloom.training.importing.integers import ImportSettings

SIX = ImportSettings(6, divisor=256.0)


def full(shape: tuple[int, ...], value: float) -> Any:
    return np.full(shape, value, np.float64)


def lif(shape: tuple[int, ...], tau: float, r: float, theta: float, **more: float) -> Any:
    numbers = {"tau": tau, "r": r, "v_leak": 0.0, "v_threshold": theta, "v_reset": 0.0, **more}
    return nir.LIF(**{key: full(shape, value) for key, value in numbers.items()})


# Neurons of decay 3/4 and threshold 1, as their library writes them; steps and r by its dialect.
NEURONS: Mapping[str, Callable[[tuple[int, ...]], Any]] = {
    "snntorch": lambda shape: lif(shape, 4e-4, 4, 1),
    "spikingjelly": lambda shape: lif(shape, 4e-4, 4, 1),
    # No float64 makes its decay exactly 3/4: a threshold that no sum meets exactly.
    "sinabs": lambda shape: lif(shape, -1 / np.log(0.75), 1, 1 - 2.0**-15),
    "norse": lambda shape: lif(shape, 4e-6, 1, 1),
    "spyx": lambda shape: lif(shape, 4, 0.75, 1),
}
VERSIONS = {"sinabs": "1.0.4"}


def weights(out: int, fan_in: int, biases: bool = True) -> Any:
    rng = np.random.default_rng([out, fan_in])
    codes = rng.integers(-20, 28, (out, fan_in)) / 32
    return nir.Affine(codes.astype(np.float32), (biases * rng.integers(-9, 9, out) / 32).astype(np.float32))


def dense(neurons: Callable[[tuple[int, ...]], Any], biases: bool = True) -> dict[str, Any]:
    """12 inputs, 8 neurons, 3 neurons."""
    return {
        "input": nir.Input({"input": np.array([12])}),
        "0": weights(8, 12),
        "1": neurons((8,)),
        "2": weights(3, 8, biases),
        "3": neurons((3,)),
        "output": nir.Output({"output": np.array([3])}),
    }


def conv(neurons: Callable[[tuple[int, ...]], Any], pool: Any = None) -> dict[str, Any]:
    """2x6x6 inputs, 4 filters, a pool, 3 neurons."""
    kernel = (np.random.default_rng(5).integers(-20, 28, (4, 2, 3, 3)) / 32).astype(np.float32)
    pair = np.array([2, 2])
    return {
        "input": nir.Input({"input": np.array([2, 6, 6])}),
        "conv": nir.Conv2d((6, 6), kernel, 1, 1, 1, 1, np.zeros(4, np.float32)),
        "fires": neurons((4, 6, 6)),
        "pool": nir.AvgPool2d(pair, pair, np.array([0, 0])) if pool is None else pool,
        "flat": nir.Flatten({"input": np.array([4, 3, 3])}, 0, -1),
        "last": weights(3, 36),
        "answer": neurons((3,)),
        "output": nir.Output({"output": np.array([3])}),
    }


def write(path: Path, nodes: Mapping[str, Any], version: str = "1.0.8", edges: Any = None) -> Path:
    """A file of these nodes, one after the other unless `edges` are given, that says it is of a version of nir."""
    names = list(nodes)
    chain = list(pairwise(names)) if edges is None else edges
    nir.write(path, nir.NIRGraph(dict(nodes), chain, type_check=False))
    with h5py.File(path, "a") as file:
        del file["version"]
        file.create_dataset("version", data=version, dtype=h5py.string_dtype())
        if version < "1.0.6":
            for node in file["node/nodes"].values():
                node.pop("v_reset", None)
    return path


def of(writer: str, path: Path, nodes: Mapping[str, Any] | None = None) -> Path:
    """A file of a writer: the dense network where no nodes are given."""
    return write(path, nodes or dense(NEURONS[writer]), VERSIONS.get(writer, "1.0.8"))


def refused(path: Path, match: str, writer: str = "snntorch", settings: Any = SIX, **more: Any) -> None:
    """Assert that a file is refused in one line of bounded length."""
    with pytest.raises(ForeignError, match=match) as error:
        import_nir(path, writer, settings, **more)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
