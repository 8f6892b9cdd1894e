"""Integer layers as arrays of cells: patches of inputs, planes of their bits, slices of weights, blocks of rows.

Everything here is exact. With x = sum_j p_j x_j over the bits x_j of the inputs and w = sum_s f_s (u_s - v_s) over
the levels u_s, v_s of positive and negative cells,

    sum_k x_k w_k = sum_j p_j sum_s f_s (sum_k x_kj u_ks - sum_k x_kj v_ks),

and each inner sum is a count of levels in one column, which is what an array measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..ops import Linear
from ..types import AnyArray, IntArray, QType
from .spec import ArraySpec
from .tile import FloatArray


@dataclass(frozen=True, eq=False)
class Block:
    """One array's part of a layer: M of a group's inputs by C columns, before any order of the rows."""

    group: int
    rows: slice
    """Which of the group's inputs."""
    outputs: slice
    """Which of the layer's output channels."""
    levels: AnyArray
    """(M, C) uint8: what the cells keep, 0..2^cell_bits - 1."""
    combine: FloatArray
    """(C, outputs): the factor with which a column's sum enters an output, plus or minus a power of two, or 0."""


def place_values(type_: QType) -> FloatArray:
    """Return the worth of each bit of a code: powers of two, the highest negative where the type is signed.

    Two's complement rather than an offset: the code 0 then drives no row, and no correction term depends on weights.

    >>> place_values(QType(0, 15)).tolist(), place_values(QType(-3, 3)).tolist()
    ([1.0, 2.0, 4.0, 8.0], [1.0, 2.0, -4.0])
    """
    values: FloatArray = np.ldexp(1.0, np.arange(type_.bits))
    if type_.signed:
        values[-1] = -values[-1]
    return values


def planes(codes: IntArray, type_: QType) -> AnyArray:
    """Return bool (bits, *shape): the bits of the codes, lowest first."""
    found: AnyArray = np.stack([(codes >> j) & 1 for j in range(type_.bits)]).astype(bool)
    return found


def blocks(where: str, op: Linear, spec: ArraySpec) -> tuple[Block, ...]:
    """Cut a layer's weights into arrays: inputs in full tiles and a rest, outputs with all their columns together.

    The slices follow from the weights' type, so that other weights of the type fit the same arrays. Raises
    InputError where a cell keeps more bits than a weight has, or one output needs more columns than an array.
    """
    bits = max(-op.weight_type.lo, op.weight_type.hi, 1).bit_length()
    if spec.cell_bits > bits:
        raise InputError(
            f"{where}: {spec.cell_bits} bits a cell; its weights have magnitudes of {bits} bits; needed 1 to {bits}"
        )
    slices = -(-bits // spec.cell_bits)
    per_output = 2 * slices
    if per_output > spec.columns:
        raise InputError(
            f"{where}: an output takes {per_output} columns ({slices} slices of either sign), the array has "
            f"{spec.columns}; needed wider arrays or more bits a cell"
        )
    weight = op.weight.reshape(op.groups, len(op.weight) // op.groups, -1).astype(np.int64)
    shift = spec.cell_bits * np.arange(slices)
    signs = np.ldexp(1.0, shift)[:, None] * [1.0, -1.0]  # (slices, 2)
    step, found = spec.columns // per_output, []
    for group, matrix in enumerate(weight):
        outputs, fan_in = matrix.shape
        for first in range(0, outputs, step):
            part = matrix[first : first + step].T  # (fan-in, outputs)
            magnitude = np.stack([np.maximum(part, 0), np.maximum(-part, 0)], axis=2)[:, :, None, :]
            levels = (magnitude >> shift[:, None]) & ((1 << spec.cell_bits) - 1)
            levels = levels.reshape(fan_in, -1).astype(np.uint8)
            combine = np.kron(np.eye(part.shape[1]), signs.reshape(-1, 1))
            at = group * outputs + first
            for row in range(0, fan_in, spec.rows):
                rows = slice(row, min(row + spec.rows, fan_in))
                found.append(Block(group, rows, slice(at, at + part.shape[1]), levels[rows], combine))
    return tuple(found)
