"""The job of one trial."""

from pathlib import Path

import pytest

from harness.engine.jobs import provenance_of
from tests.plans import FILE, job_of, plan_of, write_trials


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / "rates"


def test_a_job_says_what_its_rows_will_say(folder: Path) -> None:
    """Attempts so far, repeats to train, and a null for a parameter that does not exist here."""
    write_trials(plan_of(folder), {1: "failed"})
    plan = plan_of(folder, FILE + "predictions: none\n", retry_failed=True)
    job = job_of(plan, plan.trials[1], param_paths=["training.lr", "model.num_heads"])

    assert (job.benchmark, job.trial_id) == ("rates", plan.trials[1].trial_id)
    assert job.params == {"training.lr": 0.2, "model.num_heads": None}
    assert (job.attempt, job.repeats, job.mode, job.keep_predictions) == (1, (1,), "max", False)


def test_the_objective_of_a_loss_is_the_smallest(folder: Path) -> None:
    """The metric carries its direction."""
    plan = plan_of(folder, FILE.replace("metric: accuracy", "metric: log_loss"))

    assert job_of(plan, plan.trials[0]).mode == "min"


def test_trials_of_one_dataset_section_share_their_data(folder: Path) -> None:
    """Another limit or other raw files are other data; another rate is not."""
    space = FILE.replace("0.3]", "0.3]\n    dataset.limit: [160, 320]")
    one, limited, other = plan_of(folder, space).trials[:3]

    assert one.data_key == other.data_key
    assert one.data_key != limited.data_key
    assert one.data_key != plan_of(folder, space, data="e").trials[0].data_key


def test_outside_of_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    """Versions are JSON text all the same."""
    provenance = provenance_of(tmp_path)

    assert provenance.git_commit is None
    assert '"torch":' in provenance.versions
