"""Cross-validation folds: which examples are train, validation and test.

The publisher's parts are used where the strategy says so; other parts, and the holdout, are cut
here by scikit-learn's splitters. Wherever a dataset has groups, a group is never cut.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.config.sections import CrossValidation
from harness.data.types import Array, Fold
from harness.errors import BenchError
from harness.random_state import derive_32

ROLES = ("train", "validation", "test")
NO_TEST = -1  # the number of no part
TestFold = int | str | None
DEFAULT_SPLITS = 5  # as in scikit-learn
DEFAULT_SIZE = 0.2  # a fifth, the size of one of five parts
OFFICIAL_TEST = 0  # the number of the dataset's own test part, next to the cut parts 1, 2, ...


def make_folds(
    cross_validation: CrossValidation,
    *,
    parts: Array | None,
    groups: Array | None,
    targets: Array,
    seed: int,
    repeats: int,
) -> tuple[Fold, ...]:
    """Cut all folds, repeat by repeat (from 1), within a repeat by the part that validates.

    Strategies that cut parts cut new ones in each repeat, from a hash of seed and repeat, and keep
    whole groups together wherever the dataset has groups; predefined and official parts stay.

    Args:
        cross_validation: The section of the file.
        parts: (n,) as in `Examples`, or None.
        groups: (n,) as in `Examples`, or None.
        targets: (n,) class numbers.
        seed: The benchmark's.
        repeats: How often folds are cut.

    Raises:
        BenchError: Such folds can't be; the message has what the dataset has.
    """
    reason = impossible(cross_validation, parts=part_names(parts), has_groups=groups is not None)
    if reason is not None:
        raise BenchError(reason)
    labels = Labels(parts, groups, targets)
    return tuple(
        fold
        for repeat in range(1, repeats + 1)
        for fold in _one_repeat(
            cross_validation, labels, seed=derive_32(seed, repeat, "parts"), repeat=repeat
        )
    )


def part_names(parts: Array | None) -> tuple[int | str, ...]:
    """Return the distinct parts in order: numbers, or the roles that occur."""
    names = [] if parts is None else np.unique(np.asarray(parts)).tolist()
    roles = [role for role in ROLES if role in names]
    return (*roles, *(name for name in names if name not in roles))


def impossible(
    cross_validation: CrossValidation, *, parts: Sequence[int | str], has_groups: bool
) -> str | None:
    """Return why a dataset with these parts can't be cut so, or None; needs no data.

    Args:
        cross_validation: The section of the file.
        parts: Numbers, or role names; empty where the dataset has none of its own.
        has_groups: Whether its examples have groups.
    """
    strategy, test_fold = cross_validation.strategy, cross_validation.test_fold
    numbers = [part for part in parts if isinstance(part, int)]
    has = _has(parts)
    if (not numbers and not set(parts) <= set(ROLES)) or (numbers and min(numbers) < 1):
        return f"{has}; parts must be numbers from 1, or the roles {', '.join(ROLES)}"
    if strategy in ("official", "holdout") and test_fold is not None:
        return f"cross_validation.test_fold: strategy {strategy} has one fold and takes none"
    if strategy == "official":
        return _official_impossible(parts, has=has)
    if strategy == "holdout":
        return None
    if strategy == "predefined" and not numbers:
        hint = "strategy: official" if parts else "stratified, kfold or holdout"
        return f"cross_validation.strategy: predefined needs numbered parts; {has}; use {hint}"
    if strategy == "group" and not has_groups:
        return "cross_validation.strategy: group needs groups; this dataset has none; use kfold"
    if test_fold == "official" and (strategy == "predefined" or "test" not in parts):
        return f"cross_validation.test_fold: official needs the dataset's own test part; {has}"
    if strategy == "predefined":
        return _turns_impossible(test_fold, numbers, has=has)
    n_splits = cross_validation.n_splits or DEFAULT_SPLITS
    return _turns_impossible(test_fold, range(1, n_splits + 1), has=f"n_splits is {n_splits}")


def split_hash(train: Array, validation: Array, test: Array) -> str:
    """Return 16 hex digits of sha256 over the three index arrays."""
    digest = hashlib.sha256()
    for indices in (train, validation, test):
        digest.update(f"{len(indices)}:".encode())
        digest.update(np.ascontiguousarray(indices, dtype="<i8").tobytes())
    return digest.hexdigest()[:16]


class Labels(NamedTuple):
    """What decides a cut: parts, groups and targets, each (n,); parts and groups may be None."""

    parts: Array | None
    groups: Array | None
    targets: Array


def cut_parts(cross_validation: CrossValidation, labels: Labels, *, seed: int) -> Array:
    """Return (n,) part numbers 1..n_splits, for `stratified`, `group` and `kfold`.

    With `test_fold: official` the dataset's own test part keeps the number OFFICIAL_TEST.

    Raises:
        BenchError: There are more parts than groups, examples, or members of a class.
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
    """Return (train, validation, test) masks (n,): of groups in random order, test comes first.

    Without groups every example is its own. Sizes count examples and are reached with whole
    groups, so a role may hold a little more.

    Raises:
        BenchError: Nothing is left to train on.
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


class _Roles(NamedTuple):
    """A fold before it is checked; the masks are (n,) bool."""

    fold: int
    test_part: int | None
    train: Array
    validation: Array
    test: Array


def _has(parts: Sequence[int | str]) -> str:
    if not parts:
        return "this dataset has no parts of its own"
    kind = "parts" if isinstance(parts[0], int) else "roles"
    return f"this dataset has {kind} {', '.join(map(str, parts))}"


def _official_impossible(parts: Sequence[int | str], *, has: str) -> str | None:
    place = "cross_validation.strategy: official"
    if parts and isinstance(parts[0], int):
        return f"{place} needs the dataset's own roles; {has}; use strategy: predefined"
    if "train" not in parts:
        return f"{place} needs a train part; {has}"
    if "validation" not in parts and "test" in parts:
        cure = "use test_fold: official with stratified, group or kfold"
        return f"{place} needs a validation part; {has}; {cure}"
    if "validation" not in parts:
        return f"{place} needs a validation part; {has}"
    return None


def _turns_impossible(test_fold: TestFold, numbers: Sequence[int], *, has: str) -> str | None:
    place = "cross_validation.test_fold"
    if isinstance(test_fold, int) and test_fold not in numbers:
        return f"{place}: {test_fold} is not a part; {has}"
    if isinstance(test_fold, int) and len(numbers) < 3:
        return f"{place}: {test_fold} leaves no part to train on; {has}, needs at least 3"
    if test_fold in (None, "rotate") and len(numbers) < 3:
        return f"{place}: rotate (the default) needs at least 3 parts; {has}"
    if len(numbers) < 2:
        return f"{place}: {test_fold} needs at least 2 parts; {has}"
    return None


def _one_repeat(
    cross_validation: CrossValidation, labels: Labels, *, seed: int, repeat: int
) -> list[Fold]:
    if cross_validation.strategy == "official":
        own = np.asarray(labels.parts)
        roles = [_Roles(1, None, *(own == role for role in ROLES))]
    elif cross_validation.strategy == "holdout":
        roles = [_Roles(1, None, *holdout_roles(cross_validation, labels, seed=seed))]
    elif cross_validation.strategy == "predefined":
        roles = list(_turns(cross_validation.test_fold, np.asarray(labels.parts)))
    else:
        cut = cut_parts(cross_validation, labels, seed=seed)
        roles = list(_turns(cross_validation.test_fold, cut))
    folds = [_fold(role, repeat) for role in roles]
    _refuse_equal(folds)
    return folds


def _turns(test_fold: TestFold, numbers: Array) -> Iterator[_Roles]:
    """Let each part validate in turn, sorted by its number; the test part is as test_fold says."""
    present = [int(number) for number in np.unique(numbers) if number != OFFICIAL_TEST]
    if isinstance(test_fold, int):
        tests = {part: test_fold for part in present if part != test_fold}
    elif test_fold == "none":
        tests = dict.fromkeys(present, NO_TEST)
    elif test_fold == "official":
        tests = dict.fromkeys(present, OFFICIAL_TEST)
    else:  # rotate: each part is test once while the next one validates
        tests = dict(zip(present[1:] + present[:1], present, strict=True))
    for part, test_part in sorted(tests.items()):
        validation, test = numbers == part, numbers == test_part
        named = None if test_part in (OFFICIAL_TEST, NO_TEST) else test_part
        yield _Roles(part, named, ~(validation | test), validation, test)


def _fold(roles: _Roles, repeat: int) -> Fold:
    train, validation, test = (
        np.flatnonzero(mask).astype(np.int64)
        for mask in (roles.train, roles.validation, roles.test)
    )
    for name, indices in (("train", train), ("validation", validation)):
        if not len(indices):
            raise BenchError(f"cross_validation: fold {roles.fold} has no {name} examples")
    return Fold(
        repeat=repeat,
        fold=roles.fold,
        test_part=roles.test_part,
        train=train,
        validation=validation,
        test=test,
        split_hash=split_hash(train, validation, test),
    )


def _refuse_equal(folds: Sequence[Fold]) -> None:
    first: dict[str, int] = {}
    for fold in folds:
        if fold.split_hash in first:
            same = first[fold.split_hash]
            raise BenchError(f"cross_validation: folds {same} and {fold.fold} are the same")
        first[fold.split_hash] = fold.fold


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
    """Return how many examples a size is: a count as it is, a fraction of n rounded, at least 1."""
    if isinstance(size, int):
        return size
    return max(1, round((DEFAULT_SIZE if size is None else size) * n))
