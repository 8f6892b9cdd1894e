"""How many images at a time: as many as have edges of a bounded size, so that memory does not grow with the images."""

from __future__ import annotations

from collections.abc import Iterator

from .network import Network

EDGE_BYTES = 128 << 20
"""What the edges of one batch may take, at 8 bytes a code: whoever holds them has copies and temporaries besides."""
MAX_IMAGES = 256


def images_at_once(network: Network) -> int:
    """Return how many images have all their edges in `EDGE_BYTES`: 1 to `MAX_IMAGES`."""
    each = 8 * sum(edge.image_size for edge in network.edges.values())
    return min(max(1, EDGE_BYTES // each), MAX_IMAGES)


def batches(network: Network, count: int) -> Iterator[slice]:
    """Yield the parts of `count` images, in order; of none one empty part, so that their result has a shape."""
    step = images_at_once(network)
    for start in range(0, max(count, 1), step):
        yield slice(start, min(start + step, count))
