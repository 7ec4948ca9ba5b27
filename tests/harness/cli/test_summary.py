"""The words after a run: ranked by validation, test beside it, nothing left out."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import summary
from harness.cli.summary import print_dry_run, print_summary, report_after
from harness.engine.options import RunOptions
from harness.engine.runner import RunOutcome
from harness.results.summaries import RankedTrial, Summary
from tests.harness.report.folders import Trial, make_results
from tests.plans import FILE, plan_of, write_trials


def ranked(trial_id: str, lr: float, validation: float | None = None, **changes: object) -> object:
    """A complete trial with that validation mean, or a failed one without."""
    complete = validation is not None
    trial = RankedTrial(
        trial_id=trial_id,
        status="complete" if complete else "failed",
        params={"training.lr": lr, "training.old": 1},
        validation=validation,
        validation_std=0.0123 if complete else None,
        test=0.5 if complete else None,
        test_std=0.25 if complete else None,
        n_parameters=12345 if complete else None,
        fit_time_s=75.0 if complete else None,
        error=None if complete else "RuntimeError: [no] mood",
        findings=None,
    )
    return replace(trial, **changes)


@pytest.fixture
def outcome(tmp_path: Path) -> RunOutcome:
    """Two complete trials and a failed one, after 83 s."""
    plan = plan_of(tmp_path / "results" / "rates")
    ranking = (
        ranked("a" * 16, 0.1, 0.9, findings="softmax_outputs"),
        ranked("b" * 16, 0.2, 0.8),
        ranked("c" * 16, 0.3),
    )
    summary = Summary(3, 2, 1, 0, 0, 0, "accuracy", ranking[0], ranking, str(plan.folder))
    return RunOutcome(plan, summary, 1, {"planning": 0.4, "sweep": 82.6})


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    """What was printed: the lines, each with its spaces made one."""

    def lines() -> list[str]:
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_trials_are_ranked_by_validation_with_test_beside_it(outcome, said) -> None:
    """Only paths that this file searches are columns; what is not complete has no place."""
    print_summary(outcome)
    lines = said()

    assert lines[0] == "# lr validation accuracy test (not used to rank) parameters fit findings"
    assert lines[1] == ("1 0.1 0.9000 ± 0.0123 0.5000 ± 0.2500 12,345 1 min 15 s softmax_outputs")
    assert lines[2] == "2 0.2 0.8000 ± 0.0123 0.5000 ± 0.2500 12,345 1 min 15 s"
    assert lines[3] == "0.3 – – failed"


def test_failures_are_told_with_their_configuration(outcome, said) -> None:
    """Square brackets of an error are no markup."""
    print_summary(outcome)

    assert f"failed {'c' * 16} (training.lr=0.3, training.old=1): RuntimeError: [no] mood" in said()


def test_the_only_configuration_of_a_file_needs_no_name(outcome, said) -> None:
    """It searches nothing: the line goes on with the error."""
    (_, _, failed) = outcome.summary.ranking
    summary = replace(outcome.summary, ranking=(replace(failed, params={}),))
    print_summary(replace(outcome, summary=summary))

    assert f"failed {'c' * 16}: RuntimeError: [no] mood" in said()


def test_the_last_lines_say_what_is_there_and_where(outcome, said) -> None:
    """Counts of what is not zero, the time, the folder."""
    print_summary(outcome)

    assert said()[-4:] == [
        "± is the standard deviation over folds, not an interval",
        "2 of 3 complete, 1 failed in 1 min 23 s",
        "what failed stays so: mend its model, or train it again with --retry-failed",
        f"tables: {outcome.plan.folder}",
    ]


def test_an_interruption_and_a_full_disk_are_said(outcome, said) -> None:
    """With what to do."""
    print_summary(replace(outcome, exit_code=130, write_error="OSError: disk full"))

    assert said()[-2:] == [
        "writing failed: OSError: disk full; the same command goes on",
        "interrupted: finished trials are kept, the same command goes on",
    ]


def test_twenty_trials_are_shown(outcome, said) -> None:
    """The others are counted; one fold has no spread to explain."""
    ranking = tuple(ranked(f"{i:016d}", 0.1, 0.5, validation_std=None) for i in range(23))
    print_summary(replace(outcome, summary=replace(outcome.summary, ranking=ranking)))
    lines = said()

    assert lines[20].startswith("20 0.1 0.5000 0.5000 ± 0.2500")
    assert lines[21] == "… and 3 more in the tables"
    assert not any("interval" in line for line in lines)


def test_nothing_trained_is_no_table(outcome, said) -> None:
    """An interruption before the first row."""
    nothing = Summary(3, 0, 0, 0, 0, 3, "accuracy", None, (), "results/rates")
    print_summary(replace(outcome, summary=nothing))

    assert said() == ["0 of 3 complete, 3 missing in 1 min 23 s", "tables: results/rates"]


def test_a_run_that_found_everything_done_says_so(outcome, said) -> None:
    """And what to do about what failed."""
    write_trials(outcome.plan, dict.fromkeys(range(len(outcome.plan.trials)), "complete"))
    plan = plan_of(outcome.plan.folder)
    print_summary(replace(outcome, plan=plan, timings_s={"planning": 0.4}))

    assert "nothing to train: 2 of 3 complete, 1 failed in 0.4 s" in said()


def test_a_dry_run_says_why_each_trial_is_new(outcome, said) -> None:
    """The state in the tables, the reason, and the models."""
    folder = outcome.plan.folder
    write_trials(plan_of(folder), {0: "complete"})
    plan = plan_of(folder)
    ids = [trial.trial_id for trial in plan.trials]
    print_dry_run(
        RunOutcome(plan, outcome.summary, 0, {}, models=("linear: 650 parameters",), estimate_s=90)
    )

    lines = said()

    assert lines[:4] == [
        "trial configuration state why",
        f"{ids[0]} training.lr=0.1 done",
        f"{ids[1]} training.lr=0.2 to train value: training.lr = 0.2",
        f"{ids[2]} training.lr=0.3 to train value: training.lr = 0.3",
    ]
    assert lines[4].startswith("3 trials: 1 done, 2 to train")
    assert lines[5:] == [
        "why: 2 × new values",
        "model linear: 650 parameters",
        "about 1 min 30 s, judged by the trials that are done",
    ]


def test_a_dry_run_without_rows_can_not_judge_the_time(outcome, said) -> None:
    """It says so; a file without a search has one configuration."""
    single = FILE[: FILE.index("search")] + "objective: {metric: accuracy}\n"
    plan = plan_of(outcome.plan.folder, single.replace("adam}", "adam, lr: 0.1}"))
    print_dry_run(RunOutcome(plan, outcome.summary, 0, {}))
    lines = said()

    assert lines[1].endswith("(the file) to train first run")
    assert lines[-1] == "no finished trial yet to judge the time by"


def test_what_does_not_vary_is_a_line_and_narrow_headers_take_two(
    tmp_path: Path, said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of equal values tells nothing; no header breaks within a word."""
    text = FILE.replace("training.lr:", "training.weight_decay: [0.5]\n    training.lr:")
    plan = plan_of(tmp_path / "results" / "rates", text)
    trial = ranked("a" * 16, 0.1, 0.9, params={"training.weight_decay": 0.5, "training.lr": 0.1})
    summary = Summary(3, 1, 0, 0, 0, 2, "accuracy", trial, (trial,), "results/rates")
    monkeypatch.setattr("harness.cli.summary.PIPED_WIDTH", 80)
    print_summary(RunOutcome(plan, summary, 0, {"sweep": 9.0}))
    lines = said()

    assert lines[:2] == ["validation test", "# lr accuracy (not used to rank) parameters fit"]
    assert "in all of them training.weight_decay=0.5" in lines


def test_what_a_time_budget_left_is_said(outcome: RunOutcome, said) -> None:
    """With how to go on."""
    left = replace(outcome.summary, trials=6, missing=2, interrupted=1)
    spec = outcome.plan.spec
    search = spec.search.model_copy(update={"time_budget_s": 90.0})
    plan = replace(outcome.plan, spec=replace(spec, search=search))
    print_summary(replace(outcome, plan=plan, summary=left, out_of_time=True))
    text = "\n".join(said())
    assert "the time budget of 1 min 30 s is over: 3 of 6 trials are left, the same command" in text


def test_a_dry_run_says_what_is_to_be_drawn(tmp_path: Path, said) -> None:
    """Of a space no table lists the rest."""
    text = FILE.replace("search:", "search:\n  algorithm: tpe\n  num_samples: 5")
    plan = plan_of(tmp_path / "rates", text.replace("[0.1, 0.2, 0.3]", "{uniform: [0.1, 0.3]}"))
    empty = Summary(5, 0, 0, 0, 0, 5, "accuracy", None, (), str(plan.folder))
    print_dry_run(RunOutcome(plan, empty, 0, {}))
    assert "0 trials of this space: 0 done, 0 to train, 5 to be drawn by tpe" in said()


def test_places_of_different_data_say_nothing(tmp_path: Path, said) -> None:
    """Two variants, each of its own dataset."""
    text = FILE.replace("model: {name: linear}\n", "").replace(
        "objective:",
        "variants:\n  small: {model: {name: linear}}\n"
        "  large: {model: {name: linear}, dataset: {name: cifar10}}\nobjective:",
    )
    plan = plan_of(tmp_path / "results" / "rates", text)
    ids = (plan.trials[0].trial_id, plan.trials[-1].trial_id)
    ranking = (ranked(ids[0], 0.1, 0.9), ranked(ids[1], 0.2, 0.8))
    summary = Summary(6, 2, 0, 0, 0, 4, "accuracy", ranking[0], ranking, str(plan.folder))
    print_summary(RunOutcome(plan, summary, 0, {"planning": 0.4}))
    assert "digits and cifar10 are different data: places across them say nothing" in said()


def run_ended(folder: Path, *, trained: bool = True, exit_code: int = 0):
    """A run that ended so."""
    timings_s = {"planning": 0.1, **({"sweep": 1.0} if trained else {})}
    plan = SimpleNamespace(folder=folder)
    return SimpleNamespace(plan=plan, timings_s=timings_s, exit_code=exit_code)


def test_a_run_that_trained_leaves_a_page(tmp_path: Path) -> None:
    folder = make_results(tmp_path, Trial(1, [0.5, 0.6, 0.7]))
    found = report_after(run_ended(folder), RunOptions("digits"), quiet=False)
    assert found == (folder / "report.html", f"report: {folder / 'report.html'}")
    assert found.page.stat().st_size > 1_000_000


@pytest.mark.parametrize(
    ("how", "quiet"), [({"exit_code": 130}, False), ({}, True), ({"trained": False}, False)]
)
def test_no_page_is_made_for_who_wants_to_be_gone(tmp_path: Path, how, quiet: bool) -> None:
    """An interrupted run, a quiet one, and one with nothing to do end at once."""
    found = report_after(run_ended(tmp_path / "digits", **how), RunOptions("digits"), quiet=quiet)
    assert found == (None, "report: bench report digits")


def test_a_page_that_is_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("page")
    found = report_after(run_ended(tmp_path, trained=False), RunOptions("digits"), quiet=True)
    assert found.page == tmp_path / "report.html"


def test_the_command_names_the_folder_it_needs(tmp_path: Path) -> None:
    request = RunOptions("digits", results=Path("my results"), smoke=True)
    found = report_after(run_ended(tmp_path / "digits", exit_code=130), request, quiet=False)
    assert found.line == "report: bench report _smoke/digits --results 'my results'"


def test_a_page_that_fails_fails_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(summary, "_written", broken)
    found = report_after(run_ended(tmp_path / "digits"), RunOptions("digits"), quiet=False)
    assert found.page is None
    assert found.line == "no report (no space left on device); again with bench report digits"
