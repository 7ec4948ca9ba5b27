"""From planned trials to jobs: what a worker needs to train one and to write its rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.engine.identity import canonical_json
from harness.engine.model_checks import model_key
from harness.engine.plan import Plan, PlannedTrial
from harness.metrics import METRICS
from harness.results.provenance import git_commit, versions
from harness.results.table_reader import fold_rows
from harness.results.tables import PARAMS
from harness.results.trial_config import param_value
from harness.training.trial_rows import Initial, TrialJob

if TYPE_CHECKING:
    from harness.training.model_summary import ModelCounts


@dataclass(frozen=True)
class Provenance:
    """What every row of a run says of its origin, read once. versions: JSON text."""

    git_commit: str | None
    versions: str


def provenance_of(folder: Path) -> Provenance:
    """Return the commit of the folder that the run was started in, and the installed versions."""
    return Provenance(git_commit(folder), canonical_json(versions()))


def job_maker(
    plan: Plan,
    run_id: str,
    *,
    columns: Sequence[str],
    counts: "Mapping[str, ModelCounts]",
    initial: Mapping[str, Initial],
) -> Callable[[PlannedTrial], TrialJob]:
    """Return a function that makes the jobs of planned trials.

    Args:
        plan: The plan.
        run_id: Of the run.
        columns: Of the `trials` table.
        counts: By model key.
        initial: What trials start from, by start key.
    """
    paths = [name.removeprefix(PARAMS) for name in columns if name.startswith(PARAMS)]
    provenance = provenance_of(Path.cwd())
    repeated = [trial.trial_id for trial in plan.missing if trial.kept_repeats]
    previous = fold_rows(plan.folder, repeated) if repeated else {}

    def make(trial: PlannedTrial) -> TrialJob:
        return trial_job(
            plan,
            trial,
            run_id=run_id,
            param_paths=paths,
            device="cpu",  # the sweep knows better once Ray says what there is
            previous_folds=previous.get(trial.trial_id, ()),
            provenance=provenance,
            counts=counts.get(model_key(trial.resolved)),
            initial=initial.get(trial.start_key or ""),
        )

    return make


def trial_job(
    plan: Plan,
    trial: PlannedTrial,
    *,
    run_id: str,
    param_paths: Sequence[str],
    device: str,
    previous_folds: Sequence[Mapping[str, Any]],
    provenance: Provenance,
    counts: "ModelCounts | None",
    initial: Initial | None = None,
) -> TrialJob:
    """Return the job of one missing trial.

    Args:
        plan: The plan that it is of.
        trial: The trial.
        run_id: Of the run.
        param_paths: Every path that the tables have a column for, searched now or earlier.
        device: That it trains on.
        previous_folds: Rows of the `folds` table of repeats that are done.
        provenance: Of the run.
        counts: Of the model, None where the worker must count.
        initial: What it starts from; None for random weights.
    """
    spec, resolved = plan.spec, trial.resolved
    return TrialJob(
        benchmark=spec.name,
        run_id=run_id,
        trial_id=trial.trial_id,
        variant=resolved.variant,
        params={path: param_value(resolved.config, path) for path in param_paths},
        config=dict(resolved.config),
        model=resolved.model,
        data_key=trial.data_key,
        metrics=tuple(spec.metrics),
        objective=spec.objective.metric,
        mode=METRICS[spec.objective.metric].mode,
        repeats=trial.repeats,
        previous_folds=tuple(dict(row) for row in previous_folds),
        resources_cpu=spec.resources.cpu,
        device=device,
        keep_predictions=spec.predictions == "all",
        data_fingerprint=trial.data_fingerprint,
        code_fingerprint=trial.code_fingerprint,
        git_commit=provenance.git_commit,
        versions=provenance.versions,
        attempt=trial.attempt,
        counts=counts,
        diagnostics=spec.diagnostics,
        initial=initial,
        start_key=trial.start_key,
        execution=trial.fold_execution,
        complete_before=trial.status == "complete",
    )
