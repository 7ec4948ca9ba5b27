"""Curves where people already watch them, through Ray Tune's own callbacks.

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

from ray.tune.result import TRAINING_ITERATION

from harness.errors import BenchError

FOLDER = "tracking"
FINAL = "final/"  # prefix of the scores, which are no points of a curve

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Tracking:
    """Where the curves of a run go.

    Attributes:
        names: Of the services.
        folder: `results/<benchmark>/tracking/`.
        benchmark: Its name.
        run_id: Of the run.
        params: Trial id -> searched values.
    """

    names: tuple[str, ...]
    folder: Path
    benchmark: str
    run_id: str
    params: Mapping[str, Params]


@dataclass(frozen=True, eq=False)
class LoggedTrial:
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
        """Make the folder of TensorBoard's events."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)


@dataclass
class _Logger:
    """One of Ray's callbacks, and the trials that began there and have not ended."""

    name: str
    callback: Any
    open: set[LoggedTrial] = field(default_factory=set)


class Tracker:
    """Passes curves on to Ray's callbacks; one that fails is left out, and the sweep continues."""

    def __init__(
        self, tracking: Tracking, loggers: Sequence[_Logger], on_note: Callable[[str], None]
    ) -> None:
        """Know the trials of `tracking.params`.

        Args:
            tracking: Where the curves go.
            loggers: Ray's callbacks.
            on_note: Receives a line when one of them fails.
        """
        self._loggers, self._on_note = list(loggers), on_note
        self._tracking = tracking
        self._trials = {
            trial_id: _logged(tracking, trial_id, params)
            for trial_id, params in tracking.params.items()
        }
        self._begun: set[LoggedTrial] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its tuner, and open connections stay in this process."""
        return {}

    def add(self, trial_id: str, params: Params) -> None:
        """Take a trial that was drawn since."""
        self._trials[trial_id] = _logged(self._tracking, trial_id, params)

    def started(self, trial_id: str) -> None:
        """Log that a trial begins, perhaps once more."""
        trial = self._trials[trial_id]
        if trial not in self._begun:
            shutil.rmtree(trial.local_path, ignore_errors=True)  # as its old rows are replaced
            self._begun.add(trial)
        trial.init_local_path()
        for logger in tuple(self._loggers):
            self._call(logger, logger.callback.log_trial_start, trial)
            logger.open.add(trial)

    def reported(self, trial_id: str, result: Mapping[str, Any], *, iteration: int) -> None:
        """Log what a worker reported.

        Args:
            trial_id: Of the trial.
            result: See `harness.tune.trainable`.
            iteration: Of Tune's loop.
        """
        trial = self._trials[trial_id]
        for logger in tuple(self._loggers):
            for point in points(result):
                self._call(logger, logger.callback.log_trial_result, iteration, trial, point)
            if "status" in result and result["status"] != "running":
                self._end(logger, trial, failed=result["status"] == "failed")

    def crashed(self, trial_id: str) -> None:
        """Log that a trial's worker died."""
        for logger in tuple(self._loggers):
            self._end(logger, self._trials[trial_id], failed=True)

    def ended(self, tune_trials: Sequence[Any]) -> None:
        """Close what an interruption has left open.

        Args:
            tune_trials: Tune's own, which the callbacks expect.
        """
        for logger in tuple(self._loggers):
            for trial in tuple(logger.open):
                self._end(logger, trial, failed=True)
            self._call(logger, logger.callback.on_experiment_end, tune_trials)

    def _end(self, logger: _Logger, trial: LoggedTrial, *, failed: bool) -> None:
        if trial in logger.open:
            logger.open.discard(trial)
            self._call(logger, logger.callback.log_trial_end, trial, failed)

    def _call(self, logger: _Logger, call: Callable[..., Any], *arguments: Any) -> None:
        if logger not in self._loggers:
            return
        try:
            call(*arguments)
        except Exception as error:  # the tables are the truth; these are for watching
            self._loggers.remove(logger)
            self._on_note(f"{logger.name} takes no more curves: {type(error).__name__}: {error}")


def open_tracking(tracking: Tracking, on_note: Callable[[str], None]) -> Tracker:
    """Connect to the services; nothing is logged but what the sweep passes on.

    Args:
        tracking: Which services, and where their curves go.
        on_note: Receives a line when one of them fails later.

    Raises:
        BenchError: One can't be reached, such as Weights & Biases without a login.
    """
    tracking.folder.mkdir(parents=True, exist_ok=True)
    loggers = []
    for name in tracking.names:
        try:
            callback = OPENERS[name](tracking)
            callback.setup()
        except Exception as error:
            raise BenchError(f"tracking: {name}: {error}") from error
        loggers.append(_Logger(name, callback))
    return Tracker(tracking, loggers, on_note)


def epoch_point(rows: Sequence[Mapping[str, Any]], objective: float) -> dict[str, Any]:
    """Return one epoch of a trial as the services get it; values that some row lacks are left out.

    Args:
        rows: Of the folds that still train, over which the values are means.
        objective: The mean over all folds, which prunes and ranks.
    """
    names = [name for name in rows[0] if name.startswith(("train_", "val_")) or name == "lr"]
    values = {name: [row[name] for row in rows] for name in names}
    means = {
        name: sum(column) / len(column) for name, column in values.items() if None not in column
    }
    return {"epoch": rows[0]["epoch"], "objective": objective, **means}


def final_point(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of a row of `trials`: of the chosen weights, means over all folds."""
    scores = {
        name.removesuffix("_mean"): value
        for name, value in trial.items()
        if name.endswith("_mean") and value is not None
    }
    costs = {name: trial.get(name) for name in ("n_parameters", "fit_time_s")}
    kept = {**scores, **{name: value for name, value in costs.items() if value is not None}}
    return {FINAL + name: value for name, value in kept.items()}


def points(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a report of the trainable holds for the services: epochs, then the scores."""
    curve = [{**epoch, TRAINING_ITERATION: epoch["epoch"]} for epoch in result.get("curve", ())]
    final = result.get("final")
    if final:
        curve.append({**final, TRAINING_ITERATION: result["epochs_trained"]})
    return curve


def _tensorboard(tracking: Tracking) -> Any:
    return importlib.import_module("ray.tune.logger").TBXLoggerCallback()


def _mlflow(tracking: Tracking) -> Any:
    """Use the server that the user's environment names; else a SQLite file below the results."""
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
    """Use the project that the user's environment names; else the benchmark's name."""
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


def _logged(tracking: Tracking, trial_id: str, params: Params) -> LoggedTrial:
    config = {name: _plain(value) for name, value in params.items()}
    folder = tracking.folder / "tensorboard" / trial_id
    return LoggedTrial(trial_id, config, str(folder), tracking.run_id)


def _plain(value: Any) -> Any:
    """Return a number or a text; TensorBoard and MLflow know no others."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
