"""From a planned trial to what a worker of this run takes: its job, its data, its model's file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.engine.jobs import data_key, provenance_of, trial_job
from harness.engine.model_checks import model_key
from harness.engine.plan import Plan, PlannedTrial
from harness.engine.pretrained_weights import Starts, start_key
from harness.results.table_reader import fold_rows
from harness.results.tables import PARAMS
from harness.training.model_summary import ModelCounts
from harness.tune.trainable import SweepTrial


def maker(
    plan: Plan,
    run_id: str,
    *,
    schemas: Mapping[str, Any],
    counts: Mapping[str, ModelCounts],
    starts: Starts,
) -> Callable[[PlannedTrial], SweepTrial]:
    """Makes trials of the plan into those of a sweep. counts: by model key."""
    columns = schemas["trials"].names
    paths = [name.removeprefix(PARAMS) for name in columns if name.startswith(PARAMS)]
    provenance = provenance_of(Path.cwd())
    repeated = [trial.trial_id for trial in plan.missing if kept_repeats(trial)]
    previous = fold_rows(plan.folder, repeated) if repeated else {}

    def make(trial: PlannedTrial) -> SweepTrial:
        return SweepTrial(
            trial_job(
                plan,
                trial,
                run_id=run_id,
                param_paths=paths,
                device="cpu",  # the sweep knows better once Ray says what there is
                previous_folds=previous.get(trial.trial_id, ()),
                provenance=provenance,
                counts=counts.get(model_key(trial.resolved)),
                initial=starts.initial.get(start_key(trial) or ""),
            ),
            data_key(trial),
            trial.resolved.model,
            complete_before=trial.status == "complete",
            start_key=start_key(trial),
        )

    return make


def kept_repeats(trial: PlannedTrial) -> tuple[int, ...]:
    """The repeats whose old rows stay: those before the first one to train."""
    return tuple(range(1, trial.repeats[0]))
