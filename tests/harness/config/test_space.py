"""A grid holds every allowed point once; draw i depends on the seed and i alone."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.space import (
    Choice,
    IntRange,
    LogUniform,
    Parameter,
    Space,
    Uniform,
    corners,
    count_points,
    grid,
    holds,
    identity,
    point_in,
    sample,
    samples,
    subspace,
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


def parameter(path, *values):
    """A choice over one path."""
    return Parameter((path,), Choice(values))


def test_a_grid_is_the_product_with_the_last_parameter_fastest():
    """Two by two: the order of the file, like nested loops."""
    space = Space((parameter("model.a", 1, 2), parameter("model.b", "x", "y")))
    assert [tuple(point.values()) for point in grid(space)] == [
        (1, "x"),
        (1, "y"),
        (2, "x"),
        (2, "y"),
    ]


def test_linked_parameters_move_together():
    """Three rows of two linked paths are three points, not nine."""
    rows = Choice(((48, 4), (120, 10), (192, 16)))
    space = Space((Parameter(("model.width", "model.num_heads"), rows),))
    assert list(grid(space)) == [
        {"model.width": 48, "model.num_heads": 4},
        {"model.width": 120, "model.num_heads": 10},
        {"model.width": 192, "model.num_heads": 16},
    ]


def test_when_collapses_the_points_where_a_parameter_does_not_exist():
    """Momentum exists for sgd alone: 1 point of adam and 2 of sgd, adam's without momentum."""
    space = Space(
        (parameter("training.momentum", 0.0, 0.9), parameter("training.optimizer", "adam", "sgd")),
        when={"training.momentum": {"training.optimizer": ("sgd",)}},
    )
    assert list(grid(space)) == [
        {"training.optimizer": "adam"},
        {"training.momentum": 0.0, "training.optimizer": "sgd"},
        {"training.momentum": 0.9, "training.optimizer": "sgd"},
    ]


def test_when_reaches_through_a_parameter_that_does_not_exist():
    """c needs b, b needs a = 1: without b there is no c either."""
    space = Space(
        (parameter("model.a", 0, 1), parameter("model.b", 5, 6), parameter("model.c", 7, 8)),
        when={"model.c": {"model.b": (5,)}, "model.b": {"model.a": (1,)}},
    )
    assert list(grid(space)) == [
        {"model.a": 0},
        {"model.a": 1, "model.b": 5, "model.c": 7},
        {"model.a": 1, "model.b": 5, "model.c": 8},
        {"model.a": 1, "model.b": 6},
    ]


def test_exclude_drops_a_combination_only_where_all_of_it_matches():
    """Of four combinations the one with both values goes."""
    space = Space(
        (parameter("model.a", 1, 2), parameter("model.b", True, False)),
        exclude=({"model.a": (1, 3), "model.b": (True,)},),
    )
    assert len(list(grid(space))) == 3
    assert {"model.a": 1, "model.b": True} not in list(grid(space))


def test_true_is_not_one_but_one_is_one_point_zero():
    """Python's True == 1 must not make an exclusion of 1 hit a flag."""
    assert identity(True) != identity(1)
    assert identity(1) == identity(1.0)
    assert identity([1, "a"]) == identity((1.0, "a"))
    assert not holds({"model.flag": (1,)}, {"model.flag": True})


@pytest.mark.parametrize(
    ("domain", "bits", "value"),
    [
        (Choice(("a", "b", "c", "d")), 0, "a"),
        (Choice(("a", "b", "c", "d")), 2**63, "c"),
        (Choice(("a", "b", "c", "d")), 2**64 - 1, "d"),
        (Uniform(2.0, 4.0), 0, 2.0),
        (Uniform(2.0, 4.0), 2**63, 3.0),
        (Uniform(2.0, 4.0), 2**64 - 1, 4.0),
        (LogUniform(0.01, 1.0), 0, pytest.approx(0.01)),
        (LogUniform(0.01, 1.0), 2**63, pytest.approx(0.1)),
        (LogUniform(0.01, 1.0), 2**64 - 1, 1.0),
        (IntRange(1, 10, 4), 0, 1),
        (IntRange(1, 10, 4), 2**63, 5),
        (IntRange(1, 10, 4), 2**64 - 1, 9),
    ],
)
def test_domains_spread_the_bits_over_their_bounds(domain, bits, value):
    """No bits give the lower bound, all bits the upper one, half of them the middle."""
    assert domain.draw(bits) == value


MIXED = Space(
    (
        Parameter(("training.lr",), LogUniform(1e-4, 1e-1)),
        parameter("training.optimizer", "adam", "sgd"),
        Parameter(("training.momentum",), Uniform(0.5, 0.99)),
        Parameter(("model.depth",), IntRange(1, 9, 2)),
    ),
    when={"training.momentum": {"training.optimizer": ("sgd",)}},
)


def test_more_samples_keep_the_first_ones():
    """Raising num_samples trains only the new ones."""
    few, many = list(samples(MIXED, 5, seed=3)), list(samples(MIXED, 50, seed=3))
    assert many[:5] == few
    assert len(many) == 50
    assert few == [sample(MIXED, index, seed=3) for index in range(5)]


def test_another_seed_draws_another_sample():
    """The seed decides."""
    assert sample(MIXED, 0, seed=1) != sample(MIXED, 0, seed=2)


def test_a_new_parameter_leaves_the_draws_of_the_others_alone():
    """Each parameter is drawn by a hash of its own."""
    wider = Space((*MIXED.parameters, parameter("model.cls", "first", "none")), when=MIXED.when)
    old, new = sample(MIXED, 7, seed=0), sample(wider, 7, seed=0)
    assert {path: new[path] for path in old} == old


def test_random_draws_of_a_discrete_space_come_once():
    """Six points are six however many samples are asked for."""
    space = Space((parameter("model.a", 1, 2, 3), parameter("model.b", 1, 2)))
    drawn = list(samples(space, 100, seed=0))
    assert sorted(tuple(p.values()) for p in drawn) == sorted(
        tuple(p.values()) for p in grid(space)
    )


def test_random_draws_spread_evenly():
    """Of 4,000 draws each of four choices gets 1,000, give or take 5 standard deviations."""
    space = Space((parameter("model.a", 1, 2, 3, 4),))
    counts = [0, 0, 0, 0]
    for index in range(4000):
        counts[sample(space, index, seed=0)["model.a"] - 1] += 1
    assert all(abs(count - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5 for count in counts)


def test_a_space_of_nothing_has_one_point():
    """Without parameters there is one configuration, by grid and by draw."""
    assert list(grid(Space())) == [{}]
    assert list(samples(Space(), 5, seed=0)) == [{}]


PATHS = ("model.a", "model.b", "model.c", "model.d")


VALUES = st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True)


@st.composite
def spaces(draw):
    """A space of choices with rules that point from later parameters to earlier ones."""
    parameters = [
        parameter(path, *draw(VALUES)) for path in PATHS[: draw(st.integers(1, len(PATHS)))]
    ]
    when = {}
    for position, one in enumerate(parameters[1:], start=1):
        if draw(st.booleans()):
            other = parameters[draw(st.integers(0, position - 1))]
            values = draw(st.lists(st.sampled_from(other.domain.values), min_size=1, unique=True))
            when[one.key] = {other.key: tuple(values)}
    exclude = []
    for _ in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.sampled_from(parameters), min_size=1, max_size=2, unique=True))
        exclude.append({p.key: (draw(st.sampled_from(p.domain.values)),) for p in chosen})
    order = draw(st.permutations(parameters))
    return Space(tuple(order), tuple(exclude), when)


def by_brute_force(space):
    """The allowed points, by removing what does not exist from the full product."""
    found = set()
    for values in itertools.product(*(p.domain.values for p in space.parameters)):
        point = dict(zip(space.paths, values, strict=True))
        for path in sorted(point):  # a condition points to an earlier letter
            if path in space.when and not holds(space.when[path], point):
                del point[path]
        if not any(holds(rule, point) for rule in space.exclude):
            found.add(tuple(sorted(point.items())))
    return found


@given(spaces())
def test_a_grid_holds_exactly_the_allowed_points_each_once(space):
    """Against brute force over the full product."""
    points = [tuple(sorted(point.items())) for point in grid(space)]
    assert len(points) == len(set(points))
    assert set(points) == by_brute_force(space)


@given(spaces(), st.integers(0, 1000), st.integers(0, 2**32))
def test_a_draw_is_a_point_of_the_grid_unless_excluded(space, index, seed):
    """Drawing and enumerating agree on what exists."""
    point = sample(space, index, seed)
    assert point == sample(space, index, seed)
    assert any(holds(rule, point) for rule in space.exclude) or point in list(grid(space))


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
