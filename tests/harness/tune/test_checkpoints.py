"""Checkpoints under way: when one is due, where it lies, and who goes on from which."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.events import Event, Note
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    read_header,
    trial_setting,
    write_checkpoint,
)
from harness.training.training_state import (
    Checkpointing,
    TrainingState,
    TrialState,
    pack_trial,
)
from harness.training.trial_rows import TrialJob
from harness.tune import checkpoints
from harness.tune.checkpoints import (
    CheckpointClient,
    CheckpointStore,
    checkpoint_files,
    checkpoint_lines,
    resume_trials,
)
from tests.builders import make_trial_job
from tests.checkpoints import make_checkpoint

IDS = ("aaaa", "bbbb", "cccc")
HERE = "runs/20270101T000000-0002"
JOB = make_trial_job()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Writer:
    """Remembers what it was sent; `error` is its answer, `found` what it has."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.error: str | None = None
        self.found: Checkpoint | Exception | None = None
        self.keep_checkpoint = self.checkpoint = self  # both are called with `.remote`

    def remote(self, trial_id: str, content: Checkpoint | None = None) -> Any:
        if content is None:
            return self.found
        self.epochs.append(content.header.epoch)
        return self.error


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    def get(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(checkpoints, "_value", get)
    return Writer()


def trained(
    checkpointing: Checkpointing, clock: Clock, *, epochs: int, epoch_s: float, cost_s: float = 0.0
) -> None:
    """A trial whose epochs and checkpoints take so long."""

    def pack_epoch(epoch: int) -> Checkpoint:
        clock.now_s += cost_s
        return make_checkpoint(JOB.trial_id, epoch=epoch)

    for epoch in range(1, epochs + 1):
        clock.now_s += epoch_s
        checkpointing.keep(lambda epoch=epoch: pack_epoch(epoch))


def kept(
    writer: Writer, interval_s: float | None, *, epochs: int, epoch_s: float, cost_s: float
) -> list[int]:
    """The epochs of a trial that were kept."""
    clock = Clock()
    one = CheckpointClient(writer, JOB, interval_s=interval_s, clock=clock)
    checkpointing = one.checkpointing(ask=False, log=lambda text: None)
    trained(checkpointing, clock, epochs=epochs, epoch_s=epoch_s, cost_s=cost_s)
    return writer.epochs


@pytest.mark.parametrize(
    ("interval_s", "epoch_s", "cost_s", "epochs"),
    [
        (60.0, 20.0, 0.0, [3, 6, 9, 12]),
        (60.0, 50.0, 0.0, [2, 4, 6, 8, 10, 12]),
        (60.0, 100.0, 0.0, [*range(1, 13)]),
        (60.0, 1.0, 0.0, []),
        (0.0, 0.01, 5.0, [*range(1, 13)]),
        (None, 1000.0, 0.0, []),
    ],
    ids=["each third", "each second", "each", "too short", "0: every epoch", "null: none"],
)
def test_a_checkpoint_is_due_once_an_interval(
    writer: Writer, interval_s: float | None, epoch_s: float, cost_s: float, epochs: list[int]
) -> None:
    """Of twelve epochs, at the end of the one in which the interval has passed."""
    found = kept(writer, interval_s, epochs=12, epoch_s=epoch_s, cost_s=cost_s)
    assert found == epochs


def test_checkpoints_take_a_twentieth_of_the_time_at_most(writer: Writer) -> None:
    """Ten seconds each are followed by 190 without one: epochs of ten, then every 19th."""
    found = kept(writer, 60.0, epochs=50, epoch_s=10.0, cost_s=10.0)
    assert found == [6, 25, 44]


def test_a_trial_that_is_stopped_keeps_its_last_epoch(writer: Writer) -> None:
    """Whenever the next one was due; one that has ended, or has just been kept, keeps nothing."""
    clock = Clock()
    stopped, ended, unwanted = (
        CheckpointClient(writer, JOB, interval_s=interval_s, clock=clock)
        for interval_s in (60, 60, None)
    )
    for one in (stopped, ended, unwanted):
        trained(one.checkpointing(ask=False, log=print), clock, epochs=4, epoch_s=1.0)
    ended.end()
    for one in (stopped, stopped, ended, unwanted):
        one.keep_last()

    assert writer.epochs == [4]


def test_a_disk_that_is_full_is_told_and_tried_again(writer: Writer) -> None:
    """The trial trains on; the answer to one checkpoint is heard with the next."""
    clock = Clock()
    writer.error = "No space left on device"
    one = CheckpointClient(writer, JOB, interval_s=10.0, clock=clock)
    trained(one.checkpointing(ask=False, log=print), clock, epochs=2, epoch_s=10.0)

    assert writer.epochs == [1, 2]
    assert one.take_notes() == [
        "no checkpoint could be written: No space left on device; the trials go on without"
    ]
    assert one.take_notes() == []


def found_by(writer: Writer, found: Checkpoint | Exception | None) -> tuple[Any, list[str], str]:
    """What a trial goes on from, what the user hears, what its log says."""
    writer.found = found
    one, log = CheckpointClient(writer, JOB, interval_s=60.0), []
    past = one.checkpointing(ask=True, log=log.append).resume()
    return past, one.take_notes(), "".join(log)


def test_a_trial_goes_on_from_what_the_collector_has(writer: Writer) -> None:
    """Its log says after which epoch."""
    header = Header(trial_setting(JOB, "loop"), 7, 30, 1)
    past, notes, log = found_by(writer, pack_trial(header, TrialState(TrainingState((), {}))))

    assert isinstance(past, TrialState)
    assert (notes, log) == ([], "goes on from its checkpoint, after epoch 7\n")


def test_where_there_is_none_or_nobody_asks_it_begins_at_the_beginning(
    writer: Writer,
) -> None:
    assert found_by(writer, None) == (None, [], "")
    writer.found = CheckpointError("it is damaged")
    one = CheckpointClient(writer, JOB, interval_s=60.0)
    assert one.checkpointing(ask=False, log=print).resume() is None


def test_one_of_no_use_is_told_in_one_line(writer: Writer) -> None:
    """Damaged, cut, or of another setting: the trial starts from the beginning."""
    header = Header(trial_setting(JOB, "loop"), 7, 30, 1)
    whole = pack_trial(header, TrialState(TrainingState((), {})))
    bent = Checkpoint(header, np.roll(whole.payload, 1), whole.crc32)
    foreign = Checkpoint(
        make_checkpoint(JOB.trial_id, execution="loop", torch="1").header,
        whole.payload,
        whole.crc32,
    )
    for found, why in (
        (CheckpointError("it is damaged"), "it is damaged"),
        (bent, "it is damaged"),
        (foreign, "torch 1 there, 2 here"),
    ):
        past, notes, log = found_by(writer, found)
        assert (past, log) == (None, "")
        assert notes == [
            f"trial {JOB.trial_id} starts from the beginning, its checkpoint is of no use: {why}"
        ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    """Of one run of a benchmark."""
    made = CheckpointStore(tmp_path, tmp_path / "runs" / "r")
    yield made
    made.close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "runs" / "r" / "checkpoints").glob("*"))


def wait_for(happened: Callable[[], Any]) -> None:
    until_s = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_what_was_put_is_got_and_lies_on_disk(tmp_path: Path, store: CheckpointStore) -> None:
    """At once from memory, then from its file."""
    assert store.get("a") is None
    assert store.put("a", make_checkpoint("a", epoch=3)) is None
    at_once = store.get("a")
    wait_for(lambda: files(tmp_path))
    store.close()
    later = store.get("a")

    assert at_once is not None and later is not None
    assert at_once.header == later.header == make_checkpoint("a", epoch=3).header
    assert np.array_equal(at_once.payload, later.payload)


def test_a_trial_has_one_checkpoint_the_newest(tmp_path: Path, store: CheckpointStore) -> None:
    for epoch in (1, 2, 3):
        store.put("a", make_checkpoint("a", epoch=epoch))
    store.close()

    assert files(tmp_path) == ["a.checkpoint"]
    assert read_header(tmp_path / "runs" / "r" / "checkpoints" / "a.checkpoint").epoch == 3


def test_a_trial_that_is_over_has_none_and_gets_none(
    tmp_path: Path, store: CheckpointStore
) -> None:
    """Also not one that was on its way; the empty folder goes too."""
    store.put("a", make_checkpoint("a"))
    wait_for(lambda: files(tmp_path))
    store.end("a")
    store.put("a", make_checkpoint("a", epoch=9))
    store.close()

    assert store.get("a") is None
    assert not (tmp_path / "runs" / "r" / "checkpoints").exists()


def test_a_full_disk_is_told_and_costs_only_the_checkpoint(
    tmp_path: Path, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former one stays whole; with room again the next one is kept."""

    def full(file: Path, content: Checkpoint) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    store.put("a", make_checkpoint("a", epoch=1))
    wait_for(lambda: files(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_checkpoint", full)
        store.put("a", make_checkpoint("a", epoch=2))
        wait_for(lambda: store.put("b", make_checkpoint("b")))
    told = store.put("a", make_checkpoint("a", epoch=3))
    store.close()

    assert told == "No space left on device"
    assert not list((tmp_path / ".tmp").glob("*"))
    assert files(tmp_path)[0] == "a.checkpoint"
    assert read_header(tmp_path / "runs" / "r" / "checkpoints" / "a.checkpoint").epoch == 3


def test_writing_does_not_keep_the_caller(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that wait for a slow disk, the newest of a trial is written."""
    epochs = []
    disk = threading.Event()

    def slow(file: Path, content: Checkpoint) -> None:
        epochs.append(content.header.epoch)
        disk.wait()
        write_checkpoint(file, content)

    monkeypatch.setattr(checkpoints, "write_checkpoint", slow)
    store.put("a", make_checkpoint("a", epoch=1))
    wait_for(lambda: epochs)
    for epoch in range(2, 50):
        store.put("a", make_checkpoint("a", epoch=epoch))
    disk.set()
    store.close()

    assert epochs == [1, 49]


def trials(*ids: str, attempt: int = 0) -> tuple[TrialJob, ...]:
    return tuple(make_trial_job(trial_id=one, attempt=attempt) for one in ids)


def leave(folder: Path, trial_id: str, *, run: str = "20260101T000000-0001", **about: int) -> Path:
    """A checkpoint of an earlier run."""
    made = make_checkpoint(trial_id, **about)
    setting = trial_setting(make_trial_job(trial_id=trial_id), "loop")
    file = folder / "runs" / run / "checkpoints" / f"{trial_id}.checkpoint"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(file, replace(made, header=replace(made.header, setting=setting)))
    return file


def gone_on(
    folder: Path, *ids: str, device: str = "cpu", force: bool = False, attempt: int = 0
) -> tuple[dict[str, TrialJob], list[str]]:
    """The trials of a new run by id, and what it says."""
    said: list[Event] = []
    found = resume_trials(
        trials(*ids, attempt=attempt),
        folder=folder,
        run_folder=folder / HERE,
        device=device,
        force=force,
        on_event=said.append,
    )
    return {one.trial_id: one for one in found}, [one.text for one in said if type(one) is Note]


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
    assert gone_on(tmp_path, "aaaa")[0]["aaaa"].attempt == 2
    assert gone_on(tmp_path, "aaaa", attempt=5)[0]["aaaa"].attempt == 5


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
