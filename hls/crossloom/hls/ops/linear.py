"""Dense and Conv2d in the native flow: products folded onto multipliers, weights a word a cycle."""

from __future__ import annotations

from math import gcd

from crossloom.sim.ops import Conv2d, Dense, Linear, Tensor
from crossloom.sim.types import AnyArray

from .base import (
    WIDE_LANES,
    Estimate,
    Fold,
    Layout,
    Native,
    Numbers,
    Part,
    Place,
    Site,
    as_it_is,
    cpp_bool,
    divisors,
    element_wise,
    int_type,
    one_kernel,
    window_numbers,
)

# A 4 by 4 bit product with its adder takes 40 to 49 LUT in Yosys; above this many bit products a DSP is used.
LUT_PER_BIT_PRODUCT = 2.8
MAX_LUT_BIT_PRODUCTS = 20
MAX_LANES = 64


def _folds(op: Linear) -> list[Fold]:
    outputs, inputs = len(op.weight) // op.groups, op.weight.shape[-1]
    first = [d for d in divisors(outputs) if d <= WIDE_LANES]
    found = [Fold(o) for o in first]
    found += [Fold(first[-1], i) for i in divisors(inputs)[1:]]
    # Wider still: the rest of a group, then several groups side by side, each with all its inputs.
    found += [Fold(o, inputs) for o in divisors(outputs) if o > first[-1]]
    found += [Fold(outputs * g, inputs) for g in divisors(op.groups)[1:]]
    return [fold for fold in found if fold.outputs <= MAX_LANES]


def _estimate(site: Site[Linear], fold: Fold, others: int) -> Estimate:
    """The cycles of the products and `others`, and the multipliers."""
    op, edge = site.op, site.edge
    products = edge.size // len(op.weight) * op.weight.size // fold.products
    dsp = lut = 0
    x, w = site.inputs[0].type.bits, op.weight_type.bits
    if x * w <= MAX_LUT_BIT_PRODUCTS:
        lut = int(fold.products * x * w * LUT_PER_BIT_PRODUCT)
    else:
        dsp = fold.products * -(-min(x, w) // 18) * -(-max(x, w) // 25)
    return Estimate(fold.outputs, products + others, fold, dsp, lut)


def _estimate_dense(site: Site[Dense], wanted: Fold) -> Estimate:
    """It multiplies while it reads, no more inputs at once than come side by side, then writes."""
    fold = Fold(wanted.outputs, gcd(wanted.inputs, site.arriving[0]))
    return _estimate(site, fold, site.edge.size // fold.outputs)


def _estimate_conv2d(site: Site[Conv2d], wanted: Fold) -> Estimate:
    """It reads a row, then computes one."""
    return _estimate(site, wanted, site.inputs[0].size // site.arriving[0])


def _numbers(at: Place[Linear]) -> tuple[dict[str, str], Numbers]:
    assert at.fold is not None
    types, numbers = element_wise(at)
    types["weight_t"] = int_type(at.op.weight_type)
    return types, {**numbers, "out": len(at.op.weight), "par_out": at.fold.outputs, "par_in": at.fold.inputs}


def _dense(at: Place[Dense]) -> Part:
    return one_kernel(at, *_numbers(at))


def _conv2d(at: Place[Conv2d]) -> Part:
    types, numbers = _numbers(at)
    return one_kernel(at, types, {**numbers, "groups": at.op.groups, **window_numbers(at, at.op.window(at.inputs))})


def _layout(op: Linear, tensor: Tensor, values: AnyArray, fold: Fold | None, inputs_first: bool) -> Layout:
    if tensor.name != "weight":
        return as_it_is(op, tensor, values, fold)
    assert fold is not None
    out, banks = len(op.weight), len(values)
    words = values.reshape(banks, out // fold.outputs, fold.outputs, -1, fold.inputs)
    # From (bank, output fold, output, input fold, input).
    words = words.transpose(0, 3, 1, 2, 4) if inputs_first else words.transpose(0, 1, 3, 2, 4)
    sizes = f"{out}, {op.weight[0].size}, {fold.outputs}, {fold.inputs}, {cpp_bool(inputs_first)}"
    load = f"load_weights<{tensor.bits}, {cpp_bool(tensor.signed)}, {sizes}>"
    return Layout(words.reshape(banks, -1, fold.products), load, True)


def _layout_dense(op: Dense, tensor: Tensor, values: AnyArray, fold: Fold | None) -> Layout:
    """A Dense layer goes through the inputs outside."""
    return _layout(op, tensor, values, fold, True)


def _layout_conv2d(op: Conv2d, tensor: Tensor, values: AnyArray, fold: Fold | None) -> Layout:
    return _layout(op, tensor, values, fold, False)


DENSE = Native(_dense, _estimate_dense, _folds, _layout_dense)
CONV2D = Native(_conv2d, _estimate_conv2d, _folds, _layout_conv2d)
