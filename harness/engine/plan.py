"""The trials a run stands for: which are done, which are missing, and why each is new."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from harness.config.benchmark import BenchmarkSpec
from harness.engine.adaptive_sampling import Draws, Identify, find_draws
from harness.engine.identity import canonical_json, comparable, trial_id
from harness.engine.resolve import Resolved, resolve
from harness.errors import BenchError
from harness.plugins import catalog
from harness.results.integrity import lost_reason
from harness.results.table_reader import DoneTrial, done_trials
from harness.sanitize import printable

State = Literal["done", "missing"]
Fingerprint = Callable[[Resolved], str]


@dataclass(frozen=True)
class PlannedTrial:
    """One configuration with its identity and what the tables already hold of it.

    repeats: the repeats to train now, counted from 1; empty where the trial is done.
    reason: why it is missing, in words; empty where it is done.
    status: of the row in the tables; None without one. attempt: how often it was tried before.
    whole: it is trained to its end, whatever a scheduler says.
    fold_execution: how its folds were trained before; None where no row says.
    """

    resolved: Resolved
    trial_id: str
    data_fingerprint: str
    code_fingerprint: str
    repeats: tuple[int, ...]
    reason: str
    status: str | None = None
    attempt: int = 0
    whole: bool = False
    fold_execution: str | None = None

    @property
    def state(self) -> State:
        """`missing` where something of it is still to be trained."""
        return "missing" if self.repeats else "done"


@dataclass(frozen=True)
class Plan:
    """All trials of one call of `bench run`, in the order of the file.

    draws: what is drawn while the sweep runs, beside `trials`; None unless the file asks for it.
    """

    spec: BenchmarkSpec
    folder: Path
    trials: tuple[PlannedTrial, ...]
    hidden: tuple[str, ...]
    draws: Draws | None = None

    @property
    def missing(self) -> tuple[PlannedTrial, ...]:
        """The trials that have something left to train."""
        return tuple(trial for trial in self.trials if trial.repeats)

    @property
    def to_draw(self) -> int:
        """How many trials are still to be drawn."""
        return self.draws.left if self.draws else 0

    def grown(self, drawn: Sequence[PlannedTrial]) -> "Plan":
        """With the trials that were drawn since."""
        if self.draws is None:
            return self
        left = replace(self.draws, left=self.draws.left - len(drawn))
        return replace(self, trials=(*self.trials, *drawn), draws=left)

    @property
    def ahead(self) -> tuple[PlannedTrial, ...]:
        """What must be ready before anything trains: the missing, and what stands for draws."""
        return (*self.missing, *(self.draws.corners if self.draws and self.draws.left else ()))


def make_plan(
    spec: BenchmarkSpec,
    folder: Path,
    *,
    data_fingerprint: Fingerprint,
    force: bool = False,
    retry_failed: bool = False,
    finish_pruned: bool = False,
    limit: int | None = None,
    root: Path | None = None,
) -> Plan:
    """The plan of a benchmark against what `folder` (its results) already holds.

    data_fingerprint: of a configuration's dataset, read from its raw files.
    limit: at most so many missing trials stay missing, in plan order; the rest are left out.
    root: of raw data, for datasets that are described by what lies there.
    Raises SpecError for the file's mistakes and BenchError for data that is not there.
    """
    done = done_trials(folder)
    history = _History(tuple(done.values()))
    identify = _identifier(data_fingerprint, done)
    configurations = resolve(spec, root=root)
    named = tuple(identify(one) for one in configurations)
    draws = None
    if spec.search.algorithm == "tpe":
        draws = find_draws(spec, named, done, identify, folder=folder, root=root)
        named = draws.known[: spec.search.num_samples]
    again = _again(force=force, failed=retry_failed, pruned=finish_pruned)
    wanted = range(1, spec.repeats + 1)
    trials = [_decided(trial, done, history, wanted, again) for trial in named]
    kept = trials if limit is None else _limited(trials, limit)
    plan = Plan(spec, folder, tuple(kept), _hidden(configurations))
    left = draws.limited(len(plan.missing), limit) if draws else None
    return replace(plan, draws=left)


def value_label(value: Any) -> str:
    """A parameter's value in the terminal; a mapping is the names of its keys.

    A float stays one, as the file and `bench compare` spell it.
    """
    if isinstance(value, Mapping):
        return " + ".join(value)
    if isinstance(value, float):
        text = f"{value:.4g}"
        return f"{text}.0" if text.lstrip("-").isdigit() else text
    return "none" if value is None else printable(str(value))


def varying_paths(trials: Sequence[PlannedTrial]) -> list[str]:
    """The searched paths that tell these trials apart; all of them where there is one trial."""
    params = [trial.resolved.params for trial in trials]
    paths = list(dict.fromkeys(path for one in params for path in one))
    if len(trials) < 2:
        return paths
    return [path for path in paths if len({canonical_json(one.get(path)) for one in params}) > 1]


def trial_label(trial: PlannedTrial, paths: Sequence[str]) -> str:
    """Its variant and its values at these paths: `vit, num_heads=4, lr=0.001`."""
    params = trial.resolved.params
    values = [f"{p.partition('.')[2]}={value_label(params[p])}" for p in paths if p in params]
    variant = trial.resolved.variant
    return ", ".join([variant, *values] if variant else values)


def _identifier(data_fingerprint: Fingerprint, done: Mapping[str, DoneTrial]) -> Identify:
    codes: dict[tuple[Path, Path], str] = {}

    def identify(one: Resolved) -> PlannedTrial:
        key = (one.model.file, one.dataset.file)
        if key not in codes:
            codes[key] = catalog.code_fingerprint(one.model, one.dataset)
        data, code = data_fingerprint(one), codes[key]
        identity = trial_id(one.config, data_fingerprint=data, code_fingerprint=code)
        row = done.get(identity)
        planned = PlannedTrial(one, identity, data, code, (), "")
        if row is None:
            return planned
        return replace(
            planned, status=row.status, attempt=row.attempt, fold_execution=row.fold_execution
        )

    return identify


def _again(*, force: bool, failed: bool, pruned: bool) -> Mapping[str, str]:
    """Status of a row -> why such a trial is trained again."""
    if force:
        statuses = ("complete", "failed", "pruned", "interrupted")
        return dict.fromkeys(statuses, "forced")
    asked = {"failed": failed, "pruned": pruned, "interrupted": True}
    return {status: f"{status} before" for status, wanted in asked.items() if wanted}


@dataclass(frozen=True)
class _History:
    """What the tables hold, looked up once however many trials ask."""

    rows: tuple[DoneTrial, ...]

    @cached_property
    def by_config(self) -> dict[str, DoneTrial]:
        configs = (comparable(config) for config in self.configs)
        return dict(zip(configs, self.rows, strict=True))

    @cached_property
    def configs(self) -> list[Any]:
        return [row.settings for row in self.rows]

    @cached_property
    def seen(self) -> dict[str, set[str]]:
        """Path -> the values, as JSON, that any row has there; filled as paths are asked for."""
        return {}

    def why_new(self, trial: PlannedTrial) -> str:
        """What sets this trial apart from every row in the tables."""
        if not self.rows:
            return "first run"
        same = self.by_config.get(comparable(trial.resolved.config))
        if same:
            return _changed(trial, same)
        for path, value in trial.resolved.params.items():
            if path not in self.seen:
                self.seen[path] = {_value_at(config, path) for config in self.configs}
            if canonical_json(value) not in self.seen[path]:
                return f"value: {path} = {value}"
        return "value: new combination"


def _changed(trial: PlannedTrial, row: DoneTrial) -> str:
    if row.data_fingerprint != trial.data_fingerprint:
        return f"data: the raw files of {trial.resolved.dataset.name} changed"
    changed = catalog.changed_code(
        row.code_fingerprint,
        trial.code_fingerprint,
        model=trial.resolved.model,
        dataset=trial.resolved.dataset,
    )
    return f"code: {changed} changed"


def _value_at(config: Any, path: str) -> str:
    for key in path.split("."):
        config = config.get(key) if isinstance(config, dict) else None
    return canonical_json(config)


def _decided(
    trial: PlannedTrial,
    done: Mapping[str, DoneTrial],
    history: _History,
    wanted: range,
    again: Mapping[str, str],
) -> PlannedTrial:
    row = done.get(trial.trial_id)
    repeats: Sequence[int] = tuple(wanted)
    if row is None:
        reason = history.why_new(trial)
    elif row.status in again:
        reason = again[row.status]
    elif row.lost:
        reason = lost_reason(row.lost)
    elif row.status == "complete" and row.n_repeats < len(wanted):
        repeats = tuple(wanted)[row.n_repeats :]
        reason = f"repeats: {row.n_repeats} of {len(wanted)} done"
    else:
        return trial
    whole = trial.status == "complete" or reason == "pruned before"
    return replace(trial, repeats=tuple(repeats), reason=reason, whole=whole)


def _limited(trials: Sequence[PlannedTrial], limit: int) -> list[PlannedTrial]:
    if limit < 1:
        raise BenchError(f"--limit must be at least 1; found {limit}")
    missing = [trial.trial_id for trial in trials if trial.repeats]
    dropped = set(missing[limit:])
    return [trial for trial in trials if trial.trial_id not in dropped]


def _hidden(configurations: Sequence[Resolved]) -> tuple[str, ...]:
    entries = {entry for one in configurations for entry in (one.model, one.dataset)}
    return tuple(sorted(entry.label for entry in entries if entry.hides_shipped))
