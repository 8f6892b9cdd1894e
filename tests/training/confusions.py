"""Confusion matrices with and without structure, and measures of the groups found in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from crossloom.training.discovery import FloatArray

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))


def noise(count: int, seed: int) -> FloatArray:
    """Confusions of a good network: most of each row on the diagonal, the rest spread over decades."""
    rng = np.random.default_rng(seed)
    matrix = np.exp(rng.normal(-7.0, 2.0, (count, count))) + 5.0 * np.eye(count)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def planted(group_of: npt.ArrayLike, seed: int) -> FloatArray:
    """Confusions of 0.1 to 2 percent within groups and a twentieth of that between them."""
    groups = np.array(group_of)
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(0.001, 0.02, (len(groups), len(groups)))
    matrix[groups[:, None] == groups] = rng.uniform(0.005, 0.02, int((groups[:, None] == groups).sum()))
    matrix[groups[:, None] != groups] /= 20
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, 1.0 - matrix.sum(axis=1))
    return np.asarray(matrix)


def partition(members: Sequence[Sequence[int]]) -> frozenset[frozenset[int]]:
    return frozenset(frozenset(int(i) for i in group) for group in members)


def similarity(confusion: FloatArray) -> FloatArray:
    half = (confusion + confusion.T) / 2
    np.fill_diagonal(half, 0.0)
    return np.asarray(half)


def inside(confusion: FloatArray, members: Sequence[Sequence[int]]) -> float:
    half = similarity(confusion)
    return float(sum(half[np.ix_(group, group)].sum() for group in members))
