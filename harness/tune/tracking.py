"""Curves where people already watch them: Ray Tune's own callbacks, told what is worth watching.

Tune itself sees an index and a fold mean. What its callbacks for TensorBoard, MLflow and Weights &
Biases are given here is a trial under its trial id, with the configuration's parameters, a point
for every epoch and the scores at the end.
"""

import importlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.result import TRAINING_ITERATION

from harness.errors import BenchError

FOLDER = "tracking"
FINAL = "final/"

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Tracking:
    """Where the curves of a run go.

    names: of the services. folder: `results/<benchmark>/tracking/`. params: trial id -> searched
    values, in the order of Tune's indices.
    """

    names: tuple[str, ...]
    folder: Path
    benchmark: str
    run_id: str
    params: Mapping[str, Params]


@dataclass(frozen=True, eq=False)
class ShownTrial:
    """What Ray's callbacks read of a trial, under the names that they read."""

    trial_id: str
    config: Params
    local_path: str
    experiment_dir_name: str

    def __str__(self) -> str:
        return self.trial_id

    @property
    def evaluated_params(self) -> Params:
        """The configuration, for TensorBoard's table of hyper-parameters."""
        return self.config

    def init_local_path(self) -> None:
        """The folder of TensorBoard's events."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)


@dataclass
class _Relay:
    """One of Ray's callbacks, and the trials that it was told of and has not ended."""

    name: str
    callback: Any
    open: set[ShownTrial] = field(default_factory=set)


class TrackingCallback(tune.Callback):  # type: ignore[misc]
    """Passes on to Ray's callbacks; one that fails is left out from then on, the sweep goes on."""

    def __init__(self, tracking: Tracking, relays: Sequence[_Relay], say: Callable[[str], None]):
        self._relays, self._say = list(relays), say
        self._tracking = tracking
        self._trials = [_shown(tracking, one, params) for one, params in tracking.params.items()]
        self._begun: set[ShownTrial] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process

    def join(self, trial_id: str, params: Params) -> None:
        """A trial that was drawn since; its index is the next one."""
        self._trials.append(_shown(self._tracking, trial_id, params))

    def on_trial_start(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        shown = self._trials[trial.config["index"]]
        if shown not in self._begun:
            shutil.rmtree(shown.local_path, ignore_errors=True)  # as its old rows are replaced
            self._begun.add(shown)
        shown.init_local_path()
        for relay in tuple(self._relays):
            self._pass(relay, relay.callback.log_trial_start, shown)
            relay.open.add(shown)

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: Any, **info: Any
    ) -> None:
        shown = self._trials[trial.config["index"]]
        for relay in tuple(self._relays):
            for point in points(result):
                self._pass(relay, relay.callback.log_trial_result, iteration, shown, point)
            if "status" in result and result["status"] != "running":
                self._end(relay, shown, failed=result["status"] == "failed")

    def on_trial_error(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        for relay in tuple(self._relays):
            self._end(relay, self._trials[trial.config["index"]], failed=True)

    def on_experiment_end(self, trials: Sequence[Any], **info: Any) -> None:
        """Closes what an interruption has left open."""
        for relay in tuple(self._relays):
            for shown in tuple(relay.open):
                self._end(relay, shown, failed=True)
            self._pass(relay, relay.callback.on_experiment_end, trials)

    def _end(self, relay: _Relay, shown: ShownTrial, *, failed: bool) -> None:
        if shown in relay.open:
            relay.open.discard(shown)
            self._pass(relay, relay.callback.log_trial_end, shown, failed)

    def _pass(self, relay: _Relay, call: Callable[..., Any], *arguments: Any) -> None:
        if relay not in self._relays:
            return
        try:
            call(*arguments)
        except Exception as error:  # the tables are the truth; these are for watching
            self._relays.remove(relay)
            self._say(f"{relay.name} takes no more curves: {type(error).__name__}: {error}")


def open_tracking(tracking: Tracking, say: Callable[[str], None]) -> TrackingCallback:
    """Connects to the services; what takes part in the sweep, outside which nothing is logged.

    say: gets a line when one of them fails later. Raises BenchError where one can't be reached,
    such as Weights & Biases without a login.
    """
    tracking.folder.mkdir(parents=True, exist_ok=True)
    relays = []
    for name in tracking.names:
        try:
            callback = OPENERS[name](tracking)
            callback.setup()
        except Exception as error:
            raise BenchError(f"tracking: {name}: {error}") from error
        relays.append(_Relay(name, callback))
    return TrackingCallback(tracking, relays, say)


def epoch_point(rows: Sequence[Mapping[str, Any]], objective: float) -> dict[str, Any]:
    """One epoch of a trial, from its rows of the folds that still train.

    objective: the mean over all folds, which prunes and ranks. Other values are means over rows;
    those that some row lacks are left out.
    """
    names = [name for name in rows[0] if name.startswith(("train_", "val_")) or name == "lr"]
    values = {name: [row[name] for row in rows] for name in names}
    means = {name: sum(found) / len(found) for name, found in values.items() if None not in found}
    return {"epoch": rows[0]["epoch"], "objective": objective, **means}


def final_point(trial: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of a row of `trials`: of the chosen weights, means over folds and repeats."""
    scores = {name.removesuffix("_mean"): value for name, value in trial.items()
              if name.endswith("_mean") and value is not None}  # fmt: skip
    costs = {name: trial.get(name) for name in ("n_parameters", "fit_time_s")}
    kept = {**scores, **{name: value for name, value in costs.items() if value is not None}}
    return {FINAL + name: value for name, value in kept.items()}


def points(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a report of the trainable holds for the services, epoch by epoch, then the scores."""
    found = [{**one, TRAINING_ITERATION: one["epoch"]} for one in result.get("curve", ())]
    final = result.get("final")
    if final:
        found.append({**final, TRAINING_ITERATION: result["epochs_trained"]})
    return found


def _tensorboard(tracking: Tracking) -> Any:
    return importlib.import_module("ray.tune.logger").TBXLoggerCallback()


def _mlflow(tracking: Tracking) -> Any:
    """The server that the user's environment names; else a SQLite file below the results."""
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # its tables are its own business
    local = f"sqlite:///{tracking.folder / 'mlflow.db'}"
    uri = os.environ.get("MLFLOW_TRACKING_URI", local)
    mlflow.set_tracking_uri(uri)
    if uri == local and mlflow.get_experiment_by_name(tracking.benchmark) is None:
        files = (tracking.folder / "mlflow").as_uri()  # else `mlruns` in the working directory
        mlflow.create_experiment(tracking.benchmark, artifact_location=files)
    integration = importlib.import_module("ray.air.integrations.mlflow")
    return integration.MLflowLoggerCallback(
        tracking_uri=uri,
        experiment_name=tracking.benchmark,
        tags={"benchmark": tracking.benchmark, "run_id": tracking.run_id},
    )


def _wandb(tracking: Tracking) -> Any:
    """The project that the user's environment names; else the benchmark's name."""
    integration = importlib.import_module("ray.air.integrations.wandb")
    return integration.WandbLoggerCallback(
        project=os.environ.get("WANDB_PROJECT", tracking.benchmark),
        group=tracking.run_id,
        dir=str(tracking.folder),
    )


OPENERS: Mapping[str, Callable[[Tracking], Any]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


def _shown(tracking: Tracking, trial_id: str, params: Params) -> ShownTrial:
    config = {name: _plain(value) for name, value in params.items()}
    folder = tracking.folder / "tensorboard" / trial_id
    return ShownTrial(trial_id, config, str(folder), tracking.run_id)


def _plain(value: Any) -> Any:
    """A number or a text; TensorBoard and MLflow know no others."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
