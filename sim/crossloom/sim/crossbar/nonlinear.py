r"""Voltage-mode tiles whose cells do not obey Ohm's law: Anderson iteration, with Newton's method behind it.

A cell of conductance g at zero bias carries `i = g f(v)`:

- "sinh", f = v0 sinh(v / v0): the tunnelling gap of a filament. Said: the Stanford/ASU
  compact model, I = I0 exp(-gap / g0) sinh(V / V0) (table 3 of doi 10.1186/s11671-017-2419-8; arXiv 1605.04897).
- "tanh", f = v0 tanh(v / v0): a cell in series with, or made of, a transistor, whose current saturates with its
  drain voltage. Said: Curtice's transistor model (IEEE Trans. MTT 28(5), 448, 1980), which uses tanh(alpha V_DS).

Ours: with i the cell currents and R i their drops (see `lines`), the cell voltages obey v = V - R g f(v) =: F(v).
Anderson's method (J. ACM 12(4), 547, 1965) accelerates v <- F(v), one pair of running sums along each line a round.
Newton solves (1 + R g f'(v)) d = F(v) - v by conjugate gradients in the symmetric form of `lines`, from the side on
which the law is flat: a sinh cell follows the step's current, a tanh cell its voltage. The step is halved until the
residual falls; where that does not help, one chord step, f(v) / v in place of f'(v), takes its place.

Every iterate is kept within the span of the applied voltages and ground, which no cell voltage of a
passive network can leave. Residuals are measured with the weight g^1/2, so that cells without conductance do not
count, relative to the applied voltages with the same weight. On mild tiles both methods cost the same; on strong
ones Newton's is the faster (measured).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import CrossloomError, InputError
from .lines import Lines, conjugate_gradients, drop, lines_of, norms
from .tile import FloatArray, Tile, check_batch

_LOG = logging.getLogger(__name__)

SHAPES = ("linear", "sinh", "tanh")
METHODS = ("anderson", "newton")
# Beyond this many v0, exp overflows the useful range and no compact model was ever fitted.
_MAX_BIAS = 40.0
_DEPTH = 6
_GROWTH = 1e6  # residual against the best so far that counts as divergence
_NEWTON_LIMIT, _HALVINGS, _INNER_LIMIT = 100, 4, 5000
# Cells times vectors solved together: bounds the history's memory to 2 * depth * 8 bytes of this.
_CHUNK_CELLS = 1 << 17


class ConvergenceError(CrossloomError, RuntimeError):
    """A non-linear tile for which even Newton's method found no solution to the tolerance asked for."""


@dataclass(frozen=True)
class CellLaw:
    """Shape of a cell's current against its voltage: "linear", "sinh" or "tanh", with its scale `v0` in volts."""

    shape: str = "linear"
    v0: float = 1.0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise InputError(f"cell law: shape {self.shape!r}; needed one of {', '.join(SHAPES)}")
        if not 0 < self.v0 < np.inf:
            raise InputError(f"cell law: v0 {self.v0}; needed a positive finite number of volts")

    def current(self, v: FloatArray) -> FloatArray:
        """Return f(v) volts, to be multiplied by the conductance; any shape."""
        if self.shape == "linear":
            return v
        result: FloatArray = self.v0 * (np.sinh(v / self.v0) if self.shape == "sinh" else np.tanh(v / self.v0))
        return result

    def slope(self, v: FloatArray) -> FloatArray:
        """Return f'(v), without unit; any shape."""
        if self.shape == "linear":
            return np.ones_like(v)
        cosh = np.cosh(v / self.v0)
        result: FloatArray = cosh if self.shape == "sinh" else 1 / cosh**2
        return result


@dataclass(frozen=True, eq=False)
class NonlinearSolution:
    """Currents of a non-linear tile, and how each vector's were found."""

    currents: FloatArray
    """(batch, N) amperes; (N,) where one vector came alone."""
    rounds: npt.NDArray[np.int64]
    """(batch,) rounds of the method that found them."""
    residual: FloatArray
    """(batch,) weighted residual of the cell voltages, relative to the applied voltages."""
    fell_back: npt.NDArray[np.bool_]
    """(batch,) whether Anderson's iteration failed and Newton's method took over."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """One chunk of vectors."""

    lines: Lines
    g: FloatArray  # (M, 1, N)
    weight: FloatArray  # (M, 1, N), g^1/2
    volts: FloatArray  # (M, batch, 1)
    law: CellLaw
    own: FloatArray  # (M, 1, N), ohm that a cell's current meets in its row and column
    span: FloatArray  # (batch, 1), volts between the highest and lowest terminal
    size: FloatArray  # (batch,), weighted norm of the applied voltages

    def part(self, keep: npt.NDArray[np.bool_]) -> _Problem:
        """The same for some of the vectors."""
        volts, span, size = self.volts[:, keep], self.span[keep], self.size[keep]
        return _Problem(self.lines, self.g, self.weight, volts, self.law, self.own, span, size)

    def clip(self, v: FloatArray) -> FloatArray:
        """`v` within the span that no cell voltage can leave."""
        result: FloatArray = np.clip(v, -self.span, self.span)
        return result

    def defect(self, v: FloatArray) -> FloatArray:
        """F(v) - v, (M, batch, N) volts."""
        return self.volts - v - drop(self.lines, self.g * self.law.current(v))

    def relative(self, defect: FloatArray) -> FloatArray:
        """Weighted norms relative to the applied voltages: (batch,)."""
        return norms(self.weight * defect) / self.size

    def start(self, tolerance: float) -> FloatArray:
        """Cell voltages of the linear tile."""
        rhs = self.weight * self.volts
        found = conjugate_gradients(self.lines, self.weight, rhs, tolerance * norms(rhs), _INNER_LIMIT)
        v = self.clip(self.volts - drop(self.lines, self.weight * found.y))
        if self.law.shape == "sinh":  # the voltage at which the cell carries the linear tile's current
            v = self.law.v0 * np.arcsinh(v / self.law.v0)
        return v

    def moved(self, v: FloatArray, step: FloatArray, amperes: FloatArray) -> FloatArray:
        """Cell voltages after a Newton step of `step` volts, which is `amperes` in the cells, to first order.

        A sinh cell follows the current, in which its law is flat; all others the voltage.
        """
        if self.law.shape != "sinh":
            return self.clip(v + step)
        i = self.g * self.law.current(v) + amperes
        bias = np.divide(i, self.g * self.law.v0, out=np.zeros_like(i), where=self.g > 0)
        return self.clip(self.law.v0 * np.arcsinh(bias))


def _anderson(
    problem: _Problem, tolerance: float, limit: int
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return cell voltages, residuals, rounds, and which vectors failed."""
    v = problem.start(1e-2)
    defect = problem.defect(v)
    best = residual = problem.relative(defect)
    rounds = np.zeros(len(residual), np.int64)
    steps: list[FloatArray] = []
    changes: list[FloatArray] = []
    for _ in range(limit):
        active = (residual > tolerance) & (residual <= _GROWTH * best)
        if not active.any():
            break
        move = defect
        if steps:
            # least squares over the history, by normal equations: m is small, and a poor fit only costs rounds
            history = np.stack([problem.weight * change for change in changes])
            gram = np.einsum("kmbn,lmbn->bkl", history, history, optimize=True)
            gram += 1e-14 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(len(history)) + 1e-300
            right = np.einsum("kmbn,mbn->bk", history, problem.weight * defect, optimize=True)
            share = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
            for k, (step, change) in enumerate(zip(steps, changes, strict=True)):
                move = move - share[:, k, None] * (step + change)
        new = problem.clip(np.where(active[:, None], v + move, v))
        found = problem.defect(new)
        steps, changes = [*steps, new - v][-_DEPTH:], [*changes, found - defect][-_DEPTH:]
        v, defect = new, found
        residual = problem.relative(defect)
        best = np.minimum(best, residual)
        rounds += active
    failed = ~(residual <= tolerance)
    return v, residual, rounds, failed


def _step(
    problem: _Problem, v: FloatArray, defect: FloatArray, slope: FloatArray, accuracy: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solve (1 + R g slope) d = defect to a relative `accuracy`; return d in volts and g slope d in amperes."""
    s = np.sqrt(problem.g * slope)
    rhs = s * defect
    inner = conjugate_gradients(problem.lines, s, rhs, accuracy * norms(rhs), _INNER_LIMIT)
    amperes = s * inner.y
    return defect - drop(problem.lines, amperes), amperes


def _newton(problem: _Problem, tolerance: float) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Return cell voltages, residuals and rounds; raise ConvergenceError for a vector that does not get there."""
    v = problem.start(1e-6)
    defect = problem.defect(v)
    residual = problem.relative(defect)
    rounds = np.zeros(len(residual), np.int64)
    for _ in range(_NEWTON_LIMIT):
        active = ~(residual <= tolerance)  # a NaN is not done
        if not active.any():
            return v, residual, rounds
        # as exact as the outer residual is small: quadratic convergence without needless inner rounds
        accuracy = np.where(active, np.clip(residual, tolerance / 10, 1e-2), 1)
        step, amperes = _step(problem, v, defect, problem.law.slope(v), accuracy)
        share = np.where(active, 1.0, 0.0)
        for _ in range(_HALVINGS):
            new = problem.moved(v, share[:, None] * step, share[:, None] * amperes)
            found = problem.defect(new)
            size = problem.relative(found)
            worse = active & ~(size < residual)
            if not worse.any():
                break
            share = np.where(worse, share / 2, share)
        if worse.any():
            # The chord conductance f(v) / v instead of f'(v): for tanh a majorizer of the co-content, so every
            # such step descends, if slowly, where Newton's overshoots from saturation.
            chord = np.divide(problem.law.current(v), v, out=np.ones_like(v), where=v != 0)
            step, _ = _step(problem, v, defect, chord, accuracy)
            new = np.where(worse[:, None], problem.clip(v + step), new)
            found = problem.defect(new)
            size = problem.relative(found)
        v, defect, residual = new, found, size
        rounds += active
    raise ConvergenceError(
        f"non-linear tile: residual {residual.max():.1e} after {_NEWTON_LIMIT} Newton steps; needed {tolerance:g}; "
        "apply less voltage, or narrow the span of conductances and resistances"
    )


def solve_nonlinear(
    tile: Tile,
    volts: npt.ArrayLike,
    law: CellLaw,
    *,
    method: str = "anderson",
    tolerance: float = 1e-12,
    limit: int = 60,
    quiet: bool = False,
) -> NonlinearSolution:
    """Return the sense currents for (batch, M) or (M,) driver volts; `tile.conductance` is each cell's at zero bias.

    "anderson" gives up on a vector after `limit` rounds or when its residual grows without bound; Newton's method
    then solves it: visible in the result, and logged unless `quiet`, for callers that count. `tolerance` is on the
    relative residual of the cell voltages; needs numpy alone. Raises InputError for bad volts (also beyond 40 v0),
    method or tolerance, and ConvergenceError where Newton's method fails.

    >>> from crossloom.sim.crossbar.tile import make_tile
    >>> solve_nonlinear(make_tile([[2.0]]), [1.0], CellLaw("tanh", 0.5)).currents.round(6).tolist()
    [0.964028]
    """
    if method not in METHODS:
        raise InputError(f"solve_nonlinear: method {method!r}; needed one of {', '.join(METHODS)}")
    if not 0 < tolerance < 1 or limit < 1:
        raise InputError(f"solve_nonlinear: tolerance {tolerance}, limit {limit}; needed 0..1 and at least 1")
    batch, alone = check_batch("crossbar: volts", volts, tile.shape[0])
    span = np.maximum(batch.max(axis=1, initial=0), 0) - np.minimum(batch.min(axis=1, initial=0), 0)
    if law.shape != "linear" and (span > _MAX_BIAS * law.v0).any():
        raise InputError(f"crossbar: volts span {span.max():g} V; needed at most {_MAX_BIAS:g} v0 = {law.v0:g} V each")
    count, columns = len(batch), tile.shape[1]
    currents, residual = np.zeros((count, columns)), np.zeros(count)
    rounds, fell_back = np.zeros(count, np.int64), np.zeros(count, bool)
    lines, g = lines_of(tile), tile.conductance[:, None]
    own = np.cumsum(lines.row, axis=2) + np.cumsum(lines.column[::-1], axis=0)[::-1]
    for start in range(0, count, max(1, _CHUNK_CELLS // tile.conductance.size)):
        part = slice(start, start + max(1, _CHUNK_CELLS // tile.conductance.size))
        applied = batch[part].T[:, :, None]
        size = norms(np.sqrt(g) * applied)
        size[size == 0] = 1  # no voltage or no conductance: the answer is zero at once
        problem = _Problem(lines, g, np.sqrt(g), applied, law, own, span[part, None], size)
        if method == "anderson":
            v, residual[part], rounds[part], failed = _anderson(problem, tolerance, limit)
            fell_back[part] = failed
        else:
            v, failed = np.zeros((*tile.shape[:1], len(size), columns)), np.ones(len(size), bool)
        if failed.any():
            v[:, failed], left, taken = _newton(problem.part(failed), tolerance)
            residual[start + np.flatnonzero(failed)], rounds[start + np.flatnonzero(failed)] = left, taken
        currents[part] = (g * law.current(v)).sum(axis=0)
    if fell_back.any() and not quiet:
        _LOG.warning(
            "solve_nonlinear: Anderson's iteration failed for %d of %d vectors; Newton's method took over",
            int(fell_back.sum()),
            count,
        )
    return NonlinearSolution(currents[0] if alone else currents, rounds, residual, fell_back)
