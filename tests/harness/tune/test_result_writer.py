"""The one writer of a sweep, as a plain object without Ray."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.engine.results_folder import fit_tables
from harness.results.rows import to_ipc, to_tables
from harness.results.table_reader import fold_rows, read_table
from harness.results.table_writer import HOLD_S
from harness.tune.result_writer import FLUSH_POLL_S, ResultWriter, WriterSettings
from tests.plans import Plan, plan_of, rows_of, write_trials

EPOCH = {"stage": "training", "repeat": 1, "fold": 1, "epoch": 1, "train_loss": 0.5}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Three trials, none of them done."""
    return plan_of(tmp_path / "rates")


@pytest.fixture
def start(plan: Plan) -> Iterator[Callable[..., ResultWriter]]:
    """Starts writers for the plan's folder; what was not closed is closed at the end."""
    started = []

    def make(*, folder: Path = plan.folder, **changes: Any) -> ResultWriter:
        settings = {
            "folder": folder,
            "run_folder": folder / "runs" / "run-1",
            "schemas": fit_tables(plan)[0],
            "replaced": {},
            "weights": "best",
            "mode": "max",
            "best": None,
        }
        started.append(ResultWriter(WriterSettings(**(settings | changes))))
        return started[-1]

    yield make
    for writer in started:
        writer.close()


def streams(plan: Plan, place: int, status: str = "complete") -> dict[str, bytes]:
    """What a worker sends of a trial's rows."""
    return to_ipc(to_tables(rows_of(plan, plan.trials[place], status), fit_tables(plan)[0]))


def wait_until(happened: Callable[[], Any], timeout_s: float = 10.0) -> float:
    """Seconds until it happened."""
    started_s = time.monotonic()
    while not happened():
        assert time.monotonic() - started_s < timeout_s
        time.sleep(0.02)
    return time.monotonic() - started_s


def test_attempts_are_counted_and_a_new_one_starts_with_no_epochs(start) -> None:
    """A worker that died is followed by another."""
    writer = start()
    first, _ = writer.begin("a")
    writer.epochs("a", [EPOCH], ("dead_parameters",))
    second, _ = writer.begin("a")

    assert (first, second) == (1, 2)
    [(trial_id, begun)] = writer.unfinished().items()
    assert (trial_id, begun.attempts, begun.epochs, begun.findings) == ("a", 2, [], None)


def test_a_trial_is_unfinished_until_its_rows_are_there(plan: Plan, start) -> None:
    """With the epochs so far, and what is found by then."""
    writer, trial_id = start(), plan.trials[0].trial_id
    writer.begin(trial_id)
    writer.epochs(trial_id, [EPOCH], ())
    writer.epochs(trial_id, [EPOCH | {"epoch": 2}], ("dead_parameters",))
    before = writer.unfinished()
    writer.done(trial_id, streams(plan, 0), "")

    assert [row["epoch"] for row in before[trial_id].epochs] == [1, 2]
    assert before[trial_id].findings == ("dead_parameters",)
    assert writer.unfinished() == {}


def test_finished_trials_are_on_disk_within_two_seconds(plan: Plan, start) -> None:
    """Without anybody asking for it."""
    start().done(plan.trials[0].trial_id, streams(plan, 0), "")
    parts = plan.folder / "trials"

    assert HOLD_S + FLUSH_POLL_S < 2
    assert wait_until(lambda: list(parts.glob("*.parquet"))) < 2.5
    assert read_table(plan.folder, "trials")["trial_id"].tolist() == [plan.trials[0].trial_id]


def test_trials_that_end_together_share_a_part(plan: Plan, start) -> None:
    """A file for each would cost more than a short trial."""
    writer = start()
    for place in range(3):
        writer.done(plan.trials[place].trial_id, streams(plan, place), "")

    assert writer.close() is None
    assert len(list((plan.folder / "trials").glob("*.parquet"))) == 1
    assert len(read_table(plan.folder, "trials")) == 3


def test_a_trial_handed_over_twice_is_there_once(plan: Plan, start) -> None:
    """As when its worker died between that and telling Tune."""
    writer, trial_id = start(), plan.trials[0].trial_id
    for _ in range(2):
        writer.begin(trial_id)
        writer.done(trial_id, streams(plan, 0), "")
    writer.close()

    assert read_table(plan.folder, "trials")["trial_id"].tolist() == [trial_id]
    assert len(read_table(plan.folder, "folds")) == 2


def test_old_rows_go_when_new_ones_come(tmp_path: Path, start) -> None:
    """A failed trial that is tried again and completes."""
    write_trials(plan_of(tmp_path / "rates"), {0: "failed"})
    plan = plan_of(tmp_path / "rates", retry_failed=True)
    trial_id = plan.trials[0].trial_id
    writer = start(replaced={trial_id: ()})
    writer.done(trial_id, streams(plan, 0), "")
    writer.close()

    assert read_table(plan.folder, "trials")["status"].tolist() == ["complete"]


def test_rows_that_nobody_meant_to_replace_are_kept(tmp_path: Path, start) -> None:
    """A plan that did not know of them is a mistake."""
    plan = plan_of(tmp_path / "rates")
    write_trials(plan, {0: "complete"})

    with pytest.raises(ValueError, match="has rows already"):
        start().done(plan.trials[0].trial_id, streams(plan, 0), "")


def test_earlier_repeats_stay(tmp_path: Path, start) -> None:
    """Their folds beside the new ones, one trials row."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete"})
    plan = plan_of(tmp_path / "rates", overrides=["repeats=2"])
    trial_id = plan.trials[0].trial_id
    rows = rows_of(plan, plan.trials[0], "complete")
    second = type(rows)(rows.trial, rows.folds[2:], rows.epochs, rows.predictions[2:])
    writer = start(replaced={trial_id: (1,)})
    writer.add(trial_id, to_tables(second, fit_tables(plan)[0]))
    writer.close()

    folds = fold_rows(plan.folder, [trial_id])[trial_id]
    assert [(row["repeat"], row["fold"]) for row in folds] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert read_table(plan.folder, "trials")["n_repeats"].tolist() == [2]


def test_a_trial_that_left_is_neither_written_nor_unfinished(plan: Plan, start) -> None:
    """Its old rows are the better ones; its log is kept."""
    writer, trial_id = start(), plan.trials[0].trial_id
    writer.begin(trial_id)
    writer.leave(trial_id, "no mood\n")
    writer.close()

    assert writer.unfinished() == {}
    assert len(read_table(plan.folder, "trials")) == 0
    log = plan.folder / "runs" / "run-1" / "logs" / f"{trial_id}.txt"
    assert log.read_text() == "no mood\n"


def test_a_silent_trial_has_no_log(plan: Plan, start) -> None:
    """Thousands of empty files help nobody."""
    writer = start()
    writer.done(plan.trials[0].trial_id, streams(plan, 0), "")

    assert not (plan.folder / "runs").exists()


def test_where_writing_fails_the_next_trial_hears_of_it(plan: Plan, start) -> None:
    """It stays unfinished, and the reason is there at the end."""
    writer = start()
    first, second = streams(plan, 0), streams(plan, 1)
    plan.folder.mkdir(exist_ok=True)
    (plan.folder / "predictions").write_text("a file where a folder should be")
    writer.done(plan.trials[0].trial_id, first, "")
    wait_until(writer.error)
    writer.begin(plan.trials[1].trial_id)

    with pytest.raises(OSError, match="predictions"):
        writer.done(plan.trials[1].trial_id, second, "")
    assert list(writer.unfinished()) == [plan.trials[1].trial_id]
    assert "predictions" in str(writer.close())


def kept(plan: Plan) -> list[str]:
    """Whose weights are there."""
    return sorted(folder.name for folder in (plan.folder / "weights").iterdir())


def test_only_the_best_trial_keeps_its_weights(plan: Plan, start) -> None:
    """The former best of this run makes room."""
    writer = start()
    writer.keep_weights("a", 0.5, {"1-1.pt": b"a"})
    writer.keep_weights("b", 0.7, {"1-1.pt": b"b", "1-2.pt": b"c"})

    assert kept(plan) == ["b"]
    assert (plan.folder / "weights" / "b" / "1-2.pt").read_bytes() == b"c"
    assert writer.weight_policy().best == 0.7


def test_weights_that_were_overtaken_on_their_way_are_dropped(plan: Plan, start) -> None:
    """Two workers may both have asked before either handed over."""
    writer = start()
    writer.keep_weights("b", 0.7, {"1-1.pt": b"b"})
    writer.keep_weights("a", 0.5, {"1-1.pt": b"a"})

    assert kept(plan) == ["b"]


def test_weights_of_an_earlier_run_stay(plan: Plan, start) -> None:
    """Its best may be all that somebody has of it; what is no better adds nothing."""
    start().keep_weights("a", 0.5, {"1-1.pt": b"a"})
    writer = start(best=0.5)
    writer.keep_weights("b", 0.6, {"1-1.pt": b"b"})

    assert kept(plan) == ["a", "b"]
    assert not writer.weight_policy().wants(0.6)


@pytest.mark.parametrize(
    ("weights", "mode", "best", "value", "wanted"),
    [
        ("best", "max", 0.5, 0.6, True),
        ("best", "max", 0.5, 0.5, False),
        ("best", "min", 0.5, 0.4, True),
        ("best", "min", 0.5, 0.6, False),
        ("best", "max", None, 0.0, True),
        ("best", "max", None, None, False),
        ("all", "max", 0.5, 0.1, True),
        ("none", "max", None, 0.9, False),
    ],
)
def test_whose_weights_are_wanted(
    start, weights: str, mode: str, best: float | None, value: float | None, wanted: bool
) -> None:
    """Strictly better than the best, all, or none."""
    writer = start(weights=weights, mode=mode, best=best)

    assert writer.begin("a")[1].wants(value) is wanted


def test_all_weights_are_kept_where_they_are_wanted(plan: Plan, start) -> None:
    """And a trial trained again replaces its own."""
    writer = start(weights="all")
    writer.keep_weights("a", 0.5, {"1-1.pt": b"a", "1-2.pt": b"a"})
    writer.keep_weights("b", 0.4, {"1-1.pt": b"b"})
    writer.keep_weights("a", 0.3, {"1-1.pt": b"c"})

    assert kept(plan) == ["a", "b"]
    assert [file.name for file in (plan.folder / "weights" / "a").iterdir()] == ["1-1.pt"]


def test_repeats_that_are_added_leave_the_weights_of_the_former(plan: Plan, start) -> None:
    """Their rows stay, so what predicts with them stays too; a trial trained anew has none."""
    start(weights="all").keep_weights("a", 0.5, {"1-1.pt": b"a", "2-1.pt": b"old"})
    folder = plan.folder / "weights" / "a"

    start(weights="all", replaced={"a": (1,)}).keep_weights("a", 0.6, {"2-1.pt": b"b"})
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "1-1.pt": b"a",
        "2-1.pt": b"b",
    }

    start(weights="all", replaced={"a": ()}).keep_weights("a", 0.6, {"2-1.pt": b"c"})
    assert [file.name for file in folder.iterdir()] == ["2-1.pt"]
