"""What a sweep leaves open: accuracy against converters and array size, where voltage is lost, how large errors are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..network import Network
from ..types import AnyArray, IntArray
from .accuracy import Sweep, method_spec, split, sweep
from .cells import array_tile
from .drop import cell_losses, cell_volts
from .gate import make_ladders
from .layer import PlacedBlock
from .mapping import planes
from .pipeline import build_network, layer_inputs, plan_network
from .spec import ORDERS, ArraySpec, Physics
from .tile import FloatArray

ADC_BITS = (3, 4, 5, 6, 7, 8)
SIZES = (32, 64, 128, 256)
# Methods that converters, sizes and errors are shown for, in the order they were asked for.
MOST_METHODS = 6
# Errors are counted in 2 * BINS + 1 bins of this width, in standard deviations of the layer's accumulators.
BINS, BIN = 24, 0.05
_MAP_VECTORS = 64
_ERROR_IMAGES = 40


@dataclass(frozen=True, eq=False)
class Study:
    """Beside `sweep`, at its largest rho: accuracies by method and converter or size, maps by order, errors by method.

    `sizes` are those that the layers fit. `maps` (M, N) is the mean share of the read voltage that is lost at each
    cell of `tile`, row M - 1 at the sense end; in voltage mode column 0 is at the drivers, and the mean is over inputs
    that drive the cell's row. `errors` (2 BINS + 1,) are shares of all
    accumulators by error, the outer bins holding all that lies beyond; `rms` is the root mean square of the errors.
    """

    sweep: Sweep
    rho: float
    bits: dict[str, tuple[float, ...]]
    sizes: tuple[int, ...]
    by_size: dict[str, tuple[float, ...]]
    tile: str
    maps: dict[str, FloatArray]
    errors: dict[str, FloatArray]
    rms: dict[str, float]


def steps(found: Sweep) -> int:
    """How often `study` reports progress for a sweep."""
    return 1 + len(ADC_BITS) + len(SIZES) + min(len(found.points), MOST_METHODS)


def study(
    network: Network,
    images: AnyArray,
    labels: IntArray,
    found: Sweep,
    *,
    base: ArraySpec | None = None,
    physics: Physics | None = None,
    active_rows: int = 32,
    progress: Callable[[int], None] | None = None,
) -> Study:
    """Measure around a sweep of the same images, labels (N, ...), arrays and physics, with one seed.

    `progress` is told the number of `steps` done. Raises InputError as `sweep` does.
    """
    base, physics = base or ArraySpec(), physics or Physics()
    methods, rho = list(found.points)[:MOST_METHODS], max(found.rho)
    at = replace(physics, rho=rho)
    chosen, rest = split(len(images), found.calibrated)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done)

    def accuracies(spec: ArraySpec) -> list[float]:
        one = sweep(
            network,
            images,
            labels,
            [rho],
            methods,
            base=spec,
            physics=physics,
            active_rows=active_rows,
            calibrate=found.calibrated,
        )
        return [one.points[method][0].accuracy for method in methods]

    by_bits = []
    for bits in ADC_BITS:
        by_bits.append(accuracies(replace(base, adc_bits=bits)))
        step()
    sizes, by_size = [], []
    for size in SIZES:
        try:
            by_size.append(accuracies(replace(base, rows=size, columns=size)))
            sizes.append(size)
        except InputError:  # the whole sweep passed before: one output needs more columns than this
            pass
        step()
    tile, maps = _maps(network, images[chosen], base, at)
    step()
    errors, rms = {}, {}
    for method in methods:
        spec = method_spec(method, base, active_rows)
        errors[method], rms[method] = _errors(network, images[chosen], images[rest][:_ERROR_IMAGES], spec, at)
        step()
    columns = {method: i for i, method in enumerate(methods)}
    return Study(
        found,
        rho,
        {method: tuple(row[i] for row in by_bits) for method, i in columns.items()},
        tuple(sizes),
        {method: tuple(row[i] for row in by_size) for method, i in columns.items()},
        tile,
        maps,
        errors,
        rms,
    )


def _maps(network: Network, images: AnyArray, base: ArraySpec, physics: Physics) -> tuple[str, dict[str, FloatArray]]:
    """The mean share of voltage lost at each cell of the array with the most cells, for every order, all rows on."""
    if len(images) == 0:
        return "", {}
    name, maps = "", {}
    for order in ORDERS:
        # a row order or not, the same columns stand next to the drivers as in `sweep`
        across = physics.device.mode == "voltage"
        plan = plan_network(network, replace(base, order=order), images, columns=across, samples=True)
        layers = [(layer, placed) for layer in plan.layers.values() for placed in layer.placed]
        layer, placed = max(layers, key=lambda pair: pair[1].levels.size)
        name = layer.where
        assert layer.samples is not None
        bits = _spread(planes(layer.samples[placed.block.group][:, placed.inputs], layer.input.type), placed)
        maps[order] = _lost(placed, bits, base, physics)
    return name, maps


def _lost(placed: PlacedBlock, bits: AnyArray, base: ArraySpec, physics: Physics) -> FloatArray:
    """The mean share of the read voltage lost at each cell, (M, N), for bits (V, M) on the rows."""
    device, top = physics.device, (1 << base.cell_bits) - 1
    siemens = device.g_off.value + placed.levels / top * (device.g_on.value - device.g_off.value)
    if device.mode == "gate":
        ladders = make_ladders(siemens, bit_line=physics.column_ohm, leak=device.g_off.value)
        lost: FloatArray = 1 - cell_volts(ladders, bits).mean(axis=0)
        return lost
    lost = cell_losses(array_tile(siemens, physics), bits)
    # where a row is never driven, what stands between the cell and ground all the same
    weights = np.where(bits.any(axis=0), bits, 1.0)[:, :, None]
    mean: FloatArray = (lost * weights).sum(axis=0) / weights.sum(axis=0)
    return mean


def _spread(bits: AnyArray, placed: PlacedBlock) -> AnyArray:
    """A few of all vectors of bits, evenly."""
    flat = bits.reshape(-1, len(placed.inputs))
    return flat[np.linspace(0, len(flat) - 1, min(len(flat), _MAP_VECTORS)).astype(np.intp)].astype(np.float64)


def _errors(
    network: Network, calibration: AnyArray, images: AnyArray, spec: ArraySpec, physics: Physics
) -> tuple[FloatArray, float]:
    """Shares of all accumulators by error, each layer fed with exact inputs, and the errors' root mean square."""
    built = build_network(plan_network(network, spec, calibration), physics)
    counts, squares, total = np.zeros(2 * BINS + 1), 0.0, 0
    for key, codes in layer_inputs(network, images).items():
        layer = built.layers[key]
        plan = layer.plan
        exact = plan.op.kernel([plan.input], plan.output)(codes.astype(plan.input.carrier)).astype(np.float64)
        spread = exact.std()
        if spread == 0:
            continue
        error = (layer.accumulate(codes) - exact) / spread
        bins = np.clip(np.rint(error / BIN).astype(np.int64), -BINS, BINS) + BINS
        counts += np.bincount(bins.ravel(), minlength=len(counts))
        squares, total = squares + float(np.sum(error**2)), total + error.size
    return counts / max(total, 1), float(np.sqrt(squares / max(total, 1)))
