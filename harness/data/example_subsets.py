"""Which examples take part in what.

`dataset.limit` keeps a balanced subset, pretraining sets a share of it aside, folds are cut from
the rest, and `dataset.train_per_class` keeps some of each fold's train examples.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from data_prep.examples import Examples
from harness.config.sections import CrossValidation, Pretraining
from harness.data.folds import make_folds, split_hash
from harness.data.normalise import fold_scales
from harness.data.types import Array, Fold, FoldInputs, PretrainingExamples
from harness.errors import BenchError
from harness.random_state import derive_32

NO_LABEL = -1


class Assignment(NamedTuple):
    """The folds, and the sorted indices of the examples that are in none of them."""

    folds: tuple[Fold, ...]
    aside: Array


def assign(
    examples: Examples,
    cross_validation: CrossValidation,
    *,
    pretraining: Pretraining | None,
    train_per_class: int | None,
    seed: int,
    repeats: int,
) -> Assignment:
    """Set examples aside where pretraining asks for it, and cut folds from all others.

    Args:
        examples: All examples, after `dataset.limit`.
        cross_validation: How folds are cut.
        pretraining: None where nothing is set aside.
        train_per_class: The most train examples of a class in a fold; None: all.
        seed: The benchmark's.
        repeats: How often folds are cut.

    Raises:
        BenchError: Such folds can't be, or nothing can be set aside.
    """
    aside = np.empty(0, dtype=np.int64)
    if pretraining is not None:
        aside = set_aside(examples, cross_validation, pretraining, seed=seed)
    rest = np.setdiff1d(np.arange(len(examples.targets)), aside)
    folds = make_folds(
        cross_validation,
        parts=None if examples.parts is None else examples.parts[rest],
        groups=None if examples.groups is None else examples.groups[rest],
        targets=examples.targets[rest],
        seed=seed,
        repeats=repeats,
    )
    folds = tuple(_back(fold, rest) for fold in folds) if len(aside) else folds
    if train_per_class is not None:
        folds = cut_train(folds, examples.targets, train_per_class, seed=seed)
    return Assignment(folds, aside)


def set_aside(
    examples: Examples, cross_validation: CrossValidation, pretraining: Pretraining, *, seed: int
) -> Array:
    """Choose `share` of each class from the examples that can never be test.

    Whole groups where there are groups. Labels serve to balance the classes, and nothing else. With
    strategy official only train examples are set aside.

    Returns:
        Sorted indices.

    Raises:
        BenchError: None would be chosen.
    """
    n = len(examples.targets)
    eligible = _never_test(examples, cross_validation)
    groups = np.arange(n) if examples.groups is None else np.asarray(examples.groups)
    _, group = np.unique(groups, return_inverse=True)
    mixed = np.unique(group[~eligible])
    eligible &= ~np.isin(group, mixed)
    counts = np.bincount(examples.targets[eligible], minlength=len(examples.class_names))
    wanted = np.round(pretraining.share * counts).astype(np.int64)
    order = np.arange(n)[::-1]  # the last of each class first
    if pretraining.set_aside == "seeded":
        order = np.random.default_rng(derive_32(seed, "set_aside")).permutation(n)
    chosen = _whole_groups(order[eligible[order]], group, examples.targets, wanted)
    if not len(chosen):
        raise BenchError(
            f"pretraining.share: {pretraining.share:g} of {int(counts.sum())} examples that are "
            "never test sets none aside; raise it, or use more examples"
        )
    return chosen


def cut_train(
    folds: Sequence[Fold], targets: Array, n_per_class: int, *, seed: int
) -> tuple[Fold, ...]:
    """Return the folds with at most so many train examples of each class; other roles stay.

    The order in which examples are taken follows from seed and repeat, so a smaller number's
    examples are among a larger one's.
    """
    return tuple(_cut(fold, targets, n_per_class, seed=seed) for fold in folds)


def without_labels(targets: Array, aside: Array) -> Array:
    """Return the targets, -1 for the examples set aside."""
    if not len(aside):
        return targets
    kept = targets.copy()
    kept[aside] = NO_LABEL
    return kept


def pretraining_examples(
    aside: Array,
    folds: Sequence[Fold],
    inputs: Array,
    *,
    pretraining: Pretraining,
    normalize: str,
    input_scale: float | None,
    seed: int,
) -> PretrainingExamples:
    """Return the examples set aside, a part of them held out, and the test examples of all folds.

    Args:
        aside: Sorted indices.
        folds: Of all repeats; the first one's tests count.
        inputs: (n, *input_shape) of all examples; normalisation is learned from the train part.
        pretraining: The section of the file.
        normalize: As `dataset.normalize`.
        input_scale: As `Examples.input_scale`.
        seed: The benchmark's.
    """
    train, validation = _held_out(aside, pretraining.validation_share, seed=seed)
    tests = [fold.test for fold in folds if fold.repeat == 1]
    alone = Fold(1, 1, None, train, validation, tests[0], split_hash="")
    scales = fold_scales(normalize, [inputs], [alone], input_scale=input_scale)
    mean, std = scales[0] if scales else (None, None)
    test = np.unique(np.concatenate(tests))
    return PretrainingExamples(train, validation, test, FoldInputs(mean=mean, std=std))


def limited(examples: Examples, limit: int | None) -> Examples:
    """Keep at most `limit` examples, as evenly of each part and class as can be, in their order.

    Which ones follows from their ids, so a larger limit keeps those of a smaller one.

    Raises:
        BenchError: A part or a class would be left empty.
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


def _held_out(aside: Array, share: float, *, seed: int) -> tuple[Array, Array]:
    """Split the examples set aside into (train, validation), sorted; labels play no part."""
    order = np.random.default_rng(derive_32(seed, "held_out")).permutation(len(aside))
    n_validation = min(max(1, round(share * len(aside))), len(aside) - 1) if share else 0
    return np.sort(aside[order[n_validation:]]), np.sort(aside[order[:n_validation]])


def _never_test(examples: Examples, cross_validation: CrossValidation) -> Array:
    parts = None if examples.parts is None else np.asarray(examples.parts)
    if parts is None:
        return np.ones(len(examples.targets), dtype=bool)
    if cross_validation.strategy == "official":
        return np.asarray(parts == "train")
    if cross_validation.test_fold == "official":
        return np.asarray(parts != "test")
    if cross_validation.strategy == "predefined" and isinstance(cross_validation.test_fold, int):
        return np.asarray(parts != cross_validation.test_fold)
    return np.ones(len(parts), dtype=bool)


def _whole_groups(order: Array, group: Array, targets: Array, wanted: Array) -> Array:
    """Take groups in the order of their first example, until every class has what is wanted."""
    members: dict[int, list[int]] = {}
    for index in order.tolist():
        members.setdefault(int(group[index]), []).append(index)
    taken = np.zeros_like(wanted)
    chosen: list[int] = []
    for indices in members.values():
        counts = np.bincount(targets[indices], minlength=len(wanted))
        if (taken + counts <= wanted)[counts > 0].all():
            taken += counts
            chosen.extend(indices)
    return np.sort(np.array(chosen, dtype=np.int64))


def _back(fold: Fold, rest: Array) -> Fold:
    """Return the fold with indices into all examples."""
    train, validation, test = rest[fold.train], rest[fold.validation], rest[fold.test]
    hashed = split_hash(train, validation, test)
    return replace(fold, train=train, validation=validation, test=test, split_hash=hashed)


def _cut(fold: Fold, targets: Array, n_per_class: int, *, seed: int) -> Fold:
    random = np.random.default_rng(derive_32(seed, fold.repeat, "train_per_class"))
    rank = random.permutation(len(targets))
    order = fold.train[np.argsort(rank[fold.train])]
    kept = [order[targets[order] == target][:n_per_class] for target in np.unique(targets[order])]
    train = np.sort(np.concatenate(kept))
    return replace(fold, train=train, split_hash=split_hash(train, fold.validation, fold.test))


def _shuffled(example_ids: Array) -> Array:
    """Order indices by the ids alone, unlike the file's order, where neighbours are related."""
    hashes = [hashlib.sha256(str(name).encode()).digest() for name in example_ids.tolist()]
    return np.array(sorted(range(len(hashes)), key=hashes.__getitem__), dtype=np.int64)


def _by_turns(part: Array, target: Array, order: Array) -> Array:
    """Order indices so that every beginning of them is balanced over parts, then classes."""
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
