"""When a worker keeps its trial, and what it goes on from."""

from typing import Any

import numpy as np
import pytest

from harness.training.checkpoint import Checkpoints, Past, TrainingState, pack
from harness.training.checkpoint_format import About, CheckpointError, Packed
from harness.training.trial_checkpoint import checkpoint_setting
from harness.tune.recovery import checkpoint_client
from harness.tune.recovery.checkpoint_client import Keeper
from tests.builders import make_trial_job
from tests.checkpoints import packed

JOB = make_trial_job()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Collector:
    """Remembers what it was sent; `error` is its answer, `found` what it has."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.error: str | None = None
        self.found: Packed | Exception | None = None
        self.keep_checkpoint = self.checkpoint = self  # both are called with `.remote`

    def remote(self, trial_id: str, content: Packed | None = None) -> Any:
        if content is None:
            return self.found
        self.epochs.append(content.about.epoch)
        return self.error


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    def get(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(checkpoint_client, "get_value", get)
    return Collector()


def trained(
    checkpoints: Checkpoints, clock: Clock, *, epochs: int, epoch_s: float, cost_s: float = 0.0
) -> None:
    """A trial whose epochs and checkpoints take so long."""

    def pack_epoch(epoch: int) -> Packed:
        clock.now_s += cost_s
        return packed(JOB.trial_id, epoch=epoch)

    for epoch in range(1, epochs + 1):
        clock.now_s += epoch_s
        checkpoints.keep(lambda epoch=epoch: pack_epoch(epoch))


def kept(
    collector: Collector, interval_s: float | None, *, epochs: int, epoch_s: float, cost_s: float
) -> list[int]:
    """The epochs of a trial that were kept."""
    clock = Clock()
    one = Keeper(collector, JOB, interval_s=interval_s, clock=clock)
    checkpoints = one.checkpoints(ask=False, say=lambda text: None)
    trained(checkpoints, clock, epochs=epochs, epoch_s=epoch_s, cost_s=cost_s)
    return collector.epochs


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
    collector: Collector, interval_s: float | None, epoch_s: float, cost_s: float, epochs: list[int]
) -> None:
    """Of twelve epochs, at the end of the one in which the interval has passed."""
    found = kept(collector, interval_s, epochs=12, epoch_s=epoch_s, cost_s=cost_s)
    assert found == epochs


def test_checkpoints_take_a_twentieth_of_the_time_at_most(collector: Collector) -> None:
    """Ten seconds each are followed by 190 without one: epochs of ten, then every 19th."""
    found = kept(collector, 60.0, epochs=50, epoch_s=10.0, cost_s=10.0)
    assert found == [6, 25, 44]


def test_a_trial_that_is_stopped_keeps_its_last_epoch(collector: Collector) -> None:
    """Whenever the next one was due; one that has ended, or has just been kept, keeps nothing."""
    clock = Clock()
    stopped, ended, unwanted = (
        Keeper(collector, JOB, interval_s=interval_s, clock=clock) for interval_s in (60, 60, None)
    )
    for one in (stopped, ended, unwanted):
        trained(one.checkpoints(ask=False, say=print), clock, epochs=4, epoch_s=1.0)
    ended.end()
    for one in (stopped, stopped, ended, unwanted):
        one.last()

    assert collector.epochs == [4]


def test_a_disk_that_is_full_is_told_and_tried_again(collector: Collector) -> None:
    """The trial trains on; the answer to one checkpoint is heard with the next."""
    clock = Clock()
    collector.error = "No space left on device"
    one = Keeper(collector, JOB, interval_s=10.0, clock=clock)
    trained(one.checkpoints(ask=False, say=print), clock, epochs=2, epoch_s=10.0)

    assert collector.epochs == [1, 2]
    assert one.take_notes() == [
        "no checkpoint could be written: No space left on device; the trials go on without"
    ]
    assert one.take_notes() == []


def found_by(collector: Collector, found: Packed | Exception | None) -> tuple[Any, list[str], str]:
    """What a trial goes on from, what the user hears, what its log says."""
    collector.found = found
    one, log = Keeper(collector, JOB, interval_s=60.0), []
    past = one.checkpoints(ask=True, say=log.append).past()
    return past, one.take_notes(), "".join(log)


def test_a_trial_goes_on_from_what_the_collector_has(collector: Collector) -> None:
    """Its log says after which epoch."""
    about = About(checkpoint_setting(JOB, "loop"), 7, 30, 1)
    past, notes, log = found_by(collector, pack(about, Past(TrainingState((), {}))))

    assert isinstance(past, Past)
    assert (notes, log) == ([], "goes on from its checkpoint, after epoch 7\n")


def test_where_there_is_none_or_nobody_asks_it_begins_at_the_beginning(
    collector: Collector,
) -> None:
    assert found_by(collector, None) == (None, [], "")
    collector.found = CheckpointError("it is damaged")
    one = Keeper(collector, JOB, interval_s=60.0)
    assert one.checkpoints(ask=False, say=print).past() is None


def test_one_of_no_use_is_told_in_one_line(collector: Collector) -> None:
    """Damaged, cut, or of another setting: the trial starts from the beginning."""
    about = About(checkpoint_setting(JOB, "loop"), 7, 30, 1)
    whole = pack(about, Past(TrainingState((), {})))
    bent = Packed(about, np.roll(whole.payload, 1), whole.crc32)
    foreign = Packed(
        packed(JOB.trial_id, execution="loop", torch="1").about, whole.payload, whole.crc32
    )
    for found, why in (
        (CheckpointError("it is damaged"), "it is damaged"),
        (bent, "it is damaged"),
        (foreign, "torch 1 there, 2 here"),
    ):
        past, notes, log = found_by(collector, found)
        assert (past, log) == (None, "")
        assert notes == [
            f"trial {JOB.trial_id} starts from the beginning, its checkpoint is of no use: {why}"
        ]
