"""Which way the folds train: what is asked, what is known, what is measured."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from harness.data.types import FoldInputs
from harness.training.backends import selection
from harness.training.backends.fold_run import build_model, start_folds
from harness.training.backends.selection import (
    FEWEST_STEPS,
    ROUNDS,
    BackendChoice,
    choose,
    find,
    measure,
    n_steps,
    shape_key,
)
from tests.builders import build_linear, make_job, make_trial_data
from tests.stacked import small_net

LONG = {"epochs": FEWEST_STEPS}


def unasked(*_: Any, **__: Any) -> Any:
    raise AssertionError("nobody had to be asked")


def key_of(job: Any, code: str = "") -> str:
    return shape_key(job, build_model(job, 0), code)


def test_what_the_file_asks_for_is_done() -> None:
    """Without measuring."""
    for name in ("loop", "vectorized"):
        choice = choose(make_job(fold_execution=name))
        assert (choice.execution, choice.reason, choice.obstacle) == (name, "asked for", False)


def test_one_fold_is_no_stack() -> None:
    """Whatever is asked for."""
    job = make_job(
        make_trial_data(n_folds=1, test=False, n_train=[40]), fold_execution="vectorized"
    )
    assert choose(job, agree=unasked) == BackendChoice("loop", "one fold")


def test_what_cannot_be_one_model_trains_in_the_loop_and_says_why() -> None:
    """Also where the file insists."""

    class Reads(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs * inputs.mean().item())

    job = make_job(
        build=lambda *, input_shape, num_classes: Reads(input_shape[0], num_classes),
        fold_execution="vectorized",
    )
    choice = choose(job)
    assert (choice.execution, choice.obstacle) == ("loop", True)
    assert choice.reason.startswith("they can't be one model: ")


def test_folds_further_apart_than_a_batch_are_no_stack() -> None:
    """Whatever is asked for or was done before: of 40 examples, 28 would be left out."""
    data = make_trial_data(n=120, n_train=(12, 40))
    for settings, recorded in (
        ({"fold_execution": "vectorized"}, None),
        (LONG, "vectorized"),
        (LONG, None),
    ):
        choice = choose(make_job(data, **settings), recorded=recorded, agree=unasked)
        assert (choice.execution, choice.obstacle) == ("loop", True)
        assert choice.reason.endswith(
            "they train on 12 to 40 examples, further apart than a batch of 8"
        )


def test_repeats_may_differ_as_they_do_not_step_together() -> None:
    """12 and 12 examples in one, 40 and 40 in the other."""
    small, large = (make_trial_data(n=120, n_train=(n, n)) for n in (12, 40))
    later = [replace(fold, repeat=2) for fold in large.folds]
    data = replace(small, folds=(*small.folds, *later), fold_inputs=2 * small.fold_inputs)
    job = make_job(data, fold_execution="vectorized")
    assert choose(job).execution == "vectorized"


def test_a_trial_goes_on_as_it_began() -> None:
    """`auto` keeps to what a checkpoint or a row says; a file that asks does not."""
    job = make_job()
    assert choose(job, recorded="vectorized", agree=unasked) == BackendChoice(
        "vectorized", "as before"
    )
    asked = make_job(fold_execution="loop")
    assert choose(asked, recorded="vectorized", agree=unasked).execution == "loop"


def test_auto_asks_what_is_known_of_the_shape() -> None:
    """And takes it, whatever it would find itself."""
    keys: list[str] = []

    def agree(key: str, found: Any) -> BackendChoice:
        keys.append(key)
        return BackendChoice("vectorized", "measured", 2.0)

    assert choose(make_job(**LONG), agree=agree).execution == "vectorized"
    assert choose(make_job(lr=0.3, optimizer="sgd", **LONG), agree=agree).ratio == 2.0
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    "other",
    [make_job(batch_size=4, **LONG), make_job(make_trial_data(n_folds=3), **LONG),
     make_job(make_trial_data(input_shape=(6,)), **LONG), make_job(precision="bf16", **LONG)],
    ids=["batch size", "folds", "shape", "precision"],
)  # fmt: skip
def test_a_choice_holds_for_one_shape(other: Any) -> None:
    """Another batch size, number of folds or of weights is another question."""
    assert key_of(other) != key_of(make_job(**LONG))


def test_a_choice_holds_for_one_source() -> None:
    """What a changed `forward` does may not be seen in the model's shape."""
    assert key_of(make_job(**LONG), "edited") != key_of(make_job(**LONG))


def test_short_trials_and_convolutions_on_a_cpu_are_not_measured() -> None:
    """The first would pay more than they could gain; the second are known to be slower."""
    short = make_job(epochs=1, build=unasked)
    assert choose(short, agree=unasked) == BackendChoice("loop", "too short to measure")
    job = make_job(make_trial_data(input_shape=(2, 5)), build=small_net, **LONG)
    choice = choose(job, agree=unasked)
    assert choice.reason == "convolutions on a CPU are slower stacked"


def test_steps_are_those_of_the_fold_with_the_fewest() -> None:
    """Of 20 examples in batches of 8 an epoch has 3, 10 epochs 30; of 9, one is left out: 10."""
    data = make_trial_data(n_train=(21, 20))
    assert n_steps(make_job(data, epochs=10)) == 30
    cut = replace(data.folds[0], repeat=2, train=data.folds[0].train[:9])
    more = replace(data, folds=(*data.folds, cut), fold_inputs=(*data.fold_inputs, FoldInputs()))
    assert n_steps(make_job(more, epochs=10)) == 10


@pytest.mark.parametrize(("ratio", "name"), [(1.25, "vectorized"), (1.15, "loop"), (0.7, "loop")])
def test_the_batched_model_has_to_be_worth_it(
    monkeypatch: pytest.MonkeyPatch, ratio: float, name: str
) -> None:
    """By a fifth: what is closer would be decided by the moment."""
    monkeypatch.setattr(selection, "measure", lambda runs: ratio)
    assert find(make_job(**LONG)) == BackendChoice(name, "measured", ratio)


def test_measuring_takes_a_few_steps_of_both() -> None:
    """One to warm up and those that count, of each."""
    calls: list[str] = []

    class Counted(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            calls.append("forward")
            return self.model(inputs)

    job = make_job(build=lambda **given: Counted(build_linear(**given)))
    assert measure(start_folds(job)) > 0
    assert (
        len(calls) == 2 * (1 + ROUNDS) + 2
    )  # the loop's; the batched model is recorded, after one look


def test_a_row_says_how_its_folds_were_trained() -> None:
    """The choice, not the wish."""
    from tests.builders import make_trial_job, run_unwatched

    for name in ("loop", "vectorized"):
        job = make_trial_job(training={"fold_execution": name})
        assert run_unwatched(job).rows.trial["fold_execution"] == name
