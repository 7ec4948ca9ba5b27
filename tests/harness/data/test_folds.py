"""Folds: who is train, validation and test, for every strategy and every impossible wish."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.sections import CrossValidation
from harness.data.folds import impossible, make_folds, part_names, split_hash
from harness.data.types import Fold
from harness.errors import BenchError

ESC10_PARTS = np.tile(np.arange(1, 6), 80)  # 400 examples, 80 in each part
ESC10_TARGETS = np.repeat(np.arange(10), 40)
OFFICIAL = np.array(["train"] * 60 + ["validation"] * 20 + ["test"] * 20)


def _folds(
    strategy: str,
    *,
    parts: Any = None,
    groups: Any = None,
    targets: Any = None,
    seed: int = 0,
    repeats: int = 1,
    **keys: Any,
) -> tuple[Fold, ...]:
    section = CrossValidation.model_validate({"strategy": strategy, **keys})
    if targets is None:
        targets = np.arange(100 if parts is None else len(parts)) % 4
    return make_folds(
        section, parts=parts, groups=groups, targets=targets, seed=seed, repeats=repeats
    )


def _names(folds: tuple[Fold, ...]) -> list[tuple[int, int | None]]:
    return [(fold.fold, fold.test_part) for fold in folds]


def _sizes(fold: Fold) -> tuple[int, int, int]:
    return len(fold.train), len(fold.validation), len(fold.test)


def test_esc10_with_a_fixed_test_part() -> None:
    """Part 1 is always test, parts 2 to 5 validate in turn: 240 / 80 / 80 clips each."""
    folds = _folds("predefined", parts=ESC10_PARTS, targets=ESC10_TARGETS, test_fold=1)
    assert _names(folds) == [(2, 1), (3, 1), (4, 1), (5, 1)]
    for fold in folds:
        assert _sizes(fold) == (240, 80, 80)
        assert set(ESC10_PARTS[fold.test]) == {1}
        assert set(ESC10_PARTS[fold.validation]) == {fold.fold}
        assert set(ESC10_PARTS[fold.train]) == {2, 3, 4, 5} - {fold.fold}


def test_rotating_lets_the_next_part_validate() -> None:
    """While part 5 is test, part 1 validates; each part is test once."""
    folds = _folds("predefined", parts=ESC10_PARTS)
    assert _names(folds) == [(1, 5), (2, 1), (3, 2), (4, 3), (5, 4)]
    assert _names(_folds("predefined", parts=ESC10_PARTS, test_fold="rotate")) == _names(folds)


def test_without_a_test_all_parts_validate() -> None:
    """No test role: its indices are empty and its part is null."""
    folds = _folds("predefined", parts=ESC10_PARTS, test_fold="none")
    assert _names(folds) == [(part, None) for part in (1, 2, 3, 4, 5)]
    assert {_sizes(fold) for fold in folds} == {(320, 80, 0)}


def test_part_numbers_are_the_datasets_own() -> None:
    """Parts 2, 5 and 9 keep their names."""
    folds = _folds("predefined", parts=np.tile([9, 2, 5], 10))
    assert _names(folds) == [(2, 9), (5, 2), (9, 5)]


def test_official_roles_are_one_fold() -> None:
    """Fold 1, no numbered test part."""
    (fold,) = _folds("official", parts=OFFICIAL)
    assert (fold.fold, fold.test_part, _sizes(fold)) == (1, None, (60, 20, 20))


def test_official_without_a_test_has_no_test_role() -> None:
    """Train and validation are enough."""
    (fold,) = _folds("official", parts=OFFICIAL[:80])
    assert _sizes(fold) == (60, 20, 0)


def test_the_official_test_part_with_cut_parts() -> None:
    """Train and validation are pooled and cut; the test examples never move."""
    folds = _folds("stratified", parts=OFFICIAL, test_fold="official", n_splits=4)
    assert _names(folds) == [(part, None) for part in (1, 2, 3, 4)]
    for fold in folds:
        assert _sizes(fold) == (60, 20, 20)
        assert fold.test.tolist() == list(range(80, 100))


def test_cut_parts_default_to_five() -> None:
    """kfold of 100 examples without n_splits."""
    folds = _folds("kfold")
    assert [_sizes(fold) for fold in folds] == [(60, 20, 20)] * 5


def test_stratified_parts_hold_equal_classes() -> None:
    """Each part of 40 holds 10 of each of 4 classes."""
    targets = np.repeat(np.arange(4), 50)
    for fold in _folds("stratified", targets=targets):
        assert np.bincount(targets[fold.validation]).tolist() == [10, 10, 10, 10]


def test_holdout_takes_fractions_and_counts() -> None:
    """0.1 of 100 and 30 of 100; by default a fifth each."""
    (fold,) = _folds("holdout", validation_size=0.1, test_size=30)
    assert (fold.fold, fold.test_part, _sizes(fold)) == (1, None, (60, 10, 30))
    assert _sizes(_folds("holdout")[0]) == (60, 20, 20)


def test_holdout_by_groups_is_filled_with_whole_groups() -> None:
    """Groups of 10: a wish for 15 is met by 20."""
    groups = np.repeat([f"g{number}" for number in range(10)], 10)
    (fold,) = _folds("holdout", groups=groups, test_size=15, validation_size=0.1)
    assert _sizes(fold) == (70, 10, 20)


@pytest.mark.parametrize("strategy", ["stratified", "kfold", "group", "holdout"])
def test_cut_parts_are_cut_anew_in_each_repeat(strategy: str) -> None:
    """Other index sets, same names; the first repeat is what it was alone."""
    groups = [f"g{i // 2}" for i in range(100)] if strategy == "group" else None
    once, twice = (_folds(strategy, groups=groups, repeats=repeats) for repeats in (1, 2))
    n = len(once)
    assert [fold.repeat for fold in twice] == [1] * n + [2] * n
    assert _names(twice[:n]) == _names(twice[n:])
    assert [fold.split_hash for fold in once] == [fold.split_hash for fold in twice[:n]]
    assert not {f.split_hash for f in twice[:n]} & {f.split_hash for f in twice[n:]}


@pytest.mark.parametrize(
    ("strategy", "hashes"),
    [
        ("stratified", ["9a67c8db61058e0b", "0b194b33b00a281d"]),
        ("kfold", ["9675df8aa0522ec0", "5be7d52927a85818"]),
        ("group", ["98aa2859eb1723ff", "fd5971a47b8e237a"]),
        ("holdout", ["38971629767c439b", "e4231ccc069c366f"]),
    ],
)
def test_folds_follow_from_seed_and_repeat_for_good(strategy: str, hashes: list[str]) -> None:
    """Pinned: rows of earlier versions stand beside those of later ones."""
    folds = _folds(
        strategy,
        targets=np.arange(40) % 2,
        groups=np.array([f"g{i // 2}" for i in range(40)]) if strategy == "group" else None,
        seed=3,
        repeats=2,
        **({} if strategy == "holdout" else {"n_splits": 4}),
    )
    assert [fold.split_hash for fold in folds if fold.fold == 1] == hashes


@pytest.mark.parametrize(
    ("strategy", "parts"), [("predefined", ESC10_PARTS), ("official", OFFICIAL)]
)
def test_own_parts_stay_in_each_repeat(strategy: str, parts: np.ndarray) -> None:
    """Repeats of them differ in the training seed alone."""
    folds = _folds(strategy, parts=parts, repeats=2)
    half = len(folds) // 2
    assert [f.split_hash for f in folds[:half]] == [f.split_hash for f in folds[half:]]


def test_the_hash_is_over_the_three_index_arrays() -> None:
    """Pinned: lengths, then little-endian int64, role by role."""
    import hashlib

    content = b"2:" + bytes([0] * 8 + [2] + [0] * 7) + b"1:" + bytes([1] + [0] * 7) + b"0:"
    found = split_hash(np.array([0, 2]), np.array([1]), np.array([], dtype=np.int64))
    assert found == hashlib.sha256(content).hexdigest()[:16]


IMPOSSIBLE = [
    ("predefined", {"test_fold": 7}, ESC10_PARTS, "7 is not a part; .* has parts 1, 2, 3, 4, 5"),
    ("predefined", {}, None, "has no parts of its own"),
    ("predefined", {}, OFFICIAL, "roles train, validation, test; use strategy: official"),
    ("predefined", {}, np.tile([1, 2], 50), "rotate .* needs at least 3 parts; .* parts 1, 2"),
    ("predefined", {"test_fold": 1}, np.tile([1, 2], 50), "leaves no part to train on"),
    ("predefined", {"test_fold": "none"}, np.ones(100, dtype=int), "needs at least 2 parts"),
    ("predefined", {"test_fold": "official"}, ESC10_PARTS, "official needs the dataset's own test"),
    ("predefined", {}, np.tile([0, 1, 2], 50), "parts must be numbers from 1"),
    ("official", {}, np.array(["train"] * 80 + ["test"] * 20), "use test_fold: official"),
    ("official", {}, np.array(["train"] * 80), "needs a validation part"),
    ("official", {}, np.array(["test"] * 80), "needs a train part"),
    ("official", {}, ESC10_PARTS, "use strategy: predefined"),
    ("official", {}, None, "has no parts"),
    ("official", {}, np.array(["train", "dev"] * 50), "roles train, validation, test"),
    ("official", {"test_fold": 1}, OFFICIAL, "one fold"),
    ("holdout", {"test_fold": "none"}, None, "one fold"),
    ("holdout", {"test_size": 60, "validation_size": 0.4}, None, "leave nothing to train on"),
    ("holdout", {"test_size": 1000}, None, "leave nothing to train on"),
    ("group", {}, None, "needs groups; this dataset has none"),
    ("kfold", {"n_splits": 2}, None, "needs at least 3 parts; n_splits is 2"),
    ("kfold", {"n_splits": 3, "test_fold": 4}, None, "4 is not a part; n_splits is 3"),
    ("kfold", {"n_splits": 101}, None, "there are 100 examples"),
    ("kfold", {"test_fold": "official"}, None, "has no parts of its own"),
    ("kfold", {"test_fold": "official"}, OFFICIAL[:80], "has roles train, validation"),
    ("stratified", {"n_splits": 26}, None, "smallest class .* has 25 examples"),
]


@pytest.mark.parametrize(("strategy", "keys", "parts", "words"), IMPOSSIBLE)
def test_impossible_wishes_say_what_the_dataset_has(
    strategy: str, keys: dict[str, Any], parts: Any, words: str
) -> None:
    """Never a traceback, never an empty role."""
    with pytest.raises(BenchError, match=words):
        _folds(strategy, parts=parts, **keys)


@pytest.mark.parametrize("strategy", ["group", "kfold", "stratified"])
def test_more_parts_than_groups_are_refused(strategy: str) -> None:
    """Four groups can't fill five parts."""
    with pytest.raises(BenchError, match="has 4 groups"):
        _folds(strategy, groups=np.array(["a", "b", "c", "d"] * 25))


def test_a_description_is_enough_to_refuse() -> None:
    """`bench check` reads no data: part names and the presence of groups decide."""
    section = CrossValidation(strategy="predefined", test_fold=7)
    reason = impossible(section, parts=(1, 2, 3, 4, 5), has_groups=True)
    assert reason == (
        "cross_validation.test_fold: 7 is not a part; this dataset has parts 1, 2, 3, 4, 5"
    )
    assert impossible(section, parts=tuple(range(1, 8)), has_groups=True) is None


def test_roles_are_named_in_the_order_of_their_use() -> None:
    """Not in that of the alphabet."""
    assert part_names(OFFICIAL) == ("train", "validation", "test")
    assert part_names(np.array([2, 1])) == (1, 2)
    assert part_names(None) == ()


def _assert_sound(folds: tuple[Fold, ...], n: int, *, all_used: bool = True) -> None:
    for fold in folds:
        roles = [fold.train, fold.validation, fold.test]
        joined = np.concatenate(roles)
        assert len(np.unique(joined)) == len(joined)
        assert not all_used or len(joined) == n
        assert len(fold.train) and len(fold.validation)
        assert all(role.dtype == np.int64 and (np.diff(role) > 0).all() for role in roles)


def _assert_groups_whole(folds: tuple[Fold, ...], groups: np.ndarray) -> None:
    for fold in folds:
        sides = [set(groups[role]) for role in (fold.train, fold.validation, fold.test)]
        assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


@settings(max_examples=60, deadline=None)
@given(
    strategy=st.sampled_from(["stratified", "group", "kfold", "holdout"]),
    test_fold=st.sampled_from(["rotate", "none", 2]),
    n_splits=st.integers(3, 6),
    group_sizes=st.lists(st.integers(1, 4), min_size=8, max_size=30),
    grouped=st.booleans(),
    seed=st.integers(0, 2**40),
    repeats=st.integers(1, 3),
)
def test_any_cut_is_disjoint_complete_and_keeps_groups(
    strategy: str,
    test_fold: str | int,
    n_splits: int,
    group_sizes: list[int],
    grouped: bool,
    seed: int,
    repeats: int,
) -> None:
    """Roles are disjoint and cover everything, groups stay whole, the same seed cuts the same."""
    groups = np.repeat(np.arange(len(group_sizes)).astype(str), group_sizes)
    n = len(groups)
    keys: dict[str, Any] = {"test_fold": test_fold, "n_splits": n_splits}
    arguments: dict[str, Any] = {
        "groups": groups if grouped or strategy == "group" else None,
        "targets": np.arange(n) % 2,
        "seed": seed,
        "repeats": repeats,
        **({} if strategy == "holdout" else keys),
    }
    try:
        folds = _folds(strategy, **arguments)
    except BenchError as error:
        assert any(words in str(error) for words in ("too many", "is empty", "nothing to train"))
        return
    _assert_sound(folds, n)
    if arguments["groups"] is not None:
        _assert_groups_whole(folds, groups)
    again = _folds(strategy, **arguments)
    assert [fold.split_hash for fold in again] == [fold.split_hash for fold in folds]
    for repeat in range(1, repeats + 1):
        hashes = [fold.split_hash for fold in folds if fold.repeat == repeat]
        assert len(set(hashes)) == len(hashes)


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.integers(1, 6), min_size=3, max_size=60),
    test_fold=st.sampled_from(["rotate", "none", 1, 3]),
)
def test_any_predefined_parts_are_disjoint_and_complete(
    parts: list[int], test_fold: str | int
) -> None:
    """Every part validates exactly once, but a fixed test part never."""
    present = set(parts)
    try:
        folds = _folds("predefined", parts=np.array(parts), test_fold=test_fold)
    except BenchError:
        assert len(present) < 3 or test_fold not in present
        return
    _assert_sound(folds, len(parts))
    validating = [fold.fold for fold in folds]
    assert validating == sorted(present - {test_fold})
    if test_fold == "rotate":
        assert sorted(fold.test_part for fold in folds if fold.test_part) == sorted(present)
