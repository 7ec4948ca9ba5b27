"""From a command line to a plan: which file, which folder, whose data, what is refused first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness.engine.runner
from harness.engine.options import RunOptions
from harness.engine.plan import Plan
from harness.engine.request import Request, read_request
from harness.engine.runner import RunOutcome, run_benchmark
from harness.errors import BenchError, SpecError
from harness.events import Event, Note, StepStarted
from harness.results.lock import hold
from harness.tune.sweep import SweepEnd
from tests.plans import FILE, write_trials

DATASET = '''"""Words that `prepare` writes."""

from pathlib import Path

from data_prep.examples import DataError, Description


def describe(*, subset: str = "all"):
    return Description("words", (1, 8, 8), tuple("abc"), 60, "here", "none")


def prepare(root, *, subset: str = "all"):
    Path(root).mkdir(parents=True, exist_ok=True)
    with open(Path(root) / "words.txt", "a") as file:
        file.write("word ")


def files(root, *, subset: str = "all"):
    path = Path(root) / "words.txt"
    if not path.exists():
        raise DataError(f"{path} is missing; run `bench prepare words`")
    return [path]


def load(root, *, subset: str = "all"): ...
'''


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with the dataset `words` and a benchmark on it."""
    (tmp_path / "data_prep").mkdir()
    (tmp_path / "data_prep" / "words.py").write_text(DATASET)
    (tmp_path / "rates.yaml").write_text(FILE)
    (tmp_path / "words.yaml").write_text(FILE.replace("digits", "words"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.delenv("BENCH_CACHE", raising=False)
    return tmp_path


class Stopped(Exception):
    """Raised in place of the model check."""


@pytest.fixture
def planned(user: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Event]]:
    """Runs up to the model check; the events until then."""

    def stop(*arguments: Any) -> None:
        raise Stopped

    monkeypatch.setattr(harness.engine.runner, "check_models", stop)

    def call(file: str = "words", **options: Any) -> list[Event]:
        events: list[Event] = []
        with pytest.raises(Stopped):
            run_benchmark(RunOptions(file, **options), events.append)
        return events

    return call


def finished(file: str = "rates", **options: Any) -> tuple[RunOutcome, list[Event]]:
    """A run that has nothing to train."""
    events: list[Event] = []
    return run_benchmark(RunOptions(file, **options), events.append), events


def read(options: RunOptions) -> Request:
    return read_request(options, lambda event: None)


def test_overrides_reach_the_file(user: Path) -> None:
    """Those of the command line."""
    spec = read(RunOptions("rates", ("training.epochs=5", "repeats=2"))).spec

    assert (spec.name, spec.training.epochs, spec.repeats) == ("rates", 5, 2)


def test_smoke_wins_over_overrides(user: Path) -> None:
    """One epoch whatever was asked for; what it does not touch stays."""
    overrides = ("training.epochs=5", "training.lr=0.5", "repeats=2")
    spec = read(RunOptions("rates", overrides, smoke=True)).spec

    assert (spec.training.epochs, spec.training.batch_size, spec.repeats) == (1, 4, 1)
    assert spec.dataset.limit == 30
    assert spec.training.lr == 0.5


def test_a_mistake_is_told_with_smoke_too(user: Path) -> None:
    """In the file's own words, before anything is replaced."""
    with pytest.raises(SpecError, match=r"training\.epochs"):
        read(RunOptions("rates", ("training.epochs=-1",), smoke=True))


def test_results_lie_below_the_benchmark_s_name(user: Path) -> None:
    """Absolute, since workers may run elsewhere; smoke runs apart."""
    assert read(RunOptions("rates")).folder == user / "results" / "rates"
    elsewhere = RunOptions("rates", results=Path("mine"))
    assert read(elsewhere).folder == user / "mine" / "rates"
    smoke = RunOptions("rates", smoke=True)
    assert read(smoke).folder == user / "results" / "_smoke" / "rates"


def test_the_folder_that_bench_keeps_is_filled(user: Path, planned) -> None:
    """Once, and it is said; three configurations share it."""
    events = planned()
    words = user / "cache" / "bench" / "data" / "words.txt"

    assert words.read_text() == "word "
    assert next(one.text for one in events if isinstance(one, StepStarted)) == (
        f"preparing words in {words.parent}"
    )
    assert not [one for one in planned() if "preparing" in getattr(one, "text", "")]
    assert words.read_text() == "word "


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_folder_that_the_user_named_is_never_filled(
    user: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """What is missing there is told, with the cure."""
    options: dict[str, Any] = {"data": user / "mine"} if by == "option" else {}
    if by == "variable":
        monkeypatch.setenv("BENCH_DATA", str(user / "mine"))

    with pytest.raises(BenchError, match=r"dataset words: .*words\.txt is missing; run `bench"):
        run_benchmark(RunOptions("words", **options), lambda event: None)
    assert not (user / "mine").exists()
    assert not (user / "cache").exists()


def test_a_dry_run_downloads_nothing(user: Path) -> None:
    """It reads what is there."""
    with pytest.raises(BenchError, match=r"words\.txt is missing"):
        run_benchmark(RunOptions("words", dry_run=True), lambda event: None)
    assert not (user / "cache").exists()


def test_data_that_is_there_is_used(user: Path, planned) -> None:
    """From the folder that was named, and nothing is prepared."""
    (user / "mine").mkdir()
    (user / "mine" / "words.txt").write_text("my own")
    planned(data=user / "mine")

    assert (user / "mine" / "words.txt").read_text() == "my own"
    assert not (user / "cache" / "bench" / "data").exists()


def test_a_folder_that_is_held_is_refused_before_models_are_built(user: Path) -> None:
    """Before the seconds that it takes to import torch; here a model check would break."""
    (user / "models").mkdir()
    (user / "models" / "linear.py").write_text("def build(*, input_shape, num_classes): 1 / 0\n")
    folder = user / "results" / "rates"
    events: list[Event] = []
    with hold(folder), pytest.raises(BenchError, match="is held by process"):
        run_benchmark(RunOptions("rates"), events.append)

    assert not [one for one in events if isinstance(one, StepStarted)]


@pytest.fixture
def trained(user: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Plan]]:
    """Runs in which nothing trains: every plan that is made, and last the one to be trained."""

    def call(meanwhile: Callable[[Plan], None] = lambda plan: None) -> list[Plan]:
        plans: list[Plan] = []
        make_plan = harness.engine.runner.make_plan

        def noted(*arguments: Any, **options: Any) -> Plan:
            plans.append(make_plan(*arguments, **options))
            return plans[-1]

        def check_models(*arguments: Any) -> dict[str, Any]:
            meanwhile(plans[-1])
            return {}

        def train(request: Request, plan: Plan, counts: Any) -> SweepEnd:
            plans.append(plan)
            return SweepEnd({}, interrupted=False, write_error=None)

        monkeypatch.setattr(harness.engine.runner, "make_plan", noted)
        monkeypatch.setattr(harness.engine.runner, "check_models", check_models)
        monkeypatch.setattr(harness.engine.runner, "_train", train)
        run_benchmark(RunOptions("rates"), lambda event: None)
        return plans

    return call


def test_a_plan_is_made_once(user: Path, trained) -> None:
    """Between its making and the lock nobody wrote; so in a folder with rows, and in none."""
    first, trained_first = trained()
    assert trained_first is first
    write_trials(first, {0: "complete"})

    second, trained_second = trained()
    assert trained_second is second
    assert len(second.missing) == 2


@pytest.mark.parametrize("status", ["complete", "interrupted"])
def test_what_another_run_wrote_meanwhile_is_planned_for(user: Path, trained, status: str) -> None:
    """Rows that are written while the models are checked change the plan under the lock."""
    _, second, to_train = trained(lambda plan: write_trials(plan, {1: status}))

    assert to_train is second
    assert [trial.status for trial in to_train.trials] == [None, status, None]
    assert len(to_train.missing) == (2 if status == "complete" else 3)


def test_a_model_that_hides_a_shipped_one_is_announced(user: Path, planned) -> None:
    """So that nobody trains another than they think."""
    (user / "models").mkdir()
    (user / "models" / "linear.py").write_text("def build(*, input_shape, num_classes): 1 / 0\n")

    assert Note("your models/linear.py is used in place of the shipped one") in planned()


def test_where_nothing_is_missing_the_tables_answer(user: Path) -> None:
    """Exit 0 where all are complete, 1 where one failed, however often it is asked."""
    plan = _real_plan(user)
    write_trials(plan, {0: "complete", 1: "complete", 2: "complete"})
    good, _ = finished()
    write_trials(_real_plan(user, force=True), {2: "failed"})
    bad, _ = finished()

    assert (good.exit_code, good.summary.complete, good.summary.missing) == (0, 3, 0)
    assert (bad.exit_code, bad.summary.complete, bad.summary.failed) == (1, 2, 1)
    assert good.summary.best is not None
    assert good.summary.best.validation == pytest.approx(2 / 3)


def test_a_metric_added_later_is_computed_without_training(user: Path) -> None:
    """And it is said."""
    write_trials(_real_plan(user), {0: "complete", 1: "complete", 2: "complete"})
    (user / "rates.yaml").write_text(FILE + "metrics: [accuracy, macro_f1]\n")

    outcome, events = finished()

    assert outcome.exit_code == 0
    assert Note("computed new metrics of 3 trials from predictions") in events


def test_a_limit_of_missing_trials_leaves_the_rest_out(user: Path) -> None:
    """Nothing but the done ones and the first missing one is in the plan."""
    write_trials(_real_plan(user), {1: "complete"})
    outcome, _ = finished(dry_run=True, limit=1)

    assert [trial.state for trial in outcome.plan.trials] == ["missing", "done"]


def test_a_dry_run_judges_the_time_by_what_is_done(user: Path) -> None:
    """Two trials are missing, the done one took 2 s, two at a time."""
    write_trials(_real_plan(user), {0: "complete"})
    before = sorted(user.rglob("*"))
    outcome, _ = finished(dry_run=True, jobs=2)

    assert outcome.exit_code == 0
    assert outcome.estimate_s == pytest.approx(2 * 2 / 2)
    assert outcome.models[0].startswith("linear")
    assert "650 parameters" in outcome.models[0]
    assert sorted(user.rglob("*")) == before


def test_a_smoke_run_replaces_the_one_before_it(user: Path, planned) -> None:
    """Two configurations at most; what lay there goes, other results stay."""
    for name in ("_smoke/words", "words"):
        (user / "results" / name).mkdir(parents=True)
        (user / "results" / name / "old").write_text("")
    planned(smoke=True)

    assert not (user / "results" / "_smoke" / "words" / "old").exists()
    assert (user / "results" / "words" / "old").exists()


def _real_plan(user: Path, **options: Any) -> Any:
    """The plan that a run makes: with the fingerprint of the real files."""
    request = read_request(RunOptions("rates", **options), lambda event: None)
    return harness.engine.runner._plan(request)
