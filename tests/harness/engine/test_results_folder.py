"""Schemas from the file's domain, tables that fit it, and the plan on record."""

from pathlib import Path

import pyarrow as pa
import pytest

from harness.engine.results_folder import (
    fit_tables,
    is_recorded,
    record_run,
    run_schemas,
    tables_fit,
)
from harness.results.runs import last_plan
from harness.results.table_reader import read_table
from tests.plans import FILE, job_of, plan_of, write_trials

WIDER = "0.3]\n    training.weight_decay: [0.0]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / "rates"


def kinds(folder: Path, space: str, *, model: str = "linear") -> dict[str, pa.DataType]:
    """Searched path -> column type."""
    text = FILE.replace("training.lr: [0.1, 0.2, 0.3]", space).replace("adam}", "adam, lr: 0.1}")
    schema = run_schemas(plan_of(folder, text.replace("linear", model)))["trials"]
    names = [name for name in schema.names if name.startswith("params.")]
    return {name.removeprefix("params."): schema.field(name).type for name in names}


def test_a_column_has_the_type_of_the_annotation_not_of_the_values(folder: Path) -> None:
    """A model's argument, a training key and a dataset key; whole numbers stay floats there."""
    space = "\n    ".join(
        ("model.dropout: [0, 0.5]", "model.patch_size: [2, 4]", "training.weight_decay: [0, 1]",
         "dataset.limit: [160, 320]", "training.schedule: [constant, cosine]")
    )  # fmt: skip

    assert kinds(folder, space, model="vit") == {
        "model.dropout": pa.float64(),
        "model.patch_size": pa.int64(),
        "training.weight_decay": pa.float64(),
        "dataset.limit": pa.int64(),
        "training.schedule": pa.string(),
    }


def test_a_parameter_of_some_configurations_has_a_column(folder: Path) -> None:
    """`when` leaves it out of the others."""
    space = """training.schedule: [constant, cosine]
    training.warmup_epochs: [0, 1]
  when: {training.warmup_epochs: {training.schedule: cosine}}"""

    assert kinds(folder, space)["training.warmup_epochs"] == pa.int64()


def test_metrics_and_the_objective_have_columns(folder: Path) -> None:
    """Those that the file asks for."""
    plan = plan_of(folder, FILE + "metrics: [macro_f1, accuracy]\n")
    schemas = run_schemas(plan)

    assert {"val_macro_f1_mean", "val_accuracy_std"} <= set(schemas["trials"].names)
    assert "test_macro_f1" in schemas["folds"].names
    assert "val_log_loss" not in schemas["folds"].names


def test_tables_fit_until_the_file_asks_for_more(folder: Path) -> None:
    """A metric or a searched path more, and they do not; less is no reason."""
    plan = plan_of(folder, FILE + "metrics: [accuracy, macro_f1]\n")
    assert tables_fit(plan)
    write_trials(plan, {0: "complete"})

    assert tables_fit(plan)
    assert tables_fit(plan_of(folder))
    assert not tables_fit(plan_of(folder, FILE + "metrics: [accuracy, log_loss]\n"))
    assert not tables_fit(plan_of(folder, FILE.replace("0.3]", WIDER)))


def test_fitting_fills_new_columns_of_old_rows(folder: Path) -> None:
    """A path searched now from the configuration, a metric from the predictions (F1 2/3 twice)."""
    write_trials(plan_of(folder), {0: "complete", 1: "failed"})
    wider = FILE.replace("0.3]", WIDER)
    plan = plan_of(folder, wider + "metrics: [accuracy, macro_f1]\n")
    schemas, lines = fit_tables(plan)
    trials = read_table(folder, "trials").set_index("status")

    assert trials["params.training.weight_decay"].tolist() == [0.0, 0.0]
    assert trials.loc["complete", "val_macro_f1_mean"] == pytest.approx(2 / 3)
    assert lines == ["computed new metrics of 1 trials from predictions"]
    assert set(schemas["trials"].names) == {"status", *trials.columns}
    assert tables_fit(plan)


def test_a_metric_that_can_not_be_filled_is_said(folder: Path) -> None:
    """Without predictions it stays null."""
    write_trials(plan_of(folder), {0: "complete"}, predictions=False)
    plan = plan_of(folder, FILE + "metrics: [accuracy, macro_f1]\n")

    assert fit_tables(plan)[1] == ["new metrics stay empty for 1 trials: no predictions were kept"]


def test_new_parts_keep_the_columns_that_old_rows_have(folder: Path) -> None:
    """A path that is no longer searched keeps its column, and its trial's value in new rows."""
    searched = FILE.replace("0.3]", "0.3]\n    training.weight_decay: [0.5]")
    write_trials(plan_of(folder, searched), {0: "complete"})
    plan = plan_of(folder)
    schemas, _ = fit_tables(plan)
    job = job_of(plan, plan.trials[0], param_paths=["training.lr", "training.weight_decay"])

    assert "params.training.weight_decay" in schemas["trials"].names
    assert job.params == {"training.lr": 0.1, "training.weight_decay": 0.0}


def test_a_recorded_plan_is_known_until_another_one_is(tmp_path: Path) -> None:
    """In the order of the plan, trial by trial."""
    plan = plan_of(tmp_path, FILE)
    unknown = is_recorded(plan)
    record_run(plan, "20260101T000000-0000", settings={"command": "bench run"}, data_card={"a": 1})
    known = is_recorded(plan)

    assert (unknown, known) == (False, True)
    assert last_plan(tmp_path) == [trial.trial_id for trial in plan.trials]
    assert not is_recorded(plan_of(tmp_path, FILE, limit=1))


def test_without_new_data_the_last_card_stands(tmp_path: Path) -> None:
    """A run with nothing to train reads no data."""
    plan = plan_of(tmp_path, FILE)
    record_run(plan, "20260101T000000-0000", settings={}, data_card={"a": 1})
    record_run(plan, "20260101T000001-0000", settings={})

    cards = sorted((plan.folder / "runs").glob("*/data_card.json"))

    assert len(cards) == 2
    assert cards[0].read_text() == cards[1].read_text()
