"""Distances to neighbours in an embedding space, by faiss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selflengthen.curate.io.rows import Floats

    Vectors = NDArray[np.float32]

_EXACT = 20_000  # up to so many rows every pair is compared in full
_SAMPLE = 20_000  # rows from which the codes are learned
_AGAIN = 10  # candidates per neighbour that are compared in full


def distances(vectors: Vectors, neighbour: int) -> Floats:
    """Return each row's Euclidean distance to its i-th nearest other row, all scaled to length 1.

    Exact for up to 20,000 rows. Above that, all pairs are compared by codes (4 bits per 4
    dimensions) and the best candidates in full, so a distance may be that of a slightly farther
    row. The same rows give the same distances. There must be more than `neighbour` rows.
    """
    import faiss
    import numpy as np

    count, width = vectors.shape
    assert count > neighbour > 0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.zeros((count, -(-width // 4) * 4), np.float32)
    np.divide(vectors, lengths, out=scaled[:, :width], where=lengths > 0)
    index: Any  # faiss has no complete type stubs
    if count <= _EXACT:
        index = faiss.IndexFlatL2(scaled.shape[1])
    else:
        index = faiss.index_factory(scaled.shape[1], f"PQ{scaled.shape[1] // 4}x4fs,RFlat")
        index.k_factor = _AGAIN
        chosen = np.random.default_rng(0).choice(count, _SAMPLE, replace=False)
        index.train(scaled[np.sort(chosen)])
    index.add(scaled)
    # A row is its own nearest, or as near as its duplicates are.
    squared, _ = index.search(scaled, neighbour + 1)
    result: Floats = np.sqrt(np.maximum(squared[:, neighbour], 0)).astype(np.float64)
    return result
