"""The trials a run stands for: which are done, which are missing, and why each is new.

With `search.algorithm: tpe` most are sampled while the sweep runs; `AdaptivePlan` says which
trials of the tables belong to the space, and how many are to come.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from harness.config.benchmark import BenchmarkSpec
from harness.config.space import count_points, point_in
from harness.engine.identity import canonical_json, comparable, pretraining_id, trial_id
from harness.engine.resolve import FILE_HASH, Resolved, resolve, resolver
from harness.errors import BenchError, SpecError
from harness.plugins import catalog
from harness.results.integrity import lost_reason
from harness.results.runs import last_params
from harness.results.table_reader import DoneTrial, done_trials
from harness.sanitize import printable

State = Literal["done", "missing"]
Fingerprint = Callable[[Resolved], str]
Point = Mapping[str, Any]

# Beginnings of reasons.
_CODE = "code: "
_VALUE = "value: "


@dataclass(frozen=True)
class PlannedTrial:
    """One configuration with its identity and what the tables already hold of it.

    Attributes:
        resolved: The configuration.
        trial_id: See `harness.engine.identity`.
        data_fingerprint: Of its raw files.
        code_fingerprint: Of its model's and its dataset's file.
        repeats: The repeats to train now, counted from 1; empty where the trial is done.
        reason: Why it is missing, in words; empty where it is done.
        status: Of the row in the tables; None without one.
        attempt: How often it was tried before.
        whole: It is trained to its end, whatever a scheduler says.
        fold_execution: How its folds were trained before; None where no row says.
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

    @property
    def kept_repeats(self) -> tuple[int, ...]:
        """The repeats whose old rows stay: those before the first one to train."""
        return tuple(range(1, self.repeats[0]))

    @property
    def data_key(self) -> str:
        """Equal for trials that train on the same examples and folds."""
        return canonical_json([self.resolved.config["dataset"], self.data_fingerprint])

    @property
    def start_key(self) -> str | None:
        """Equal for trials that start from the same weights; None for random ones."""
        config = self.resolved.config
        return f"file {config[FILE_HASH]}" if FILE_HASH in config else self.pretraining_id

    @property
    def pretraining_id(self) -> str | None:
        """Of the pretraining that it starts from; None where there is none."""
        return pretraining_id(
            self.resolved.config,
            data_fingerprint=self.data_fingerprint,
            code_fingerprint=self.code_fingerprint,
        )


@dataclass(frozen=True, eq=False)
class AdaptivePlan:
    """What is known of a space before the rest of it is sampled.

    Attributes:
        n_to_draw: How many trials are to be sampled.
        n_points: How many different points the space has; None where endless.
        representatives: Trials that stand for the space: their data is read and their models are
            built before anything is sampled.
        known: Every trial in the tables whose point lies in the space, whatever run it is from,
            and those that the last run sampled and never began.
        trial_at: From a point to its trial; raises SpecError where no configuration can have it.
    """

    n_to_draw: int
    n_points: int | None
    representatives: tuple[PlannedTrial, ...]
    known: tuple[PlannedTrial, ...]
    trial_at: Callable[[Point], PlannedTrial]


@dataclass(frozen=True)
class Plan:
    """All trials of one call of `bench run`, in the order of the file.

    Attributes:
        spec: The benchmark.
        folder: Of its results.
        trials: Those that are known.
        hidden: The user's files that are used in place of shipped ones.
        adaptive: What is sampled while the sweep runs, beside `trials`; None unless the file asks
            for it.
    """

    spec: BenchmarkSpec
    folder: Path
    trials: tuple[PlannedTrial, ...]
    hidden: tuple[str, ...]
    adaptive: AdaptivePlan | None = None

    @property
    def missing(self) -> tuple[PlannedTrial, ...]:
        """The trials that have something left to train."""
        return tuple(trial for trial in self.trials if trial.repeats)

    @property
    def representatives(self) -> tuple[PlannedTrial, ...]:
        """The trials that stand for a space that is sampled; empty otherwise."""
        return self.adaptive.representatives if self.adaptive else ()

    @property
    def to_draw(self) -> int:
        """How many trials are still to be sampled."""
        return self.adaptive.n_to_draw if self.adaptive else 0

    @property
    def ahead(self) -> tuple[PlannedTrial, ...]:
        """What must be ready before anything trains: the missing, and representatives."""
        return (*self.missing, *(self.representatives if self.to_draw else ()))

    def grown(self, sampled: Sequence[PlannedTrial]) -> "Plan":
        """Return the plan with the trials that were sampled since."""
        if self.adaptive is None:
            return self
        n_to_draw = self.adaptive.n_to_draw - len(sampled)
        adaptive = replace(self.adaptive, n_to_draw=n_to_draw)
        return replace(self, trials=(*self.trials, *sampled), adaptive=adaptive)


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
    """Plan a benchmark against what its results already hold.

    Args:
        spec: The benchmark.
        folder: Of its results.
        data_fingerprint: Of a configuration's dataset, read from its raw files.
        force: Train everything again.
        retry_failed: Train failed trials again.
        finish_pruned: Train pruned trials again, to their end.
        limit: At most so many missing trials stay missing, in plan order; the rest are left out.
        root: Of raw data, for datasets that are described by what lies there.

    Raises:
        SpecError: The file has mistakes.
        BenchError: Data is not there.
    """
    done = done_trials(folder)
    identify = _identifier(data_fingerprint, done)
    configurations = resolve(spec, root=root)
    named = tuple(identify(resolved) for resolved in configurations)
    adaptive = None
    if spec.search.algorithm == "tpe":
        trial_at = _trial_at(spec, identify, root=root)
        adaptive = _adaptive_plan(spec, named, done, trial_at, folder=folder)
        named = adaptive.known[: spec.search.num_samples]
    again = _reasons_to_repeat(force=force, failed=retry_failed, pruned=finish_pruned)
    history = _History(tuple(done.values()))
    wanted = range(1, spec.repeats + 1)
    trials = [_with_work(trial, done, history, wanted, again) for trial in named]
    if limit is not None:
        trials = _limited(trials, limit)
    plan = Plan(spec, folder, tuple(trials), _hidden(configurations), adaptive)
    if adaptive is not None and limit is not None:
        n_to_draw = min(adaptive.n_to_draw, limit - len(plan.missing))
        return replace(plan, adaptive=replace(adaptive, n_to_draw=n_to_draw))
    return plan


def value_label(value: Any) -> str:
    """Put a parameter's value into words for the terminal; a mapping is the names of its keys.

    A float stays one, as the file and `bench compare` spell it.
    """
    if isinstance(value, Mapping):
        return " + ".join(value)
    if isinstance(value, float):
        text = f"{value:.4g}"
        return f"{text}.0" if text.lstrip("-").isdigit() else text
    return "none" if value is None else printable(str(value))


def varying_paths(trials: Sequence[PlannedTrial]) -> list[str]:
    """List the searched paths that tell these trials apart; all of them where there is one."""
    params = [trial.resolved.params for trial in trials]
    paths = list(dict.fromkeys(path for values in params for path in values))
    if len(trials) < 2:
        return paths
    return [path for path in paths if len({canonical_json(v.get(path)) for v in params}) > 1]


def trial_label(trial: PlannedTrial, paths: Sequence[str]) -> str:
    """Name a trial by its variant and its values at these paths: `vit, num_heads=4, lr=0.001`."""
    params = trial.resolved.params
    values = [f"{p.partition('.')[2]}={value_label(params[p])}" for p in paths if p in params]
    variant = trial.resolved.variant
    return ", ".join([variant, *values] if variant else values)


def reason_counts(plan: Plan) -> dict[str, int]:
    """Count the missing trials by their reason, most frequent first; new values are one reason."""
    reasons = (trial.reason for trial in plan.missing)
    grouped = Counter("new values" if text.startswith(_VALUE) else text for text in reasons)
    return dict(grouped.most_common())


def code_notes(plan: Plan) -> Iterator[str]:
    """Yield one line for each file whose change alone makes finished trials train again."""
    for reason, count in reason_counts(plan).items():
        if reason.startswith(_CODE):
            trials = "1 finished trial differs" if count == 1 else f"{count} finished trials differ"
            again = "is" if count == 1 else "are"
            yield (
                f"{trials} only in code ({reason.removeprefix(_CODE)}) and {again} trained again; "
                f"to keep the results, stop now (Ctrl-C) and {_way_back(reason)}; "
                "the old rows stay in any case"
            )


def _way_back(reason: str) -> str:
    if catalog.TRAINING_VERSION_LABEL in reason:
        return "use the bench that made them (column `versions`)"
    return "take the change back (git stash)"


def _identifier(
    data_fingerprint: Fingerprint, done: Mapping[str, DoneTrial]
) -> Callable[[Resolved], PlannedTrial]:
    """Return a function from a configuration to its trial, with nothing to train yet."""
    codes: dict[tuple[Path, Path], str] = {}

    def identify(resolved: Resolved) -> PlannedTrial:
        files = (resolved.model.file, resolved.dataset.file)
        if files not in codes:
            codes[files] = catalog.code_fingerprint(resolved.model, resolved.dataset)
        data, code = data_fingerprint(resolved), codes[files]
        identity = trial_id(resolved.config, data_fingerprint=data, code_fingerprint=code)
        trial = PlannedTrial(resolved, identity, data, code, repeats=(), reason="")
        row = done.get(identity)
        if row is None:
            return trial
        return replace(
            trial, status=row.status, attempt=row.attempt, fold_execution=row.fold_execution
        )

    return identify


def _reasons_to_repeat(*, force: bool, failed: bool, pruned: bool) -> Mapping[str, str]:
    """Return status of a row -> why such a trial is trained again."""
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
        """Say what sets this trial apart from every row in the tables."""
        if not self.rows:
            return "first run"
        same = self.by_config.get(comparable(trial.resolved.config))
        if same:
            return _changed(trial, same)
        for path, value in trial.resolved.params.items():
            if path not in self.seen:
                self.seen[path] = {_value_at(config, path) for config in self.configs}
            if canonical_json(value) not in self.seen[path]:
                return f"{_VALUE}{path} = {value}"
        return f"{_VALUE}new combination"


def _changed(trial: PlannedTrial, row: DoneTrial) -> str:
    if row.data_fingerprint != trial.data_fingerprint:
        return f"data: the raw files of {trial.resolved.dataset.name} changed"
    changed = catalog.changed_code(
        row.code_fingerprint,
        trial.code_fingerprint,
        model=trial.resolved.model,
        dataset=trial.resolved.dataset,
    )
    return f"{_CODE}{changed} changed"


def _value_at(config: Any, path: str) -> str:
    for key in path.split("."):
        config = config.get(key) if isinstance(config, dict) else None
    return canonical_json(config)


def _with_work(
    trial: PlannedTrial,
    done: Mapping[str, DoneTrial],
    history: _History,
    wanted: range,
    again: Mapping[str, str],
) -> PlannedTrial:
    """Return the trial with the repeats that are to be trained, and why.

    Args:
        trial: As it is identified.
        done: Trial id -> its row.
        history: Of all rows.
        wanted: The repeats that the file asks for.
        again: See `_reasons_to_repeat`.
    """
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
    entries = {entry for resolved in configurations for entry in (resolved.model, resolved.dataset)}
    return tuple(sorted(entry.label for entry in entries if entry.hides_shipped))


def _trial_at(
    spec: BenchmarkSpec, identify: Callable[[Resolved], PlannedTrial], *, root: Path | None
) -> Callable[[Point], PlannedTrial]:
    configuration_at = resolver(spec, root=root)
    return lambda point: identify(configuration_at(point))


def _adaptive_plan(
    spec: BenchmarkSpec,
    representatives: Sequence[PlannedTrial],
    done: Mapping[str, DoneTrial],
    trial_at: Callable[[Point], PlannedTrial],
    *,
    folder: Path,
) -> AdaptivePlan:
    """Find what of a space is known, and how much of it is to be sampled.

    A row of the tables belongs to the space if its point, resolved again, is the same trial: so
    with the same unsearched values, data and code.
    """
    rows = _rows_in_space(spec, representatives, done, trial_at)
    begun = _sampled_without_row(spec, folder, done, trial_at)
    known = (*rows, *begun)
    n_points = count_points(spec.space)
    wanted = spec.search.num_samples or 1
    most = wanted if n_points is None else min(wanted, n_points)
    n_to_draw = max(0, most - len(known))
    return AdaptivePlan(n_to_draw, n_points, tuple(representatives), known, trial_at)


def _rows_in_space(
    spec: BenchmarkSpec,
    representatives: Sequence[PlannedTrial],
    done: Mapping[str, DoneTrial],
    trial_at: Callable[[Point], PlannedTrial],
) -> Iterator[PlannedTrial]:
    """Yield the trials of rows that belong to the space, in the order of their runs."""
    data = {trial.data_fingerprint for trial in representatives}
    code = {trial.code_fingerprint for trial in representatives}
    for row in sorted(done.values(), key=lambda row: (row.run_id, row.trial_id)):
        if row.data_fingerprint in data and row.code_fingerprint in code:
            point = _point_of(spec, row.settings)
            if (trial := _if_same(row.trial_id, point, trial_at)) is not None:
                yield trial


def _point_of(spec: BenchmarkSpec, config: Mapping[str, Any]) -> Point | None:
    def value_at(path: str) -> Any:
        section, key = path.split(".", 1)
        return config[section][key]

    return point_in(spec.space, value_at)


def _sampled_without_row(
    spec: BenchmarkSpec,
    folder: Path,
    done: Mapping[str, DoneTrial],
    trial_at: Callable[[Point], PlannedTrial],
) -> Iterator[PlannedTrial]:
    """Yield what a run that was killed had sampled: it may have left a checkpoint."""
    for identity, params in last_params(folder).items():
        if identity not in done:
            point = point_in(spec.space, params.__getitem__)
            if (trial := _if_same(identity, point, trial_at)) is not None:
                yield trial


def _if_same(
    identity: str, point: Point | None, trial_at: Callable[[Point], PlannedTrial]
) -> PlannedTrial | None:
    """Return the trial of a point if it still is the one that had this id."""
    if point is None:
        return None
    try:
        trial = trial_at(point)
    except SpecError:
        return None
    return trial if trial.trial_id == identity else None
