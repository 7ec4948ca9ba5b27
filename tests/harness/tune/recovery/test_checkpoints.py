"""What earlier runs left is found, said, and moved to where this run keeps its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.events import Event, Note
from harness.plugins import catalog
from harness.training.trial_checkpoint import checkpoint_setting
from harness.tune.recovery.checkpoint_store import write_packed
from harness.tune.recovery.checkpoints import checkpoint_files, checkpoint_lines, go_on
from harness.tune.trainable import SweepTrial
from tests.builders import make_trial_job
from tests.checkpoints import packed

IDS = ("aaaa", "bbbb", "cccc")
HERE = "runs/20270101T000000-0002"


def trials(*ids: str, attempt: int = 0) -> tuple[SweepTrial, ...]:
    entry = catalog.find("model", "linear")
    jobs = [make_trial_job(trial_id=one, attempt=attempt) for one in ids]
    return tuple(SweepTrial(job, "d", entry) for job in jobs)


def leave(folder: Path, trial_id: str, *, run: str = "20260101T000000-0001", **about: int) -> Path:
    """A checkpoint of an earlier run."""
    made = packed(trial_id, **about)
    setting = checkpoint_setting(make_trial_job(trial_id=trial_id), "loop")
    file = folder / "runs" / run / "checkpoints" / f"{trial_id}.checkpoint"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_packed(file, replace(made, about=replace(made.about, setting=setting)))
    return file


def gone_on(
    folder: Path, *ids: str, device: str = "cpu", force: bool = False, attempt: int = 0
) -> tuple[dict[str, SweepTrial], list[str]]:
    """The trials of a new run by id, and what it says."""
    said: list[Event] = []
    found = go_on(
        trials(*ids, attempt=attempt),
        folder=folder,
        run_folder=folder / HERE,
        device=device,
        force=force,
        on_event=said.append,
    )
    return {one.job.trial_id: one for one in found}, [one.text for one in said if type(one) is Note]


def test_trials_go_on_from_what_any_earlier_run_left(tmp_path: Path) -> None:
    """Two of three, from two runs; the files move, emptied folders go."""
    for trial_id, epoch, run in (
        ("aaaa", 12, "20260101T000000-0001"),
        ("cccc", 7, "20260202T000000-0001"),
    ):
        leave(tmp_path, trial_id, epoch=epoch, run=run)
    found, said = gone_on(tmp_path, *IDS)

    assert [one.goes_on for one in found.values()] == [True, False, True]
    assert said == ["2 trials go on from their checkpoints (epochs 12, 7)"]
    assert {file.parent for (file,) in checkpoint_files(tmp_path).values()} == {
        tmp_path / HERE / "checkpoints"
    }
    assert len(list(tmp_path.glob("runs/*/checkpoints"))) == 1


def test_one_trial_is_told_with_the_epochs_it_will_have(tmp_path: Path) -> None:
    leave(tmp_path, "aaaa", epoch=12, epochs=30)
    assert gone_on(tmp_path, "aaaa")[1] == ["1 trial goes on from its checkpoint (epoch 12 of 30)"]


def test_of_many_a_few_are_named(tmp_path: Path) -> None:
    ids = [f"{number:04d}" for number in range(7)]
    for number, trial_id in enumerate(ids, start=1):
        leave(tmp_path, trial_id, epoch=number)
    text = "7 trials go on from their checkpoints (epochs 1, 2, 3, 4, 5, …)"
    assert gone_on(tmp_path, *ids)[1] == [text]


def test_a_dry_run_says_the_same_without_touching_anything(tmp_path: Path) -> None:
    """What can't be read is for the run itself to tell."""
    file, broken = leave(tmp_path, "aaaa", epoch=12), leave(tmp_path, "bbbb")
    broken.write_bytes(b"{}")
    text = "1 trial goes on from its checkpoint (epoch 12 of 30)"

    assert checkpoint_lines(tmp_path, IDS) == [text]
    assert file.exists() and broken.exists()
    assert checkpoint_lines(tmp_path, ["zzzz"]) == []


def test_attempts_count_on_where_no_row_was_written(tmp_path: Path) -> None:
    """A driver that was killed left the attempt in the checkpoint alone; else the row knows."""
    leave(tmp_path, "aaaa", attempt=2)
    assert gone_on(tmp_path, "aaaa")[0]["aaaa"].job.attempt == 2
    assert gone_on(tmp_path, "aaaa", attempt=5)[0]["aaaa"].job.attempt == 5


def test_of_two_runs_the_newer_ones_counts(tmp_path: Path) -> None:
    """As where a run died while it moved them."""
    leave(tmp_path, "aaaa", epoch=3, run="20260101T000000-0001")
    leave(tmp_path, "aaaa", epoch=9, run="20260202T000000-0001")
    _, said = gone_on(tmp_path, "aaaa")

    assert said == ["1 trial goes on from its checkpoint (epoch 9 of 30)"]
    assert [len(files) for files in checkpoint_files(tmp_path).values()] == [1]


def test_what_is_no_part_of_the_plan_stays(tmp_path: Path) -> None:
    """Another space of the same folder may come back to it."""
    file = leave(tmp_path, "aaaa")
    assert gone_on(tmp_path, "bbbb")[1] == []
    assert file.exists()


def test_force_begins_anew_and_removes(tmp_path: Path) -> None:
    """Only what it trains."""
    mine, others = leave(tmp_path, "aaaa"), leave(tmp_path, "zzzz")
    found, said = gone_on(tmp_path, "aaaa", force=True)

    assert (found["aaaa"].goes_on, said) == (False, [])
    assert (mine.exists(), others.exists()) == (False, True)


@pytest.mark.parametrize(
    ("device", "cut", "why"),
    [("cuda", None, "device cpu there, cuda here"), ("cpu", -1, "it is damaged")],
)
def test_what_is_of_no_use_is_said_and_kept_until_something_replaces_it(
    tmp_path: Path, device: str, cut: int | None, why: str
) -> None:
    """One line each; on the right device it could still be gone on from."""
    file = leave(tmp_path, "aaaa")
    file.write_bytes(file.read_bytes()[:cut])
    found, said = gone_on(tmp_path, "aaaa", device=device)

    assert not found["aaaa"].goes_on
    assert said == [f"trial aaaa starts from the beginning, its checkpoint is of no use: {why}"]
    assert list(checkpoint_files(tmp_path)) == ["aaaa"]
