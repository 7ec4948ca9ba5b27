"""Why trials are new, counted; what is said before finished ones are trained again."""

import json
from pathlib import Path

import pytest

from harness.engine.change_reasons import code_notes, reason_counts
from harness.plugins import catalog
from tests.plans import FILE, plan_of, write_trials

MODEL = """
def build(*, input_shape: tuple[int, ...], num_classes: int):
    return {body}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of a user's own model `linear`, of which two trials are done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "linear.py").write_text(MODEL.format(body=1))
    results = tmp_path / "results" / "rates"
    write_trials(plan_of(results), {0: "complete", 1: "failed"})
    return results


def test_a_changed_file_is_told_once_with_the_way_back(folder: Path) -> None:
    """Two finished trials differ in it alone; the third never ran."""
    Path("models/linear.py").write_text(MODEL.format(body=2))
    plan = plan_of(folder)
    [note] = code_notes(plan)

    assert reason_counts(plan) == {"code: models/linear.py changed": 2, "new values": 1}
    assert note.startswith("2 finished trials differ only in code (models/linear.py changed)")
    assert "Ctrl-C" in note
    assert "git stash" in note


def test_of_one_trial_it_speaks_of_one(folder: Path) -> None:
    """As with `--limit 1`."""
    Path("models/linear.py").write_text(MODEL.format(body=2))
    [note] = code_notes(plan_of(folder, limit=1))

    assert note.startswith("1 finished trial differs only in code")


def test_of_another_bench_it_names_the_column_that_says_which(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer one whose training gives other numbers; no file of theirs can be taken back."""
    monkeypatch.setattr(catalog, "TRAINING_VERSION", 99)
    [note] = code_notes(plan_of(folder))

    assert "training version changed" in note
    assert "column `versions`" in note
    assert "git stash" not in note


def test_a_comment_is_no_change(folder: Path) -> None:
    """Nor is anything else that leaves the syntax tree as it is."""
    Path("models/linear.py").write_text(MODEL.format(body=1) + "# a thought\n")
    plan = plan_of(folder)

    assert [*code_notes(plan)] == []
    assert reason_counts(plan) == {"new values": 1}


def test_resources_rename_no_trial(folder: Path) -> None:
    """So a larger time limit and `--retry-failed` go on where the failure was."""
    limited = FILE + "resources: {time_limit_s: 60, cpu: 2}\n"
    plan = plan_of(folder, limited, retry_failed=True)

    assert [trial.reason for trial in plan.trials] == [
        "",
        "failed before",
        "value: training.lr = 0.3",
    ]
    assert plan.spec.resources.time_limit_s == 60
    assert "time_limit_s" not in json.dumps(plan.trials[0].resolved.config)
