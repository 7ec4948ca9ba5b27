"""What single keys can't show: keys that contradict each other, and names from elsewhere."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.config.benchmark import Variant
from harness.config.expand import plain_sections
from harness.config.limits import CONFIGURATIONS, FOLDS
from harness.config.problems import Problems
from harness.config.sections import (
    PRETRAINED,
    RANDOM,
    CrossValidation,
    Objective,
    Pretraining,
    Published,
    Search,
)
from harness.config.space import Choice, grid, grid_size, points, subspace
from harness.config.variants import Draft
from harness.config.yaml_io import KeyPath, show
from harness.errors import nearest
from harness.metrics import METRICS, is_fraction

_PREFIXES = ("train", "val", "test")
_TRIAL_ID = re.compile(r"[0-9a-f]{1,16}")
PATH = "training.initial_weights"
ALLOWED = f"{PRETRAINED}, {RANDOM}, or the path of a file with a state dict"


def check_cross_validation(section: CrossValidation, problems: Problems) -> None:
    """Refuse keys that the strategy has no use for, and splits too few for its test fold."""
    strategy, test_fold, n_splits = section.strategy, section.test_fold, section.n_splits
    cuts = strategy in ("stratified", "group", "kfold")
    sizes = {"validation_size": section.validation_size, "test_size": section.test_size}
    if strategy in ("holdout", "official") and test_fold is not None:
        _useless("test_fold", f"{strategy} has one fold of its own", show(test_fold), problems)
    if n_splits is not None and not cuts:
        text = "stratified, group and kfold cut parts; " + strategy + " does not"
        _useless("n_splits", text, str(n_splits), problems)
    for name, size in sizes.items():
        if size is not None and strategy != "holdout":
            _useless(name, "only holdout takes a size", show(size), problems)
    if isinstance(section.validation_size, float) and isinstance(section.test_size, float):
        total = section.validation_size + section.test_size
        if total >= 1:
            place = ("cross_validation", "test_size")
            problems.add(place, "nothing is left to train on", found=f"{total:g} held back")
    if strategy == "predefined" and test_fold == "official":
        text = "predefined takes the numbered parts; use stratified, group or kfold here"
        _useless("test_fold", text, "official", problems)
    if cuts and n_splits is not None:
        _check_splits(test_fold, n_splits, problems)


def check_repeats(repeats: int, section: CrossValidation, problems: Problems) -> None:
    """Refuse too many folds: all folds of all repeats train side by side."""
    folds = section.n_splits or 1
    if repeats * folds > FOLDS:
        problems.add(
            ("repeats",),
            "too many folds: all of them train side by side",
            found=f"{repeats:,} repeats of {folds:,}" if folds > 1 else f"{repeats:,} repeats",
            allowed=f"at most {FOLDS:,} folds in all",
        )


def check_search(search: Search, problems: Problems) -> None:
    """Refuse `num_samples` where it doesn't belong or lacks, and what tpe can't draw from."""
    place: KeyPath = ("search", "num_samples")
    if search.algorithm != "grid" and search.num_samples is None:
        text = f"required key is missing: {search.algorithm} needs the number of draws"
        problems.add(place, text)
    if search.algorithm == "tpe":
        _check_tpe(problems)
    if search.algorithm == "grid" and search.num_samples is not None:
        text = "a grid takes every combination: use {algorithm: random} to draw some"
        problems.add(place, text, found=str(search.num_samples))


def check_metrics(
    objective: Objective | None,
    metrics: Sequence[str] | None,
    problems: Problems,
) -> None:
    """Refuse unknown metrics, and those named twice."""
    if objective is not None and objective.metric not in METRICS:
        _unknown_metric(("objective", "metric"), objective.metric, problems)
    seen: set[str] = set()
    for index, name in enumerate(metrics or ()):
        if name not in METRICS:
            _unknown_metric(("metrics", index), name, problems)
        elif name in seen:
            problems.add(("metrics", index), "named twice", found=name)
        seen.add(name)


def check_published(
    row: Published, at: KeyPath, paths: Collection[str], problems: Problems
) -> None:
    """Refuse unknown columns, numbers that are no fractions, and paths that the file lacks."""
    known = [f"{prefix}_{name}" for prefix in _PREFIXES for name in (*METRICS, "loss")]
    for column, number in (row.model_extra or {}).items():
        place = (*at, column)
        if column not in known:
            problems.add(
                place,
                "unknown key",
                allowed="where, fold, epoch, source, flaws, or {train,val,test}_<metric or loss>",
                nearest=nearest(column, [*Published.model_fields, *known]),
            )
        elif isinstance(number, bool) or not isinstance(number, int | float):
            problems.wrong_kind(place, number, "a number")
        elif is_fraction(column.partition("_")[2]) and not 0 <= number <= 1:
            percent = 1 < number <= 100
            hint = f": write {number / 100:.10g}, not {number:.10g}" if percent else ""
            problems.add(
                place,
                f"a fraction is expected{hint}",
                found=show(number),
                allowed="a number from 0 to 1",
            )
    check_paths(row.where, (*at, "where"), paths, problems)


def check_baseline(baseline: Any, paths: Collection[str], problems: Problems) -> None:
    """Refuse a baseline of paths that the file lacks, and text that begins no trial id."""
    if isinstance(baseline, dict):
        check_paths(baseline, ("baseline",), paths, problems)
    elif isinstance(baseline, str) and not _TRIAL_ID.fullmatch(baseline):
        allowed = "path: value, or the first hex digits of a trial id"
        problems.wrong_kind(("baseline",), baseline, allowed)


def check_paths(
    values: Mapping[str, Any], at: KeyPath, paths: Collection[str], problems: Problems
) -> None:
    """Refuse paths that the file neither fixes nor searches."""
    known = sorted(paths)
    for path in values:
        if path not in paths:
            problems.add(
                (*at, path),
                "the file neither fixes nor searches this path",
                nearest=nearest(path, known),
            )


def check_variant(variant: Variant, search: Search, seed: int, problems: Problems) -> None:
    """Refuse a space that the algorithm can't take or that holds no point, and senseless points."""
    if search.algorithm == "grid" and not _check_grid(variant, problems):
        return
    _check_scheduler(variant, search, problems)
    if search.algorithm == "tpe":
        _check_dataset_lists(variant, problems)
    walk = partial(
        points,
        variant.space,
        algorithm=search.algorithm,
        num_samples=search.num_samples,
        seed=seed,
    )
    if next(walk(), None) is None:
        at: KeyPath = ("variants", variant.name) if variant.name is not None else ()
        problems.add((*at, "search", "exclude"), "every combination is excluded")
    rules = {
        "training.optimizer",
        "training.momentum",
        "training.epochs",
        "training.warmup_epochs",
        "training.schedule",
    }
    relevant = rules & set(variant.space.paths)
    seen: dict[Any, dict[str, Any]] = {}
    if search.algorithm == "tpe":  # whatever it may draw, so all combinations
        walk = partial(grid, subspace(variant.space, relevant))
    for point in walk() if relevant else [{}]:
        seen.setdefault(tuple(str(point.get(path)) for path in relevant), point)
    for point in seen.values():
        _check_training(variant, point, problems)


def contradictions(
    training: Mapping[str, Any], momentum: float, warmup: int, schedule: Any
) -> Iterable[tuple[str, str, str]]:
    """Yield path, message and finding of each two training keys that can't both hold."""
    optimizer = training["optimizer"]
    if momentum > 0 and optimizer != "sgd":
        cure = "use sgd, or let `when` make it exist for sgd alone"
        yield "training.momentum", f"{optimizer} takes no momentum: {cure}", show(momentum)
    if warmup >= training["epochs"]:
        text = "the warm-up must end before the last epoch"
        yield "training.warmup_epochs", text, f"{warmup} of {training['epochs']} epochs"
    if warmup and schedule == "one_cycle":
        text = "one_cycle warms up by itself: leave warmup_epochs out"
        yield "training.warmup_epochs", text, str(warmup)


def check_pretraining(
    section: Pretraining | None, drafts: Sequence[Draft], problems: Problems
) -> None:
    """Refuse keys that contradict each other, missing weights, and pretraining without use.

    Reads no weights.

    Args:
        section: None also where the file's own has mistakes, which are noted already.
        drafts: The variants, whose `training.initial_weights` must agree with the section.
        problems: Where mistakes are noted.
    """
    if section is not None:
        _check_section(section, problems)
    given = problems.document.value.get("pretraining") is not None
    starts = [(value, at) for draft in drafts for value, at in _starts(draft)]
    noted = len(problems.found)
    for value, at in starts:
        _check_start(value, at, problems, given=given)
    misspelled = len(problems.found) > noted
    uses = any(value in (None, PRETRAINED) for value, _ in starts)
    if given and starts and not uses and not misspelled:
        text = f"no configuration starts from it: let {PATH} be {PRETRAINED}, or leave this out"
        problems.add(("pretraining",), text)


def weights_file(value: str) -> Path:
    """Return the file that a value of `training.initial_weights` names."""
    return Path(value).expanduser()


def _check_splits(test_fold: int | str | None, n_splits: int, problems: Problems) -> None:
    given = ("cross_validation", "n_splits")
    part = isinstance(test_fold, int)
    if (test_fold == "rotate" or part) and n_splits < 3:
        text = "a test part, a validation part and one to train on need 3 splits"
        problems.add(given, text, found=str(n_splits))
    if isinstance(test_fold, int) and test_fold > n_splits:
        place = ("cross_validation", "test_fold")
        allowed = f"1 to n_splits ({n_splits})"
        problems.add(place, "no such part", found=str(test_fold), allowed=allowed)


def _useless(key: str, why: str, found: str, problems: Problems) -> None:
    problems.add(("cross_validation", key), f"does not apply: {why}", found=found)


def _unknown_metric(path: KeyPath, name: str, problems: Problems) -> None:
    problems.add(
        path,
        "unknown metric",
        found=name,
        allowed=", ".join(METRICS),
        nearest=nearest(name, list(METRICS)),
    )


def _check_tpe(problems: Problems) -> None:
    value = problems.document.value
    search = value.get("search")
    if isinstance(search, dict) and "exclude" in search:
        text = "tpe draws from a whole space: leave exclude out, or use random"
        problems.add(("search", "exclude"), text)
    if "variants" in value:
        text = "tpe searches one space: leave variants out, or use random"
        problems.add(("variants",), text)
    if value.get("pretraining") is not None:
        text = "tpe draws while the run lasts, pretraining comes before it: use random"
        problems.add(("search", "algorithm"), text)


def _check_dataset_lists(variant: Variant, problems: Problems) -> None:
    for parameter in variant.space.parameters:
        named = [path for path in parameter.paths if path.startswith("dataset.")]
        if named and not isinstance(parameter.domain, Choice):
            text = "data is read before tpe draws: give a list of values"
            problems.add(variant.origins[named[0]], text)


def _check_scheduler(variant: Variant, search: Search, problems: Problems) -> None:
    domain = variant.space.domain_of("training.epochs")
    epochs = max(domain.representatives) if domain is not None else variant.training.epochs
    grace = search.pruning.grace_epochs if search.pruning is not None else None
    if grace is not None and grace >= epochs:
        place = ("search", "scheduler", "grace_epochs")
        text = "no trial would ever be stopped: it must be below the epochs of training"
        problems.add(place, text, found=f"{grace} of {epochs} epochs")


def _check_grid(variant: Variant, problems: Problems) -> bool:
    ranges = [p for p in variant.space.parameters if not isinstance(p.domain, Choice)]
    for parameter in ranges:
        text = "a grid takes lists only: give a list, or use {algorithm: random, num_samples: N}"
        problems.add(variant.origins[parameter.paths[0]], text)
    size = 0 if ranges else grid_size(variant.space)
    if size > CONFIGURATIONS:
        place = variant.origins[variant.space.paths[0]][:-1]
        text = "the grid is too large: use {algorithm: random, num_samples: N}"
        problems.add(
            place, text, found=f"{size:,} combinations", allowed=f"at most {CONFIGURATIONS:,}"
        )
    return not ranges and size <= CONFIGURATIONS


def _check_training(variant: Variant, point: Mapping[str, Any], problems: Problems) -> None:
    training = plain_sections(variant)["training"]
    training.update(
        {path.partition(".")[2]: v for path, v in point.items() if path.startswith("training.")}
    )
    searched = {path for path in variant.space.paths if path not in point}
    momentum = 0.0 if "training.momentum" in searched else training["momentum"]
    warmup = 0 if "training.warmup_epochs" in searched else training["warmup_epochs"]
    schedule = "constant" if "training.schedule" in searched else training["schedule"]
    for path, text, found in contradictions(training, momentum, warmup, schedule):
        place = variant.origins.get(path, tuple(path.split(".")))
        if not any(p.message == text and p.path.endswith(path) for p in problems.found):
            problems.add(place, text, found=found)


def _check_section(section: Pretraining, problems: Problems) -> None:
    training = section.model_dump(mode="json")
    for path, text, found in contradictions(
        training, section.momentum, section.warmup_epochs, section.schedule
    ):
        problems.add(("pretraining", path.partition(".")[2]), text, found=found)
    start = section.initial_weights
    if start is not None and not weights_file(start).is_file():
        at = ("pretraining", "initial_weights")
        problems.add(at, "no such file", found=repr(start), allowed="a file with a state dict")


def _starts(draft: Draft) -> Iterator[tuple[Any, KeyPath]]:
    """Yield every value of `training.initial_weights` that a variant takes, and its place."""
    parameter = draft.space.parameter_of(PATH)
    if parameter is None:
        place = draft.fixed_at.get(PATH, ("training", "initial_weights"))
        yield draft.fixed.get(PATH), place
        return
    domain = parameter.column(PATH)
    if isinstance(domain, Choice):
        for index, value in enumerate(domain.values):
            yield value, (*draft.searched_at[PATH], index)


def _check_start(value: Any, at: KeyPath, problems: Problems, *, given: bool) -> None:
    if value == RANDOM or not isinstance(value, str):
        return
    if value == PRETRAINED:
        if not given:
            text = "there is nothing to start from: the file has no `pretraining` section"
            problems.add(at, text, found=PRETRAINED)
        return
    if not weights_file(value).is_file():
        text = "no such file" if Path(value).suffix or "/" in value else "not a valid value"
        close = nearest(value, (PRETRAINED, RANDOM))
        problems.add(at, text, found=repr(value), allowed=ALLOWED, nearest=close)
