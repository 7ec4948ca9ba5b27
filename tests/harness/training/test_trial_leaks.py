"""A trial is alone: what it changes in its process or in shared data is seen and put back."""

import builtins
import importlib
import math
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import DefaultDeviceType, checkpoint

from harness.training import trial_leaks
from harness.training.batches import as_tensor
from harness.training.process_state import process_state, restore_process, what_changed
from harness.training.trial import TrialResult, run_trial
from tests.builders import build_linear, make_trial_data, make_trial_job, run_unwatched

optimizers = importlib.import_module("torch.optim.optimizer")


class Halved(TorchFunctionMode):
    """Halves whatever a linear layer gives."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        result = function(*args, **(kwargs or {}))
        return result / 2 if function is F.linear else result


class Passing(TorchDispatchMode):
    """Changes nothing, at a price."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        return function(*args, **(kwargs or {}))


def short_step(self: Any, closure: Any = None) -> None:
    """Does nothing."""


def other_init(self: Any, parameters: Any, *given: Any, **named: Any) -> None:
    """Adam with a rate of its own."""
    torch.optim.Optimizer.__init__(self, parameters, {"lr": 1e-9, "betas": (0.9, 0.999)})


def doubled(x: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
    """Twice the input."""
    return x * 2


def default_of_dropout() -> None:
    F.dropout.__defaults__ = (0.9, True, False)


def code_of_relu() -> None:
    F.relu.__code__ = doubled.__code__


KEPT: list[Any] = []


def enter(mode: Any) -> None:
    KEPT.append(mode)  # until the end, as a model's own file would
    mode.__enter__()


DIRTY: dict[str, Callable[[], Any]] = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "inference mode": lambda: enter(torch.inference_mode()),
    "autocast": lambda: enter(torch.autocast("cpu", dtype=torch.bfloat16)),
    "autocast dtype": lambda: torch.set_autocast_dtype("cpu", torch.float16),
    "autocast cache": lambda: torch.set_autocast_cache_enabled(
        not torch.is_autocast_cache_enabled()
    ),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "precision": lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "mkldnn": lambda: torch._C._set_mkldnn_enabled(False),
    "cudnn benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "attention kernels": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "threads": lambda: torch.set_num_threads(3),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "flushed small numbers": lambda: torch.set_flush_denormal(True),
    "saved tensor hooks": lambda: enter(
        torch.autograd.graph.saved_tensors_hooks(lambda x: x * 2, lambda x: x)
    ),
    "torch function mode": lambda: enter(Halved()),
    "torch dispatch mode": lambda: enter(Passing()),
    "forward hook": lambda: nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: output * 0.9
    ),
    "forward pre-hook": lambda: nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: (inputs[0] * 0.9,)
    ),
    "backward hook": lambda: nn.modules.module.register_module_full_backward_hook(
        lambda module, inputs, outputs: tuple(one if one is None else one * 0 for one in inputs)
    ),
    "parameter hook": lambda: nn.modules.module.register_module_parameter_registration_hook(
        lambda module, name, parameter: nn.Parameter(torch.zeros_like(parameter))
    ),
    "optimizer hook": lambda: optimizers.register_optimizer_step_pre_hook(
        lambda optimizer, given, named: optimizer.param_groups[0].update(lr=0.0)
    ),
    "Adam's __init__": lambda: setattr(torch.optim.Adam, "__init__", other_init),
    "Adam's step": lambda: setattr(torch.optim.Adam, "step", short_step),
    "Adam": lambda: setattr(torch.optim, "Adam", torch.optim.SGD),
    "a layer's forward": lambda: setattr(nn.Linear, "forward", lambda self, x: doubled(x)),
    "a layer's new method": lambda: setattr(nn.Linear, "__call__", lambda self, x: x),
    "a layer": lambda: setattr(nn, "Linear", nn.Identity),
    "an initialiser": lambda: setattr(nn.init, "kaiming_uniform_", nn.init.zeros_),
    "a function": lambda: setattr(F, "linear", doubled),
    "a function's default": default_of_dropout,
    "a function's code": code_of_relu,
    "the loss": lambda: setattr(F, "cross_entropy", F.l1_loss),
    "torch's function": lambda: setattr(torch, "manual_seed", lambda seed: None),
    "a tensor's method": lambda: setattr(torch.Tensor, "flatten", lambda self, *given: self),
    "autograd": lambda: setattr(torch.autograd, "backward", lambda *given, **named: None),
    "builtins": lambda: setattr(builtins, "max", min),
    "math": lambda: setattr(math, "sqrt", abs),
    "random": lambda: setattr(random, "seed", lambda *given: None),
    "numpy": lambda: setattr(np, "unique", np.sort),
    "numpy's seed": lambda: setattr(np.random, "seed", lambda *given: None),
    "numpy's generator": lambda: np.random.set_bit_generator(np.random.MT19937(1)),
    "numpy's errors": lambda: np.seterr(all="raise"),
    "a module": lambda: sys.modules.__setitem__("torch.nn.functional", math),
    "the harness": lambda: setattr(
        sys.modules["harness.training.evaluate"], "evaluate", lambda *given, **named: None
    ),
}
QUIETLY: dict[str, Callable[[], Any]] = {
    "environment": lambda: os.environ.update(BENCH_TEST="1"),
    "working directory": lambda: os.chdir("/"),
    "sys.path": lambda: sys.path.insert(0, "/nowhere"),
    "warnings": lambda: warnings.simplefilter("error"),
}
DATA = make_trial_data()


@pytest.fixture(autouse=True)
def tidied() -> Iterator[None]:
    """A failed test leaves the process as it was, too."""
    before = process_state()
    yield
    restore_process(before)
    KEPT.clear()


def clean() -> TrialResult:
    """What the trials around it must give, to the bit."""
    return run_unwatched(make_trial_job(model={"dropout": 0.1}), DATA)


def numbers(result: TrialResult) -> list[Any]:
    assert result.rows.trial["status"] == "complete", result.rows.trial["error"]
    epochs = [(row["train_loss"], row["val_loss"]) for row in result.rows.epochs]
    return [*epochs, *(block.probabilities.tolist() for block in result.rows.predictions)]


def trial_that(act: Callable[[], Any]) -> TrialResult:
    """A trial whose model's `build` does something to the process, once."""
    left = [act]

    def build(**arguments: Any) -> nn.Module:
        model = build_linear(**arguments)
        if left:
            left.pop()()
        return model

    return run_unwatched(make_trial_job(), DATA, build)


@pytest.mark.parametrize("act", DIRTY.values(), ids=DIRTY)
def test_what_a_trial_changes_is_a_finding_and_reaches_no_other(act: Callable[[], Any]) -> None:
    """Whether it completes or fails; the trial before and the one after agree to the bit."""
    first = numbers(clean())
    dirty = trial_that(act)

    assert "changed_process:" in dirty.rows.trial["findings"]
    assert dirty.changed
    assert numbers(clean()) == first


@pytest.mark.parametrize(
    "array",
    [DATA.inputs[0], DATA.targets, DATA.folds[0].train],
    ids=["inputs", "targets", "indices"],
)
def test_a_trial_that_writes_into_shared_data_fails_and_spoils_no_other(array: Any) -> None:
    """NumPy's read-only flag does not stop a tensor; the array is put back."""
    first = numbers(clean())
    dirty = trial_that(lambda: as_tensor(array).fill_(1))

    assert dirty.rows.trial["status"] == "failed"
    assert "wrote into data that all trials share" in dirty.rows.trial["error"]
    assert "changed_process:shared" in dirty.rows.trial["findings"]
    assert not dirty.rows.predictions
    assert numbers(clean()) == first


@pytest.mark.parametrize("act", QUIETLY.values(), ids=QUIETLY)
def test_surroundings_are_put_back_without_a_word(act: Callable[[], Any]) -> None:
    """They reach no number once they are as before."""
    before = (dict(os.environ), os.getcwd(), [*sys.path], [*warnings.filters])
    dirty = trial_that(act)

    assert dirty.changed == ()
    assert (dict(os.environ), os.getcwd(), [*sys.path], [*warnings.filters]) == before


def test_a_trial_that_changes_nothing_has_no_finding() -> None:
    """Nor has one whose optimizer is the first of its kind, which torch then wraps."""
    for optimizer in ("adam", "adamw", "sgd"):
        result = run_unwatched(make_trial_job(training={"optimizer": optimizer}), DATA)
        assert (result.changed, result.rows.trial["findings"]) == ((), "")


def test_what_torch_notes_of_itself_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first checkpoint of activations in a process keeps the device it was on."""
    monkeypatch.setattr(DefaultDeviceType, "_default_device_type", None)
    before = process_state()
    layer = nn.Linear(2, 2)
    checkpoint(layer, torch.ones(1, 2, requires_grad=True), use_reentrant=False).sum().backward()
    assert DefaultDeviceType.get_device_type()
    assert what_changed(before) == ()


def test_what_torch_replaces_to_compile_is_no_finding() -> None:
    """It wraps functions of optimizers and modules once, for as long as the process lives."""
    from torch._dynamo.eval_frame import TorchPatcher
    from torch._dynamo.mutation_guard import install_generation_tagging_init

    before = process_state()
    TorchPatcher.patch()
    install_generation_tagging_init()

    assert what_changed(before) == ()


def test_a_trial_that_is_stopped_leaves_nothing() -> None:
    """As one that a scheduler ends between two epochs."""
    clean()
    before = process_state()

    def stop(rows: Any, objective: float) -> None:
        torch.set_default_dtype(torch.float64)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(make_trial_job(), DATA, build=build_linear, on_epoch=stop)

    assert what_changed(before) == ()


def test_what_changed_is_named_with_its_values() -> None:
    """As a person would look for it."""
    before = process_state()
    torch.set_default_dtype(torch.float64)
    F.relu = doubled

    assert what_changed(before) == (
        "default dtype (torch.float32 -> torch.float64)",
        "torch.nn.functional.relu",
    )
    restore_process(before)
    assert what_changed(before) == ()


def test_an_operator_that_a_model_replaces_needs_a_new_process() -> None:
    """It can't be put back, so it is named as long as it is there."""
    before = process_state()
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library.impl("erfinv", doubled, "CPU")
    try:
        assert what_changed(before)[0].startswith("operators replaced by torch.library")
    finally:
        library._destroy()


def test_a_thread_of_a_models_own_code_is_named() -> None:
    """It goes on with whatever it does."""
    before = process_state()
    done = threading.Event()

    def work() -> None:
        done.wait(10)

    work.__module__ = "bench_model_mine_0123456789ab"
    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert [one.split(" that")[0] for one in what_changed(before)] == ["a thread"]
    finally:
        done.set()
        thread.join()


def test_small_arrays_are_put_back() -> None:
    """Every byte of them."""
    data = make_trial_data()
    known, before = trial_leaks.shared_arrays(data), data.inputs[0].copy()
    as_tensor(data.inputs[0])[3].zero_()

    assert known.restore() == ("inputs 0",)
    assert (data.inputs[0] == before).all()
    assert known.restore() == ()


def test_large_arrays_are_known_by_a_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """That they changed is seen; what they were is not known."""
    monkeypatch.setattr(trial_leaks, "COPIED_BYTES", 100)
    monkeypatch.setattr(trial_leaks, "_PIECE_BYTES", 64)
    data = make_trial_data(seed=1)
    known = trial_leaks.shared_arrays(data)
    assert known.restore() == ()
    as_tensor(data.targets)[-1] += 1

    assert known.restore() == ("targets",)
    assert known.restore() == ("targets",)
