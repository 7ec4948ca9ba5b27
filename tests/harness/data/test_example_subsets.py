"""Examples set aside for pretraining are in no fold; train roles are cut, nested."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.examples import Examples
from harness.config.sections import CrossValidation, Pretraining
from harness.data.example_subsets import (
    assign,
    limited,
    pretraining_examples,
    set_aside,
    without_labels,
)
from harness.data.folds import make_folds
from harness.errors import BenchError

N, CLASSES = 120, 3
ROLES = np.where(np.arange(N) % 4 == 0, "test", "train")


def examples(**changes):
    """120 examples of three classes in turns, labelled by their index."""
    given = {
        "inputs": np.arange(N, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 2, 2)),
        "targets": np.arange(N, dtype=np.int64) % CLASSES,
        "example_ids": np.array([f"e{i:03d}" for i in range(N)]),
        "class_names": ("a", "b", "c"),
    }
    return Examples(**given | changes)


def pretraining(**changes):
    given = {"task": "rotation", "epochs": 1, "batch_size": 8, "optimizer": "sgd", "lr": 0.1}
    return Pretraining.model_validate(given | changes)


def cutting(**changes):
    return CrossValidation.model_validate({"strategy": "stratified", "n_splits": 3} | changes)


def assigned(given=None, cross_validation=None, *, train_per_class=None, repeats=2, **section):
    return assign(
        given or examples(),
        cross_validation or cutting(),
        pretraining=pretraining(**section),
        train_per_class=train_per_class,
        seed=0,
        repeats=repeats,
    )


CUTS = {
    "rotate": (cutting(), {}),
    "part": (cutting(test_fold=2), {}),
    "official test": (cutting(test_fold="official"), {"parts": ROLES}),
    "predefined": (
        CrossValidation(strategy="predefined", test_fold=1),
        {"parts": np.arange(N) % 5 + 1},
    ),
    "holdout": (CrossValidation(strategy="holdout"), {}),
    "groups": (
        CrossValidation(strategy="group", n_splits=3),
        {"groups": np.array([f"g{i // 6}" for i in range(N)])},
    ),
    "official": (
        CrossValidation(strategy="official"),
        {"parts": np.array(["train", "train", "validation", "test"])[np.arange(N) % 4]},
    ),
}


@pytest.mark.parametrize("cut", CUTS)
def test_examples_set_aside_are_in_no_role_of_any_fold(cut):
    """Neither train, validation nor test, in any repeat; and everything else is somewhere."""
    cross_validation, parts = CUTS[cut]
    given = examples(**parts)
    folds, aside = assigned(given, cross_validation)
    assert len(aside)
    for fold in folds:
        roles = np.concatenate([fold.train, fold.validation, fold.test])
        assert not np.isin(roles, aside).any()
        assert len(np.unique(roles)) == len(roles) == N - len(aside)
    if given.groups is not None:
        inside = set(given.groups[aside])
        assert inside.isdisjoint(np.delete(given.groups, aside))


def test_a_share_of_each_class_is_set_aside():
    """0.75 of 40 examples a class are 30."""
    _, aside = assigned(share=0.75)
    assert np.bincount(aside % CLASSES).tolist() == [30, 30, 30]


def test_the_official_test_part_never_takes_part():
    """0.8 of the 90 others: 24 of 30 a class."""
    given = examples(parts=ROLES)
    _, aside = assigned(given, cutting(test_fold="official"))
    assert set(ROLES[aside]) == {"train"}
    assert np.bincount(aside % CLASSES).tolist() == [24, 24, 24]


def test_the_last_of_each_class_are_set_aside_as_published():
    """The first 8 of 40 examples of each class keep their labels: the first 24 of all."""
    _, aside = assigned(set_aside="last")
    assert aside.tolist() == list(range(24, N))


def test_an_empty_share_is_an_error():
    with pytest.raises(BenchError, match="sets none aside"):
        set_aside(examples(), cutting(), pretraining(share=0.01), seed=0)


def test_labels_of_examples_set_aside_are_dropped():
    """They are -1 whatever they were, so nothing can read them."""
    kept = without_labels(np.array([2, 1, 0, 2]), np.array([1, 3]))
    assert kept.tolist() == [2, -1, 0, -1]


def test_a_tenth_is_held_out_and_tests_are_those_of_the_folds():
    """90 set aside: 81 and 9; each of the other 30 is test once, as parts rotate."""
    given = examples()
    section = pretraining(share=0.75)
    folds, aside = assigned(given, share=0.75)
    made = pretraining_examples(
        aside, folds, given.inputs, pretraining=section, normalize="none", input_scale=None, seed=0
    )
    assert (len(made.train), len(made.validation), len(made.test)) == (81, 9, 30)
    assert sorted([*made.train, *made.validation, *made.test]) == list(range(N))


def test_normalisation_of_pretraining_is_learned_from_its_train_part():
    """The images hold their index, so its mean is the mean index."""
    given = examples()
    folds, aside = assigned(given)
    made = pretraining_examples(
        aside, folds, given.inputs,
        pretraining=pretraining(), normalize="standard", input_scale=None, seed=0,
    )  # fmt: skip
    assert made.inputs.mean == pytest.approx([made.train.mean()], rel=1e-5)


def test_train_examples_are_cut_per_class_and_nested():
    """Two of each class are among five; validation and test stay; hashes tell them apart."""
    whole, five, two = (assigned(share=0.3, train_per_class=n).folds for n in (None, 5, 2))
    for all_of_it, larger, smaller in zip(whole, five, two, strict=True):
        assert np.bincount(larger.train % CLASSES).tolist() == [5, 5, 5]
        assert np.bincount(smaller.train % CLASSES).tolist() == [2, 2, 2]
        assert set(smaller.train) < set(larger.train) < set(all_of_it.train)
        assert np.array_equal(smaller.validation, all_of_it.validation)
        assert np.array_equal(smaller.test, all_of_it.test)
    assert len({fold.split_hash for fold in (*whole, *five, *two)}) == 3 * len(whole)


def test_a_class_with_fewer_examples_gives_all_it_has():
    whole, cut = (assigned(train_per_class=n).folds for n in (None, 1000))
    assert [fold.split_hash for fold in whole] == [fold.split_hash for fold in cut]


@pytest.mark.skipif("BENCH_DATA" not in os.environ, reason="BENCH_DATA names no real data")
def test_the_published_split_of_cifar10():
    """40,000 images without labels; of each class the first 1,000 train images keep theirs."""
    from data_prep.cifar10 import load

    given = load(os.environ["BENCH_DATA"])
    cross_validation = cutting(n_splits=5, test_fold="official")
    folds, aside = assigned(given, cross_validation, repeats=1, set_aside="last")
    assert np.bincount(given.targets[aside]).tolist() == [4000] * 10
    train = np.flatnonzero(given.parts == "train")
    first = [train[given.targets[train] == target][:1000] for target in range(10)]
    labelled = np.concatenate([folds[0].train, folds[0].validation])
    assert np.array_equal(np.sort(labelled), np.sort(np.concatenate(first)))
    assert all(np.array_equal(fold.test, np.flatnonzero(given.parts == "test")) for fold in folds)


def _esc10() -> Examples:
    """400 examples, 8 in each of 5 parts and 10 classes."""
    n = 400
    return Examples(
        inputs=np.arange(n)[:, np.newaxis].astype(np.float32),
        targets=np.repeat(np.arange(10), 40),
        example_ids=np.array([f"clip-{index}" for index in range(n)]),
        class_names=tuple("abcdefghij"),
        parts=np.tile(np.arange(1, 6), 80),
        groups=np.array([f"recording-{index // 2}" for index in range(n)]),
    )


def _table(examples: Examples) -> np.ndarray:
    table = np.zeros((10, 5), dtype=int)
    np.add.at(table, (examples.targets, np.asarray(examples.parts) - 1), 1)
    return table


def test_a_hundred_of_four_hundred_is_two_of_each_cell() -> None:
    """Balanced over part and class at once."""
    assert (_table(limited(_esc10(), 100)) == 2).all()


def test_no_limit_or_a_large_one_changes_nothing() -> None:
    """The very same value."""
    examples = _esc10()
    assert limited(examples, None) is examples
    assert limited(examples, 400) is examples


def test_rows_stay_together_and_in_order() -> None:
    """Inputs, ids, parts and groups of an example move as one."""
    part = limited(_esc10(), 60)
    rows = part.inputs[:, 0].astype(int)
    assert (np.diff(rows) > 0).all()
    assert part.example_ids.tolist() == [f"clip-{row}" for row in rows]
    assert np.asarray(part.groups).tolist() == [f"recording-{row // 2}" for row in rows]
    assert np.array_equal(part.parts, rows % 5 + 1)


def test_which_examples_does_not_depend_on_their_order() -> None:
    """The same ids from a file that lists them backwards."""
    examples = _esc10()
    fields = ("inputs", "targets", "example_ids", "parts", "groups")
    backwards = Examples(
        **{name: getattr(examples, name)[::-1] for name in fields},
        class_names=examples.class_names,
    )
    chosen = [set(limited(value, 70).example_ids.tolist()) for value in (examples, backwards)]
    assert chosen[0] == chosen[1]


@settings(max_examples=40, deadline=None)
@given(small=st.integers(10, 399), more=st.integers(1, 100))
def test_a_larger_limit_keeps_the_earlier_examples(small: int, more: int) -> None:
    """Exactly as many as asked for, cells differing by at most one."""
    examples = _esc10()
    few, many = limited(examples, small), limited(examples, min(400, small + more))
    assert len(few.targets) == small
    assert set(few.example_ids.tolist()) < set(many.example_ids.tolist())
    assert np.ptp(_table(few)) <= 1


@pytest.mark.parametrize("limit", [10, 12, 25, 49])
def test_every_fold_keeps_every_role(limit: int) -> None:
    """Even with fewer examples than cells each part has some."""
    part = limited(_esc10(), limit)
    folds = make_folds(
        CrossValidation(strategy="predefined"),
        parts=part.parts,
        groups=part.groups,
        targets=part.targets,
        seed=0,
        repeats=1,
    )
    assert len(folds) == 5
    for fold in folds:
        assert len(fold.train) and len(fold.validation) and len(fold.test)


@pytest.mark.parametrize(
    ("limit", "words"), [(3, "2 of 5 parts empty"), (7, "3 of 10 classes empty")]
)
def test_a_limit_that_empties_a_part_or_class_is_refused(limit: int, words: str) -> None:
    """Folds or classes would silently be others."""
    with pytest.raises(BenchError, match=words):
        limited(_esc10(), limit)
