"""Examples and groups that lie on both sides of a split."""

import hashlib
from collections.abc import Sequence

import numpy as np

from harness.data.types import Array, Fold


def content_codes(inputs: Array) -> Array:
    """(n,) int64; two examples have the same code exactly when their bytes are the same."""
    digests = [
        hashlib.blake2b(np.ascontiguousarray(example).tobytes(), digest_size=16).digest()
        for example in inputs
    ]
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, len(first)) for digest in digests], dtype=np.int64)


def group_codes(groups: Array) -> Array:
    """(n,) int64; the same for two examples of the same group."""
    codes: Array = np.unique(np.asarray(groups), return_inverse=True)[1]
    return codes


def shared_codes(codes: Array, folds: Sequence[Fold]) -> Array:
    """The sorted codes that occur in more than one role of some fold."""
    found: set[int] = set()
    for fold in folds:
        train, validation, test = (
            np.unique(codes[indices]) for indices in (fold.train, fold.validation, fold.test)
        )
        for one, other in ((train, validation), (train, test), (validation, test)):
            found |= set(np.intersect1d(one, other, assume_unique=True).tolist())
    return np.array(sorted(found), dtype=np.int64)


def repeated_codes(codes: Array) -> Array:
    """The sorted codes that more than one example has."""
    values, counts = np.unique(codes, return_counts=True)
    repeated: Array = values[counts > 1]
    return repeated
