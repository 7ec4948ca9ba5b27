"""A plan whose trials are drawn: which rows belong to the space, how many are left."""

from pathlib import Path

import pytest

from harness.engine.jobs import run_schemas
from harness.engine.plan_record import is_recorded, record_run, record_trials
from harness.results.runs import last_plan
from tests.plans import FILE, plan_of, write_trials

TPE = FILE.replace("search:\n", "search:\n  algorithm: tpe\n  num_samples: 5\n")
RANGE = TPE.replace("[0.1, 0.2, 0.3]", "{uniform: [0.1, 0.3]}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of a grid: 0.1 complete, 0.2 failed, 0.3 pruned."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete", 1: "failed", 2: "pruned"})
    return tmp_path / "rates"


def states(plan) -> dict[float, str]:
    """Rate -> state."""
    return {one.resolved.params["training.lr"]: one.state for one in plan.trials}


def test_without_results_everything_is_to_be_drawn(tmp_path: Path) -> None:
    """Of a range five, and the corners stand for it."""
    plan = plan_of(tmp_path / "rates", RANGE)
    assert (plan.trials, plan.missing, plan.to_draw) == ((), (), 5)
    assert [one.resolved.params["training.lr"] for one in plan.ahead] == [0.1, 0.3]
    assert plan.draws.holds is None


def test_a_small_space_ends_before_num_samples(tmp_path: Path) -> None:
    """Three points for five draws: known before anything runs."""
    plan = plan_of(tmp_path / "rates", TPE)
    assert (plan.to_draw, plan.draws.holds) == (3, 3)


def test_rows_of_a_grid_belong_to_the_space_that_holds_them(folder: Path) -> None:
    """All three count as done, whatever became of them; two of five are left."""
    plan = plan_of(folder, RANGE)
    assert states(plan) == {0.1: "done", 0.2: "done", 0.3: "done"}
    assert plan.to_draw == 2
    assert plan_of(folder, TPE).ahead == ()


@pytest.mark.parametrize(
    ("old", "new", "options"),
    [
        ("epochs: 2", "epochs: 3", {}),
        ("optimizer: adam", "optimizer: sgd", {}),
        ("uniform: [0.1, 0.3]", "uniform: [0.4, 0.5]", {}),
        ("metric: accuracy", "metric: macro_f1", {}),
        ("", "", {"data": "other"}),
    ],
)
def test_rows_of_another_question_do_not(folder: Path, old: str, new: str, options) -> None:
    """Another fixed value, other bounds, another objective, other data."""
    assert plan_of(folder, RANGE.replace(old, new), **options).draws.known == ()


def test_what_was_interrupted_is_trained_first(folder: Path) -> None:
    """It is one of the five; the two others are drawn."""
    write_trials(plan_of(folder, force=True), {1: "interrupted"})
    plan = plan_of(folder, RANGE)
    assert [one.reason for one in plan.missing] == ["interrupted before"]
    assert plan.to_draw == 2


def test_a_smaller_number_keeps_as_many(folder: Path) -> None:
    """Nothing is drawn, and the study still knows all three."""
    plan = plan_of(folder, RANGE, overrides=["search.num_samples=2"])
    assert (len(plan.trials), plan.to_draw, len(plan.draws.known)) == (2, 0, 3)


@pytest.mark.parametrize(("limit", "missing", "to_draw"), [(1, 1, 0), (2, 1, 1), (9, 1, 2)])
def test_a_limit_counts_the_missing_first(
    folder: Path, limit: int, missing: int, to_draw: int
) -> None:
    """As in a grid: in plan order."""
    plan = plan_of(folder, RANGE, retry_failed=True, limit=limit)
    assert (len(plan.missing), plan.to_draw) == (missing, to_draw)


def test_a_drawn_point_is_the_trial_that_a_grid_would_have_made(folder: Path) -> None:
    """One identity, whatever found it."""
    (first, *_) = plan_of(folder).trials
    drawn = plan_of(folder, RANGE).draws.trial({"training.lr": 0.1})
    assert (drawn.trial_id, drawn.status) == (first.trial_id, "complete")


def test_columns_come_from_the_whole_domain(tmp_path: Path) -> None:
    """Before anything is drawn."""
    schema = run_schemas(plan_of(tmp_path / "rates", RANGE))["trials"]
    assert str(schema.field("params.training.lr").type) == "double"


def test_the_record_grows_with_the_draws(tmp_path: Path) -> None:
    """A killed run's page knows them; in any order they are the same plan."""
    plan = plan_of(tmp_path / "rates", RANGE)
    record_run(plan, "20260101T000000-0001", settings={})
    drawn = [plan.draws.trial({"training.lr": rate}) for rate in (0.15, 0.25)]
    record_trials(plan, "20260101T000000-0001", drawn)
    assert last_plan(plan.folder) == [one.trial_id for one in drawn]
    grown = plan.grown(drawn[::-1])
    assert (len(grown.trials), grown.to_draw) == (2, 3)
    assert is_recorded(grown)


@pytest.mark.parametrize(
    ("options", "again"),
    [({}, []), ({"finish_pruned": True}, [0.3]), ({"force": True}, [0.1, 0.2, 0.3])],
)
def test_pruned_trials_are_done_until_someone_asks(folder: Path, options, again) -> None:
    """Those that are finished, and those that were complete, are not stopped again."""
    plan = plan_of(folder, **options)
    assert [one.resolved.params["training.lr"] for one in plan.missing] == again
    whole = {one.resolved.params["training.lr"] for one in plan.missing if one.whole}
    assert whole == {None: set(), "finish_pruned": {0.3}, "force": {0.1}}[next(iter(options), None)]


def test_what_a_killed_run_had_drawn_is_trained_first(tmp_path: Path) -> None:
    """Its trial has no row yet, but its record names it; of another file's space it is not."""
    plan = plan_of(tmp_path / "rates", RANGE)
    record_run(plan, "20260101T000000-0001", settings={})
    record_trials(plan, "20260101T000000-0001", [plan.draws.trial({"training.lr": 0.15})])
    again = plan_of(tmp_path / "rates", RANGE)
    assert [one.resolved.params["training.lr"] for one in again.missing] == [0.15]
    assert again.to_draw == 4
    other = plan_of(tmp_path / "rates", RANGE.replace("epochs: 2", "epochs: 3"))
    assert (other.missing, other.to_draw) == ((), 5)
