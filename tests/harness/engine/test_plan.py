"""What a plan finds done, what it finds missing, and the reason it gives."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.plan import (
    Plan,
    code_notes,
    reason_counts,
    trial_label,
    varying_paths,
)
from harness.engine.results_folder import (
    is_recorded,
    record_run,
    record_trials,
    run_schemas,
)
from harness.errors import BenchError
from harness.plugins import catalog
from harness.results.runs import last_plan
from tests.plans import FILE, plan_of, write_trials


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of `rates`, in a directory of the user's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / "rates"


def reasons(plan: Plan) -> list[str]:
    return [trial.reason for trial in plan.trials]


def test_where_nothing_was_ever_run_everything_is_missing(folder: Path) -> None:
    """In the order of the file, every repeat of it; nothing is written."""
    plan = plan_of(folder, overrides=["repeats=2"])

    assert [trial.resolved.params["training.lr"] for trial in plan.trials] == [0.1, 0.2, 0.3]
    assert [trial.state for trial in plan.trials] == ["missing"] * 3
    assert [trial.repeats for trial in plan.trials] == [(1, 2)] * 3
    assert reasons(plan) == ["first run"] * 3
    assert plan.missing == plan.trials
    assert not folder.exists()


def test_what_a_row_says_decides_what_is_missing(folder: Path) -> None:
    """Complete and failed count as done; interrupted and unheard of are missing."""
    write_trials(plan_of(folder), {0: "complete", 1: "interrupted"})
    first = plan_of(folder)
    write_trials(first, {2: "failed"})
    plan = plan_of(folder)

    assert [trial.status for trial in first.trials] == ["complete", "interrupted", None]
    assert reasons(first) == ["", "interrupted before", "value: training.lr = 0.3"]
    assert [trial.state for trial in plan.trials] == ["done", "missing", "done"]
    assert plan.missing == (plan.trials[1],)


def test_a_pruned_trial_is_done(folder: Path) -> None:
    """Also where failed ones are tried again."""
    write_trials(plan_of(folder), {0: "pruned"})

    assert plan_of(folder, retry_failed=True).trials[0].state == "done"


def test_failed_trials_are_tried_again_only_when_asked(folder: Path) -> None:
    """`--retry-failed` leaves complete ones alone and counts the attempts so far."""
    write_trials(plan_of(folder), {0: "complete", 1: "failed", 2: "failed"})
    plan = plan_of(folder, retry_failed=True)

    assert plan_of(folder).missing == ()
    assert reasons(plan) == ["", "failed before", "failed before"]
    assert plan.trials[1].repeats == (1,)


def test_force_trains_everything_again(folder: Path) -> None:
    """Whatever the rows say; the status stays known, so that the old rows are replaced."""
    write_trials(plan_of(folder), {0: "complete", 1: "failed", 2: "interrupted"})
    plan = plan_of(folder, force=True)

    assert reasons(plan) == ["forced"] * 3
    assert [trial.status for trial in plan.trials] == ["complete", "failed", "interrupted"]


def test_more_repeats_leave_only_the_new_ones_to_train(folder: Path) -> None:
    """A trial that failed has no repeats to build on and stays as it is."""
    write_trials(plan_of(folder), {0: "complete", 1: "failed"})
    plan = plan_of(folder, overrides=["repeats=3"])

    assert [trial.repeats for trial in plan.trials] == [(2, 3), (), (1, 2, 3)]
    assert plan.trials[0].reason == "repeats: 1 of 3 done"


def test_fewer_repeats_than_there_are_leave_nothing(folder: Path) -> None:
    """What was trained is not thrown away."""
    write_trials(plan_of(folder, overrides=["repeats=2"]), {0: "complete"})

    assert plan_of(folder).trials[0].state == "done"


def test_a_limit_takes_the_first_missing_trials(folder: Path) -> None:
    """Done ones stay in the plan, the other missing ones leave it."""
    write_trials(plan_of(folder), {1: "complete"})
    plan = plan_of(folder, limit=1)

    assert [trial.resolved.params["training.lr"] for trial in plan.trials] == [0.1, 0.2]
    assert len(plan.missing) == 1


def test_a_limit_below_one_is_refused(folder: Path) -> None:
    """Before anything is planned around it."""
    with pytest.raises(BenchError, match="--limit must be at least 1; found 0"):
        plan_of(folder, limit=0)


def test_the_reason_names_the_value_that_no_row_has(folder: Path) -> None:
    """The first searched path whose value is new; else the combination is."""
    grid = FILE.replace("[0.1, 0.2, 0.3]", "[0.1, 0.2]\n    training.weight_decay: [0.0, 0.5]")
    write_trials(plan_of(folder, grid), {0: "complete", 3: "complete"})
    plan = plan_of(folder, grid.replace("[0.0, 0.5]", "[0.0, 0.5, 0.9]"))
    decays = [trial.resolved.params["training.weight_decay"] for trial in plan.trials[:3]]

    assert decays == [0.0, 0.5, 0.9]
    assert reasons(plan)[:3] == ["", "value: new combination", "value: training.weight_decay = 0.9"]


def test_a_value_fixed_before_is_not_new_when_it_is_searched(folder: Path) -> None:
    """Rows written before a path was searched hold its value in their configuration."""
    write_trials(plan_of(folder), {0: "complete", 1: "complete", 2: "complete"})
    searched = FILE.replace("[0.1, 0.2, 0.3]", "[0.1]\n    training.weight_decay: [0.0, 0.5]")

    assert reasons(plan_of(folder, searched)) == ["", "value: training.weight_decay = 0.5"]


def test_changed_raw_files_are_the_reason(folder: Path) -> None:
    """The dataset is named."""
    write_trials(plan_of(folder), {0: "complete"})

    assert plan_of(folder, data="e").trials[0].reason == "data: the raw files of digits changed"


def test_changed_code_is_the_reason(folder: Path) -> None:
    """The file is named as a person would name it."""
    model = folder.parents[1] / "models" / "linear.py"
    model.parent.mkdir()
    model.write_text("def build(*, input_shape, num_classes): return 1\n")
    write_trials(plan_of(folder), {0: "complete"})
    model.write_text("def build(*, input_shape, num_classes): return 2\n")

    assert plan_of(folder).trials[0].reason == "code: models/linear.py changed"


def test_a_file_that_hides_a_shipped_one_is_named(folder: Path) -> None:
    """So that nobody trains another model than they think."""
    (folder.parents[1] / "models").mkdir(parents=True)
    text = "def build(*, input_shape, num_classes): return 1\n"
    (folder.parents[1] / "models" / "linear.py").write_text(text)

    assert plan_of(folder).hidden == ("models/linear.py",)


def test_a_trial_is_labelled_by_what_varies(tmp_path: Path) -> None:
    """A parameter with one value tells no trial from another."""
    text = FILE.replace("training.lr:", "training.weight_decay: [0.5]\n    training.lr:")
    plan = plan_of(tmp_path, text)
    paths = varying_paths(plan.trials)

    assert paths == ["training.lr"]
    assert [trial_label(trial, paths) for trial in plan.trials] == ["lr=0.1", "lr=0.2", "lr=0.3"]
    assert varying_paths(plan.trials[:1]) == ["training.weight_decay", "training.lr"]


def test_a_mapping_is_labelled_by_its_keys_and_a_chosen_null_is_none(tmp_path: Path) -> None:
    """An augmentation's numbers would fill the line."""
    space = "training.gradient_clip: [null, 1.0]\n    training.lr:"
    trials = plan_of(tmp_path, FILE.replace("training.lr:", space)).trials

    assert trial_label(trials[0], ["training.gradient_clip"]) == "gradient_clip=none"
    mapped = replace(trials[0].resolved, params={"training.schedule": {"cosine": 1, "step": 2}})
    label = trial_label(replace(trials[0], resolved=mapped), ["training.schedule"])
    assert label == "schedule=cosine + step"


TPE = FILE.replace("search:\n", "search:\n  algorithm: tpe\n  num_samples: 5\n")
RANGE = TPE.replace("[0.1, 0.2, 0.3]", "{uniform: [0.1, 0.3]}")


@pytest.fixture
def grid(tmp_path: Path) -> Path:
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
    assert plan.adaptive.n_points is None


def test_a_small_space_ends_before_num_samples(tmp_path: Path) -> None:
    """Three points for five draws: known before anything runs."""
    plan = plan_of(tmp_path / "rates", TPE)
    assert (plan.to_draw, plan.adaptive.n_points) == (3, 3)


def test_rows_of_a_grid_belong_to_the_space_that_holds_them(grid: Path) -> None:
    """All three count as done, whatever became of them; two of five are left."""
    plan = plan_of(grid, RANGE)
    assert states(plan) == {0.1: "done", 0.2: "done", 0.3: "done"}
    assert plan.to_draw == 2
    assert plan_of(grid, TPE).ahead == ()


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
def test_rows_of_another_question_do_not(grid: Path, old: str, new: str, options) -> None:
    """Another fixed value, other bounds, another objective, other data."""
    assert plan_of(grid, RANGE.replace(old, new), **options).adaptive.known == ()


def test_what_was_interrupted_is_trained_first(grid: Path) -> None:
    """It is one of the five; the two others are drawn."""
    write_trials(plan_of(grid, force=True), {1: "interrupted"})
    plan = plan_of(grid, RANGE)
    assert [one.reason for one in plan.missing] == ["interrupted before"]
    assert plan.to_draw == 2


def test_a_smaller_number_keeps_as_many(grid: Path) -> None:
    """Nothing is drawn, and the study still knows all three."""
    plan = plan_of(grid, RANGE, overrides=["search.num_samples=2"])
    assert (len(plan.trials), plan.to_draw, len(plan.adaptive.known)) == (2, 0, 3)


@pytest.mark.parametrize(("limit", "missing", "to_draw"), [(1, 1, 0), (2, 1, 1), (9, 1, 2)])
def test_a_limit_counts_the_missing_first(
    grid: Path, limit: int, missing: int, to_draw: int
) -> None:
    """As in a grid: in plan order."""
    plan = plan_of(grid, RANGE, retry_failed=True, limit=limit)
    assert (len(plan.missing), plan.to_draw) == (missing, to_draw)


def test_a_drawn_point_is_the_trial_that_a_grid_would_have_made(grid: Path) -> None:
    """One identity, whatever found it."""
    (first, *_) = plan_of(grid).trials
    drawn = plan_of(grid, RANGE).adaptive.trial_at({"training.lr": 0.1})
    assert (drawn.trial_id, drawn.status) == (first.trial_id, "complete")


def test_columns_come_from_the_whole_domain(tmp_path: Path) -> None:
    """Before anything is drawn."""
    schema = run_schemas(plan_of(tmp_path / "rates", RANGE))["trials"]
    assert str(schema.field("params.training.lr").type) == "double"


def test_the_record_grows_with_the_draws(tmp_path: Path) -> None:
    """A killed run's page knows them; in any order they are the same plan."""
    plan = plan_of(tmp_path / "rates", RANGE)
    record_run(plan, "20260101T000000-0001", settings={})
    drawn = [plan.adaptive.trial_at({"training.lr": rate}) for rate in (0.15, 0.25)]
    record_trials(plan, "20260101T000000-0001", drawn)
    assert last_plan(plan.folder) == [one.trial_id for one in drawn]
    grown = plan.grown(drawn[::-1])
    assert (len(grown.trials), grown.to_draw) == (2, 3)
    assert is_recorded(grown)


@pytest.mark.parametrize(
    ("options", "again"),
    [({}, []), ({"finish_pruned": True}, [0.3]), ({"force": True}, [0.1, 0.2, 0.3])],
)
def test_pruned_trials_are_done_until_someone_asks(grid: Path, options, again) -> None:
    """Those that are finished, and those that were complete, are not stopped again."""
    plan = plan_of(grid, **options)
    assert [one.resolved.params["training.lr"] for one in plan.missing] == again
    whole = {one.resolved.params["training.lr"] for one in plan.missing if one.whole}
    assert whole == {None: set(), "finish_pruned": {0.3}, "force": {0.1}}[next(iter(options), None)]


def test_what_a_killed_run_had_drawn_is_trained_first(tmp_path: Path) -> None:
    """Its trial has no row yet, but its record names it; of another file's space it is not."""
    plan = plan_of(tmp_path / "rates", RANGE)
    record_run(plan, "20260101T000000-0001", settings={})
    record_trials(plan, "20260101T000000-0001", [plan.adaptive.trial_at({"training.lr": 0.15})])
    again = plan_of(tmp_path / "rates", RANGE)
    assert [one.resolved.params["training.lr"] for one in again.missing] == [0.15]
    assert again.to_draw == 4
    other = plan_of(tmp_path / "rates", RANGE.replace("epochs: 2", "epochs: 3"))
    assert (other.missing, other.to_draw) == ((), 5)


MODEL = """
def build(*, input_shape: tuple[int, ...], num_classes: int):
    return {body}
"""


@pytest.fixture
def own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of a user's own model `linear`, of which two trials are done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "linear.py").write_text(MODEL.format(body=1))
    results = tmp_path / "results" / "rates"
    write_trials(plan_of(results), {0: "complete", 1: "failed"})
    return results


def test_a_changed_file_is_told_once_with_the_way_back(own_model: Path) -> None:
    """Two finished trials differ in it alone; the third never ran."""
    Path("models/linear.py").write_text(MODEL.format(body=2))
    plan = plan_of(own_model)
    [note] = code_notes(plan)

    assert reason_counts(plan) == {"code: models/linear.py changed": 2, "new values": 1}
    assert note.startswith("2 finished trials differ only in code (models/linear.py changed)")
    assert "Ctrl-C" in note
    assert "git stash" in note


def test_of_one_trial_it_speaks_of_one(own_model: Path) -> None:
    """As with `--limit 1`."""
    Path("models/linear.py").write_text(MODEL.format(body=2))
    [note] = code_notes(plan_of(own_model, limit=1))

    assert note.startswith("1 finished trial differs only in code")


def test_of_another_bench_it_names_the_column_that_says_which(
    own_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer one whose training gives other numbers; no file of theirs can be taken back."""
    monkeypatch.setattr(catalog, "TRAINING_VERSION", 99)
    [note] = code_notes(plan_of(own_model))

    assert "training version changed" in note
    assert "column `versions`" in note
    assert "git stash" not in note


def test_a_comment_is_no_change(own_model: Path) -> None:
    """Nor is anything else that leaves the syntax tree as it is."""
    Path("models/linear.py").write_text(MODEL.format(body=1) + "# a thought\n")
    plan = plan_of(own_model)

    assert [*code_notes(plan)] == []
    assert reason_counts(plan) == {"new values": 1}


def test_resources_rename_no_trial(own_model: Path) -> None:
    """So a larger time limit and `--retry-failed` go on where the failure was."""
    limited = FILE + "resources: {time_limit_s: 60, cpu: 2}\n"
    plan = plan_of(own_model, limited, retry_failed=True)

    assert [trial.reason for trial in plan.trials] == [
        "",
        "failed before",
        "value: training.lr = 0.3",
    ]
    assert plan.spec.resources.time_limit_s == 60
    assert "time_limit_s" not in json.dumps(plan.trials[0].resolved.config)
