"""From planned trials to jobs: what a worker needs to train one and to write its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from harness.config.sections import DatasetSection, Training
from harness.engine.identity import canonical_json
from harness.engine.plan import Plan, PlannedTrial
from harness.metrics import METRICS
from harness.plugins import catalog
from harness.results.column_types import param_type
from harness.results.provenance import git_commit, versions
from harness.results.schema_migration import fill_metrics, is_wide_enough, widen
from harness.results.tables import table_schemas
from harness.results.trial_config import param_value
from harness.training.trial import TrialJob
from harness.training.trial_rows import Initial

if TYPE_CHECKING:
    from harness.training.model_summary import ModelCounts


@dataclass(frozen=True)
class Provenance:
    """What every row of a run says of its origin, read once. versions: JSON text."""

    git_commit: str | None
    versions: str


def provenance_of(folder: Path) -> Provenance:
    """The commit of the folder that the run was started in, and the installed versions."""
    return Provenance(git_commit(folder), canonical_json(versions()))


def run_schemas(plan: Plan) -> dict[str, pa.Schema]:
    """The tables' schemas as this plan alone needs them; types come from the file's domain."""
    values: dict[str, list[Any]] = {}
    annotations: dict[str, object] = {}
    for trial in (*plan.trials, *(plan.draws.corners if plan.draws else ())):
        for path, value in trial.resolved.params.items():
            values.setdefault(path, []).append(value)
            if path not in annotations:
                annotations[path] = _annotation(trial, path)
    params = {path: param_type(values[path], annotations[path]) for path in values}
    spec = plan.spec
    return table_schemas(metrics=spec.metrics, objective=spec.objective.metric, params=params)


def tables_fit(plan: Plan) -> bool:
    """Whether the tables have every column that this plan asks for."""
    return is_wide_enough(plan.folder, run_schemas(plan))


def fit_tables(plan: Plan) -> tuple[dict[str, pa.Schema], list[str]]:
    """Widens the tables to what the plan asks for and fills metrics that are new.

    The caller holds the folder. Returns the schemas of new parts, and what a user should know.
    """
    schemas = widen(plan.folder, run_schemas(plan))
    return schemas, fill_metrics(plan.folder, plan.spec.metrics).lines()


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
    """The job of one missing trial.

    param_paths: every path that the tables have a column for, searched now or earlier.
    previous_folds: rows of the `folds` table of repeats that are done.
    counts: of the model, None where the worker must count. initial: what it starts from.
    """
    spec, one = plan.spec, trial.resolved
    return TrialJob(
        benchmark=spec.name,
        run_id=run_id,
        trial_id=trial.trial_id,
        variant=one.variant,
        params={path: param_value(one.config, path) for path in param_paths},
        config=dict(one.config),
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
        execution=trial.fold_execution,
    )


def data_key(trial: PlannedTrial) -> str:
    """Equal for trials that train on the same examples and folds."""
    return canonical_json([trial.resolved.config["dataset"], trial.data_fingerprint])


def _annotation(trial: PlannedTrial, path: str) -> object:
    section, key = path.split(".", 1)
    if section == "training":
        return Training.model_fields[key].annotation
    if section == "dataset" and key in DatasetSection.model_fields:
        return DatasetSection.model_fields[key].annotation
    entry = trial.resolved.model if section == "model" else trial.resolved.dataset
    argument = catalog.signature(entry).arguments.get(key)
    return argument.annotation if argument else str
