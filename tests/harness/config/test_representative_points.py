"""Points that stand for a space: every value once, never what `when` forbids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.representative_points import (
    corners,
    count_points,
    point_in,
    subspace,
)
from harness.config.space import (
    Choice,
    IntRange,
    LogUniform,
    Parameter,
    Space,
    Uniform,
    identity,
    sample,
)

LR = Parameter(("training.lr",), LogUniform(1e-4, 1e-1))
HEADS = Parameter(("model.num_heads",), IntRange(1, 9, 4))
OPTIMIZER = Parameter(("training.optimizer",), Choice(("adam", "sgd")))
MOMENTUM = Parameter(("training.momentum",), Uniform(0.1, 0.9))
WIDTH = Parameter(("model.width", "model.depth"), Choice(((48, 4), (120, 10))))
LIMIT = Parameter(("dataset.limit",), Choice((100, None)))
NORMALIZE = Parameter(("dataset.normalize",), Choice(("none", "unit")))
WHEN = {"training.momentum": {"training.optimizer": ("sgd",)}}
SPACE = Space((LR, HEADS, OPTIMIZER, MOMENTUM, WIDTH), when=WHEN)


def test_every_value_and_both_ends_occur():
    """Of a range with steps the last one that can be drawn."""
    found = list(corners(SPACE))
    assert {point["training.lr"] for point in found} == {1e-4, 1e-1}
    assert {point["model.num_heads"] for point in found} == {1, 9}
    assert {(p["model.width"], p["model.depth"]) for p in found} == {(48, 4), (120, 10)}
    assert {p.get("training.momentum") for p in found} == {None, 0.1, 0.9}


def test_they_are_few_where_a_grid_is_large():
    """Ten parameters of ten values: 91 points, not ten billion."""
    ten = [Parameter((f"model.p{i}",), Choice(tuple(range(10)))) for i in range(10)]
    assert len(list(corners(Space(tuple(ten))))) == 1 + 10 * 9


def test_datasets_come_in_all_combinations():
    """Their data is read before anything is drawn."""
    found = {(p["dataset.limit"], p["dataset.normalize"])
             for p in corners(Space((LIMIT, HEADS, NORMALIZE)))}  # fmt: skip
    assert found == {(100, "none"), (100, "unit"), (None, "none"), (None, "unit")}


def test_a_subspace_takes_along_what_decides_existence():
    """Momentum needs the optimizer, nobody needs the rate."""
    assert subspace(SPACE, ["training.momentum"]).paths == (
        "training.optimizer", "training.momentum",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("space", "count"),
    [
        (Space(), 1),
        (Space((HEADS, OPTIMIZER)), 6),
        (Space((WIDTH, LIMIT)), 4),
        (Space((HEADS, LR)), None),
        (Space((Parameter(("model.a",), IntRange(1, 10**9)),)), None),
        (Space((OPTIMIZER, Parameter(("training.momentum",), Choice((0.1, 0.9)))), when=WHEN), 3),
    ],
)
def test_points_are_counted_where_they_end(space, count):
    """Three heads by two optimizers; adam has no momentum to choose."""
    assert count_points(space) == count


@given(st.integers(0, 10**6), st.integers(0, 100))
def test_every_draw_is_a_point_of_its_space(index, seed):
    """Read back from plain values, as from a row of the tables."""
    point = sample(SPACE, index, seed)
    assert identity(point_in(SPACE, point.__getitem__)) == identity(point)


@pytest.mark.parametrize(
    "changed",
    [
        {"training.lr": 0.2},
        {"training.lr": None},
        {"model.num_heads": 4},
        {"model.num_heads": True},
        {"training.optimizer": "adamw"},
        {"model.width": 120},
        {"training.momentum": 0.5},
    ],
)
def test_other_values_are_no_point(changed):
    """Outside a range or between its steps, half of a linked pair, or where it must not exist."""
    inside = {"training.lr": 0.01, "model.num_heads": 5, "training.optimizer": "adam",
              "model.width": 48, "model.depth": 4}  # fmt: skip
    assert point_in(SPACE, inside.__getitem__) == inside
    assert point_in(SPACE, (inside | changed).__getitem__) is None


def test_an_excluded_combination_is_no_point():
    """What a grid leaves out does not belong to it."""
    space = Space((OPTIMIZER,), exclude=({"training.optimizer": ("sgd",)},))
    assert point_in(space, {"training.optimizer": "sgd"}.__getitem__) is None
