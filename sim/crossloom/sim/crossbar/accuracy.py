"""Accuracy of a network on arrays against wire resistance, for methods and their combinations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..network import Network
from ..types import AnyArray, IntArray
from .pipeline import build_network, correct, plan_network
from .spec import ArraySpec, Physics

METHODS = ("none", "swann", "greedy", "pwa", "gain", "range")
# 97.5th percentile of the normal distribution: intervals of 95 %.
_Z = 1.959963984540054
MAX_POINTS = 100


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return Wilson's score interval (JASA 22, 209 (1927)) of 95 % for a share of `right` in `count` > 0 trials.

    >>> [round(float(x), 4) for x in wilson(9, 10)]
    [0.5958, 0.9821]
    """
    share, z2 = right / count, _Z * _Z
    middle, half = share + z2 / (2 * count), _Z * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    low, high = (middle - half) / (1 + z2 / count), (middle + half) / (1 + z2 / count)
    # at the ends the formula gives 0 and 1, but for rounding
    return float(low) if right else 0.0, float(high) if right < count else 1.0


def method_spec(method: str, base: ArraySpec, active_rows: int) -> ArraySpec:
    """Return the arrays of a method: names joined by "+", applied to `base`; "none" changes nothing.

    "swann" and "greedy" order rows, "pwa" reads `active_rows` at a time, "gain" scales columns, "range" calibrates
    the converters. Raises InputError for unknown names and for two orders at once.
    """
    names = method.split("+")
    for name in names:
        if name not in METHODS:
            raise InputError(
                f"method {method[:40]!r}: {name[:40]!r} is unknown; needed {', '.join(METHODS)}, joined by '+'"
            )
    if len(set(names)) < len(names) or (len(names) > 1 and ("none" in names or {"swann", "greedy"} <= set(names))):
        raise InputError(
            f"method {method[:40]!r}: names that exclude each other; needed each once, one order at most, 'none' alone"
        )
    changes: dict[str, object] = {}
    for name in names:
        if name in ("swann", "greedy"):
            changes["order"] = name
        if name == "pwa":
            changes["active_rows"] = min(active_rows, base.rows)
        if name == "gain":
            changes["gain"] = True
        if name == "range":
            changes["adc_range"] = "calibrated"
    return replace(base, **changes)  # type: ignore[arg-type]  # values by field name


@dataclass(frozen=True)
class Point:
    """One method at one rho, all seeds together: `right` of `count` images, with its interval of 95 %."""

    right: int
    count: int
    clipped: float
    """Share of all conversions."""
    over: tuple[str, ...]
    """Layers that clip more than the spec's share."""
    solved: int = 0
    """Vectors that non-linear cells were solved for."""
    newton: int = 0
    """How many of them by Newton's method, where Anderson's iteration failed."""

    @property
    def accuracy(self) -> float:
        """Share of images that are labelled right."""
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval over images times seeds; seeds share their images, so it is narrow for several."""
        return wilson(self.right, self.count)


@dataclass(frozen=True)
class Sweep:
    """What `sweep` found: `points` by method, in the order of `rho`; `ideal` is exact arithmetic's accuracy."""

    rho: tuple[float, ...]
    points: dict[str, tuple[Point, ...]]
    ideal: float
    images: int
    calibrated: int
    seeds: int
    arrays: int


def split(count: int, calibrate: int) -> tuple[IntArray, IntArray]:
    """Return the indices of `calibrate` images, evenly among `count`, and of the rest.

    >>> [part.tolist() for part in split(5, 2)]
    [[0, 4], [1, 2, 3]]
    """
    if not 0 <= calibrate < count:
        raise InputError(f"calibration: {calibrate} of {count} images; needed fewer than there are, 0 or more")
    chosen = np.linspace(0, count - 1, calibrate).astype(np.int64)
    rest = np.setdiff1d(np.arange(count), chosen)
    return chosen, rest


def sweep(
    network: Network,
    images: AnyArray,
    labels: IntArray,
    rho: Sequence[float],
    methods: Sequence[str],
    *,
    base: ArraySpec | None = None,
    physics: Physics | None = None,
    active_rows: int = 32,
    calibrate: int = 40,
    seeds: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Sweep:
    """Measure every method at every rho; images and labels (N, ...), of which `calibrate` calibrate and do not count.

    Seeds `physics.seed` onward count where `physics` has variation or noise; without either one pass is all there
    is. `progress` is told the number of images done, of len(rho) * len(methods) * seeds * (N - calibrate). Raises
    InputError for unknown methods, no rho, duplicates, and whatever the arrays refuse.
    """
    base, physics = base or ArraySpec(), physics or Physics()
    if not rho or len(rho) > MAX_POINTS or not methods or len(set(methods)) < len(methods):
        raise InputError(
            f"sweep: {len(rho)} rho, {len(methods)} methods; needed 1 to {MAX_POINTS}, and no method twice"
        )
    if seeds < 1 or (seeds > 1 and not (physics.variation or physics.noise)):
        raise InputError(f"sweep: {seeds} seeds; needed 1, or more together with variation or noise")
    every = [replace(physics, rho=float(value)) for value in rho]
    specs = {method: method_spec(method, base, active_rows) for method in methods}
    chosen, rest = split(len(images), calibrate)
    tested, wanted = images[rest], labels[rest]
    # Orders follow from weights and inputs alone: one plan serves every rho and seed.
    across = physics.device.mode == "voltage"
    plans = {m: plan_network(network, spec, images[chosen], columns=across) for m, spec in specs.items()}
    done = 0
    points: dict[str, tuple[Point, ...]] = {}
    for method, plan in plans.items():
        row = []
        for wires in every:
            right, total, clipped, solved, newton = 0, 0, 0, 0, 0
            over: set[str] = set()
            for seed in range(seeds):
                built = build_network(plan, replace(wires, seed=physics.seed + seed))
                before = done

                def shown(count: int, before: int = before) -> None:
                    if progress is not None:
                        progress(before + count)

                right += correct(built.network, tested, wanted, shown)
                done += len(tested)
                made, cut = built.conversions
                total, clipped = total + made, clipped + cut
                vectors, fallen = built.solutions
                solved, newton = solved + vectors, newton + fallen
                over.update(built.clipped())
            row.append(Point(right, seeds * len(tested), clipped / max(total, 1), tuple(sorted(over)), solved, newton))
        points[method] = tuple(row)
    ideal = correct(network, tested, wanted) / len(tested)
    return Sweep(
        tuple(map(float, rho)), points, ideal, len(tested), calibrate, seeds, next(iter(plans.values())).arrays
    )
