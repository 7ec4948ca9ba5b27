"""Fewer examples, balanced over parts and classes: the same ones on every machine."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from data_prep.examples import Examples
from harness.data.types import Array
from harness.errors import BenchError


def limited(examples: Examples, limit: int | None) -> Examples:
    """At most `limit` examples, as many as can be from each part and class, in their old order.

    Which ones follows from their ids, so a larger limit keeps those of a smaller one. Raises
    BenchError where a part or a class would be left empty.
    """
    n = len(examples.targets)
    if limit is None or limit >= n:
        return examples
    parts = np.zeros(n, dtype=np.int64) if examples.parts is None else np.asarray(examples.parts)
    _, part = np.unique(parts, return_inverse=True)
    kept = np.sort(_by_turns(part, examples.targets, _shuffled(examples.example_ids))[:limit])
    for name, values in (("parts", parts), ("classes", examples.targets)):
        n_needed, n_kept = len(np.unique(values)), len(np.unique(values[kept]))
        if n_kept < n_needed:
            raise BenchError(
                f"dataset.limit: {limit} examples leave {n_needed - n_kept} of {n_needed} "
                f"{name} empty; raise the limit"
            )
    return _rows(examples, kept)


def _shuffled(example_ids: Array) -> Array:
    """Indices in an order that only the ids decide, unlike the file's, where neighbours are kin."""
    hashes = [hashlib.sha256(str(name).encode()).digest() for name in example_ids.tolist()]
    return np.array(sorted(range(len(hashes)), key=hashes.__getitem__), dtype=np.int64)


def _by_turns(part: Array, target: Array, order: Array) -> Array:
    """Indices so that every beginning of them is balanced over parts, then classes."""
    taken: dict[tuple[int, int], int] = {}
    turn = np.empty(len(order), dtype=np.int64)
    for index in order.tolist():
        cell = (int(part[index]), int(target[index]))
        turn[index] = taken.get(cell, 0)
        taken[cell] = turn[index] + 1
    n_classes, n_parts = int(target.max()) + 1, int(part.max()) + 1
    # Cell number k of a turn is of class k, in the parts by turns: the first cells already reach
    # every part and every class.
    diagonal = (target - part) % n_classes
    return np.lexsort((part, diagonal // n_parts, diagonal % n_parts, turn))


def _rows(examples: Examples, indices: Array) -> Examples:
    names = ("inputs", "targets", "example_ids", "parts", "groups")
    arrays: dict[str, Any] = {name: getattr(examples, name) for name in names}
    chosen = {name: values[indices] for name, values in arrays.items() if values is not None}
    return replace(examples, **chosen)
