"""What a plan finds done, what it finds missing, and the reason it gives."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.plan import Plan, trial_label, varying_paths
from harness.errors import BenchError
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
