"""Cuts made by us rather than by the publisher: numbered parts, and one holdout.

Wherever a dataset has groups, a group is never cut.
"""

from typing import Any, NamedTuple

import numpy as np

from harness.config.sections import CrossValidation
from harness.data.types import Array
from harness.errors import BenchError

DEFAULT_SPLITS = 5
DEFAULT_SIZE = 0.2
OFFICIAL_TEST = 0  # the number of the dataset's own test part, beside the cut parts 1, 2, ...


class Labels(NamedTuple):
    """What decides a cut: parts, groups and targets, each (n,); parts and groups may be None."""

    parts: Array | None
    groups: Array | None
    targets: Array


def cut_parts(cross_validation: CrossValidation, labels: Labels, *, seed: int) -> Array:
    """(n,) part numbers 1..n_splits, for `stratified`, `group` and `kfold`.

    With `test_fold: official` the dataset's own test part keeps the number OFFICIAL_TEST. Raises
    BenchError where there are more parts than groups, examples, or members of a class.
    """
    n_splits = cross_validation.n_splits or DEFAULT_SPLITS
    rest = np.arange(len(labels.targets))
    if cross_validation.test_fold == "official":
        rest = np.flatnonzero(np.asarray(labels.parts) != "test")
    stratified = cross_validation.strategy == "stratified"
    targets = labels.targets[rest]
    groups = None if labels.groups is None else np.asarray(labels.groups)[rest]
    _refuse_too_many(n_splits, groups, targets, stratified=stratified)
    splitter = _splitter(stratified=stratified, grouped=groups is not None)(
        n_splits=n_splits, shuffle=True, random_state=seed
    )
    numbers = np.full(len(labels.targets), OFFICIAL_TEST)
    for part, (_, inside) in enumerate(splitter.split(rest, targets, groups), start=1):
        if not len(inside):
            raise BenchError(
                f"cross_validation.n_splits: part {part} of {n_splits} is empty, the groups are "
                "too large; use fewer"
            )
        numbers[rest[inside]] = part
    return numbers


def holdout_roles(
    cross_validation: CrossValidation, labels: Labels, *, seed: int
) -> tuple[Array, Array, Array]:
    """(train, validation, test) masks (n,): groups in random order, first test, then validation.

    Without groups every example is its own. Sizes count examples and are reached with whole
    groups, so a role may hold a little more. Raises BenchError where nothing is left to train on.
    """
    n = len(labels.targets)
    names = np.arange(n) if labels.groups is None else np.asarray(labels.groups)
    _, codes = np.unique(names, return_inverse=True)  # (n,) group number of each example
    order = np.random.default_rng(seed).permutation(codes.max() + 1)
    rank = np.argsort(order)[codes]  # (n,) place of each example's group in that order
    filled = np.cumsum(np.bincount(rank))  # examples in the first 1, 2, ... groups
    n_test = _count(cross_validation.test_size, n)
    test_end = 1 + int(np.searchsorted(filled, n_test))
    n_held = int(filled[min(test_end, len(filled)) - 1]) + _count(
        cross_validation.validation_size, n
    )
    validation_end = max(test_end + 1, 1 + int(np.searchsorted(filled, n_held)))
    if validation_end >= len(order):
        has = f"{n} examples" + ("" if labels.groups is None else f" in {len(order)} groups")
        raise BenchError(
            "cross_validation: validation_size and test_size leave nothing to train on; "
            f"this dataset has {has}"
        )
    test, train = rank < test_end, rank >= validation_end
    return train, ~(train | test), test


def _splitter(*, stratified: bool, grouped: bool) -> Any:
    from sklearn import model_selection

    if stratified:
        name = "StratifiedGroupKFold" if grouped else "StratifiedKFold"
    else:
        name = "GroupKFold" if grouped else "KFold"
    return getattr(model_selection, name)


def _refuse_too_many(
    n_splits: int, groups: Array | None, targets: Array, *, stratified: bool
) -> None:
    place = f"cross_validation.n_splits: {n_splits} parts are too many"
    if groups is not None and (n_groups := len(np.unique(groups))) < n_splits:
        raise BenchError(f"{place}; this dataset has {n_groups} groups")
    if len(targets) < n_splits:
        raise BenchError(f"{place}; there are {len(targets)} examples")
    classes, counts = np.unique(targets, return_counts=True)
    if stratified and counts.min() < n_splits:
        smallest, count = classes[counts.argmin()], counts.min()
        raise BenchError(f"{place}; the smallest class (number {smallest}) has {count} examples")


def _count(size: int | float | None, n: int) -> int:
    """Examples that a size stands for: a count as it is, a fraction of n rounded, at least 1."""
    if isinstance(size, int):
        return size
    return max(1, round((DEFAULT_SIZE if size is None else size) * n))
