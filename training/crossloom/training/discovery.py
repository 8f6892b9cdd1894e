"""Groups of classes that a network confuses: clustering of its confusion matrix, free or into equal sizes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError, MissingExtraError
from crossloom.sim.network import MAX_BRANCHES

from .data.labelled import Ints
from .rules import shown

FloatArray: TypeAlias = npt.NDArray[np.float64]

log = logging.getLogger(__name__)


def group_classes(confusion: FloatArray, classes: int, number: int | None, balanced: bool) -> Ints:
    """Return the group (C,) int64 of each class, 0..number-1 in no special order.

    `confusion` (C, C), C = `classes` >= 3: row = true class, the mean probabilities that the network gives to each
    class (or the shares of its answers) on validation images; each row sums to 1. `number` of groups in 2..C-1, or
    None: that in 2..ceil(C/2) with the best silhouette, the smaller of equals. `balanced`: sizes differ by at most one.

    Ours, as the SHA-CNN paper (arXiv 2407.21370) leaves its clustering rule out. Similarity is s = (P + P^T) / 2 off
    the diagonal, distance 1 - sqrt(s / max s). The root gives counts of any size about equal noise (Bartlett 1936) and
    lies between 1 - s, by which one strong confusion joins two groups and single classes split off (confident network
    on digits: 9 + 1), and -log s, by which values near zero decide and zeros need a floor. Clusters by average linkage
    (UPGMA), silhouettes by Rousseeuw (1987). Balanced: the leaves of the dendrogram in order, cut into equal runs, then
    pairs of classes swapped as long as the similarity within groups grows, which ends in a local optimum.

    Raises ConfigError for a matrix or number that is none of this and where no two classes are ever confused;
    MissingExtraError without scikit-learn.
    """
    confusion = _checked(confusion, classes)
    most = min(classes - 1, MAX_BRANCHES)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or not 2 <= number <= most):
        found = f"{shown(number)} super-classes of {classes} classes"
        raise ConfigError(f"discovery: {found}; needed 2 to {most}, fewer than classes; change the number")
    similarity = (confusion + confusion.T) / 2
    np.fill_diagonal(similarity, 0.0)
    if not similarity.any():
        found = "the network confuses no two classes"
        raise ConfigError(f"discovery: {found}; needed some confusion to group by; give the super-classes in a file")
    distance = 1.0 - np.sqrt(similarity / similarity.max())
    np.fill_diagonal(distance, 0.0)
    merges = _merges(distance)

    def groups_of(number: int) -> Ints:
        return _balance(similarity, merges, number) if balanced else _cut(merges, classes, number)

    if number is None:
        number, score = _best_number(distance, groups_of)
        log.info("discovery: %d groups of %d classes have the best silhouette, %.3f", number, classes, score)
    return groups_of(number)


def _checked(confusion: FloatArray, classes: int) -> FloatArray:
    """Return the confusion matrix as float64; raise ConfigError unless its rows are probabilities."""
    where = "discovery: confusion"
    matrix = np.asarray(confusion)
    if matrix.dtype.kind not in "fiu" or matrix.shape != (classes, classes):
        found = f"{matrix.dtype} of shape {list(matrix.shape)}"
        raise ConfigError(f"{where}: {found}; needed numbers ({classes}, {classes}), a row a class; correct it")
    if classes < 3:
        found = f"{classes} class{'' if classes == 1 else 'es'}"
        raise ConfigError(f"{where}: {found}; needed at least 3, for 2 super-classes and a choice; use a flat network")
    matrix = matrix.astype(np.float64)
    for found, bad in (("NaN or infinity", ~np.isfinite(matrix)), ("a negative value", matrix < 0)):
        if bad.any():
            row = int(np.argwhere(bad)[0][0])
            raise ConfigError(f"{where}: {found} in row {row}; needed probabilities 0..1; correct the network's scores")
    off = np.abs(matrix.sum(axis=1) - 1.0)
    if off.max() > 1e-3:
        row = int(off.argmax())
        found = f"row {row} sums to {matrix[row].sum():.6g}"
        raise ConfigError(f"{where}: {found}; needed 1; divide each row by the number of images of its class")
    return matrix


def _merges(distance: FloatArray) -> Ints:
    """Return the merges (C - 1, 2) of average linkage, nearest first: merge i makes cluster C + i of two clusters."""
    try:
        from sklearn.cluster import AgglomerativeClustering
    except ImportError:
        raise MissingExtraError(
            "discovery: scikit-learn is not installed; needed to cluster classes; pip install 'crossloom[training]'"
        ) from None
    model = AgglomerativeClustering(n_clusters=2, metric="precomputed", linkage="average", compute_full_tree=True)
    merges: Ints = model.fit(distance).children_.astype(np.int64)
    return merges


def _cut(merges: Ints, count: int, number: int) -> Ints:
    """Return the cluster (count,) of each class where `number` clusters are left."""
    clusters = {i: [i] for i in range(count)}
    for i, (a, b) in enumerate(merges[: count - number].tolist()):
        clusters[count + i] = clusters.pop(a) + clusters.pop(b)
    group_of = np.empty(count, dtype=np.int64)
    for group, members in enumerate(clusters.values()):
        group_of[members] = group
    return group_of


def _best_number(distance: FloatArray, groups_of: Callable[[int], Ints]) -> tuple[int, float]:
    """Return the number of groups in 2..ceil(C/2) with the highest silhouette, the smaller of equals, and that."""
    from sklearn.metrics import silhouette_score

    best, best_score = 2, -np.inf
    for number in range(2, min((len(distance) + 1) // 2, MAX_BRANCHES) + 1):
        score = float(silhouette_score(distance, groups_of(number), metric="precomputed"))
        if score > best_score + 1e-9:
            best, best_score = number, score
    return best, best_score


def _balance(similarity: FloatArray, merges: Ints, number: int) -> Ints:
    """Return the group (C,) of each class, sizes differing by at most one, no swap of two classes being better.

    The leaf order has no direction, and where C is no multiple of `number` the first groups are the larger ones: both
    directions are tried.
    """
    count = len(similarity)
    sizes = [count // number + (g < count % number) for g in range(number)]
    runs = np.repeat(np.arange(number), sizes)
    order = _leaf_order(similarity, merges)
    found = []
    for leaves in (order, order[::-1]):
        group_of = np.empty(count, dtype=np.int64)
        group_of[leaves] = runs
        found.append(_swap(similarity, group_of))
    first, second = (_inside(similarity, group_of) for group_of in found)
    return found[1] if second > first + 1e-12 * similarity.sum() else found[0]


def _leaf_order(similarity: FloatArray, merges: Ints) -> list[int]:
    """Return the leaves of the dendrogram, each merge turned so that the most similar ends meet."""
    runs = {i: [i] for i in range(len(similarity))}
    for i, (a, b) in enumerate(merges.tolist()):
        left, right = runs.pop(a), runs.pop(b)
        ways = [(x, y) for x in (left, left[::-1]) for y in (right, right[::-1])]
        x, y = max(ways, key=lambda way: similarity[way[0][-1], way[1][0]])
        runs[len(similarity) + i] = x + y
    (order,) = runs.values()
    return order


def _inside(similarity: FloatArray, group_of: Ints) -> float:
    """Return the similarity summed over ordered pairs of classes within groups."""
    return float(similarity[group_of[:, None] == group_of].sum())


def _swap(similarity: FloatArray, group_of: Ints) -> Ints:
    """Return the groups after swapping the best pair of classes again and again, until none gains.

    Every swap raises the similarity within groups, so that no grouping comes twice and it ends.
    """
    group_of = group_of.copy()
    count = len(group_of)
    least = 1e-12 * similarity.sum()
    while True:
        to_group = similarity @ (group_of[:, None] == np.arange(group_of.max() + 1))
        rise = to_group[:, group_of] - to_group[np.arange(count), group_of][:, None]  # of a, in the place of b
        gain = np.triu(rise + rise.T - 2 * similarity)
        gain[group_of[:, None] == group_of] = 0.0
        a, b = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[a, b] <= least:
            return group_of
        group_of[[a, b]] = group_of[[b, a]]
