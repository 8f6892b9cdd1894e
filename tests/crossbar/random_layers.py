"""Layers with random weights, for tests."""

from crossloom.sim import Conv2d, Edge


def conv(rng, weight_type, shape=(6, 3, 2, 2), **options):
    weight = rng.integers(weight_type.lo, weight_type.hi, shape, endpoint=True)
    return Conv2d(weight, rng.integers(-9, 9, shape[0]), weight_type, 8, **options)


def edges_of(op, shape, type_):
    x = Edge(shape, type_)
    return x, op.infer("layer", [x], False)
