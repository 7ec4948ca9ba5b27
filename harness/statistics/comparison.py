"""`bench compare`: two trials, or every configuration of one benchmark with its like in another.

Reads the tables alone. B minus A throughout; A is the baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.config.space import identity
from harness.errors import BenchError
from harness.metrics import find
from harness.results.trial_config import leaves, picks_examples
from harness.results.trial_reference import (
    Candidate,
    SelectedTrial,
    Source,
    matching,
    selected_values,
)
from harness.statistics.differences import ROPE
from harness.statistics.example_tests import ExampleComparison, compare_examples
from harness.statistics.fold_comparison import FoldComparison, compare_folds
from harness.statistics.multiplicity import ALPHA, holm

Verdict = Literal["better", "worse", "equivalent", "unclear", "untested"]


@dataclass(frozen=True)
class Headline:
    """The difference that a verdict rests on.

    Attributes:
        difference: B minus A.
        low: Lower bound of its interval; None where there is no interval.
        high: Upper bound; None as for `low`.
        basis: In words, what was averaged and what the interval comes from.
        mode: `max` or `min`, the metric's direction.
    """

    difference: float
    low: float | None
    high: float | None
    basis: str
    mode: str


@dataclass(frozen=True)
class ChangedSetting:
    """A parameter or another fact in which two trials differ."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Comparison:
    """Two trials compared.

    Attributes:
        a: The baseline.
        b: The other trial.
        folds: Their difference fold by fold.
        examples: Their difference example by example; in words why not, where it could not be.
        differing: Every value of their configurations, data and code that is not the same.
        headline: The difference that the verdict rests on.
    """

    a: SelectedTrial
    b: SelectedTrial
    folds: FoldComparison
    examples: ExampleComparison | str
    differing: tuple[ChangedSetting, ...]
    headline: Headline


@dataclass(frozen=True)
class PairComparison:
    """One configuration of A and its like in B; p is adjusted for the number of pairs.

    Attributes:
        a: The configuration of A.
        b: That of B.
        folds: Their difference fold by fold.
        headline: The difference that the verdict rests on.
    """

    a: Candidate
    b: Candidate
    folds: FoldComparison
    headline: Headline


@dataclass(frozen=True)
class EachComparison:
    """Every configuration of A with its like in B.

    Attributes:
        pairs: All pairs.
        only_a: Number of configurations of A without a like.
        only_b: Number of those of B.
        confidence: Of each interval, so that all hold together with 95 %.
    """

    pairs: tuple[PairComparison, ...]
    only_a: int
    only_b: int
    confidence: float


def compare(a: SelectedTrial, b: SelectedTrial, *, rope: float = ROPE) -> Comparison:
    """Compare two trials fold by fold and example by example.

    Args:
        a: The baseline.
        b: The other trial.
        rope: Half width of what counts as no difference, in the metric's unit.

    Raises:
        BenchError: The trials have no score in common.
    """
    metric = _common_metric(a.source, b.source)
    folds = compare_folds(
        a.source.fold_rows([a.candidate])[a.candidate.trial.trial_id],
        b.source.fold_rows([b.candidate])[b.candidate.trial.trial_id],
        metric=metric,
        other_data=_other_data(a, b),
        rope=rope,
    )
    examples = _examples(a, b)
    differing = changed_settings(a.candidate, b.candidate)
    headline = _headline(folds, examples)
    if not a.candidate.data.is_same(b.candidate.data):  # another task: no interval bounds that
        headline = replace(headline, low=None, high=None)
    return Comparison(a, b, folds, examples, differing, headline)


def compare_each(a: Source, b: Source, *, rope: float = ROPE) -> EachComparison:
    """Compare every complete configuration of A with the same one of B.

    The same is what has equal values of every parameter that either searched, but for those that a
    selector names.

    Args:
        a: The baselines.
        b: The other trials.
        rope: Half width of what counts as no difference, in the metric's unit.

    Raises:
        BenchError: No two are the same, or a trial has no score.
    """
    metric = _common_metric(a, b)
    pairs, only_a, only_b = _pairs(a, b)
    rows_a = a.fold_rows([ours for ours, _ in pairs])
    rows_b = b.fold_rows([theirs for _, theirs in pairs])
    confidence = 1 - ALPHA / len(pairs)
    compared = [
        compare_folds(
            rows_a[ours.trial.trial_id],
            rows_b[theirs.trial.trial_id],
            metric=metric,
            other_data=_other_data(SelectedTrial(a, ours, 1), SelectedTrial(b, theirs, 1)),
            rope=rope,
            confidence=confidence,
        )
        for ours, theirs in pairs
    ]
    # Each pair is a look at the data, so those without a test and unpaired ones count as well.
    differences = [folds.difference for folds in compared]
    p_values = holm([1.0 if each.p is None else each.p for each in differences])
    compared = [
        replace(folds, difference=replace(folds.difference, p_holm=p))
        for folds, p in zip(compared, p_values, strict=True)
    ]
    comparisons = tuple(
        PairComparison(ours, theirs, folds, _headline(folds, "not asked for"))
        for (ours, theirs), folds in zip(pairs, compared, strict=True)
    )
    return EachComparison(comparisons, only_a, only_b, confidence)


def verdict(headline: Headline, *, tolerance: float = 0.0, rope: float = ROPE) -> Verdict:
    """Say what the interval of B minus A allows to say.

    Args:
        headline: The difference and its interval.
        tolerance: How much worse B may be, in the metric's unit.
        rope: Half width of what counts as no difference.

    Returns:
        `worse`: all of the interval is worse by more than the tolerance; `better`: all of it is
        better; `equivalent`: all of it lies within ±rope; `untested`: there is no interval, or
        there are two datasets; else `unclear`.
    """
    if headline.low is None or headline.high is None:
        return "untested"
    gain_low, gain_high = headline.low, headline.high
    if headline.mode == "min":
        gain_low, gain_high = -gain_high, -gain_low
    if gain_high < -tolerance:
        return "worse"
    if gain_low > 0:
        return "better"
    return "equivalent" if max(-gain_low, gain_high) <= rope else "unclear"


def changed_settings(a: Candidate, b: Candidate) -> tuple[ChangedSetting, ...]:
    """List every path whose value is not the same, then data and code."""
    left, right = dict(leaves(a.config)), dict(leaves(b.config))
    paths = list(dict.fromkeys([*left, *right]))
    changed = [
        ChangedSetting(path, left.get(path), right.get(path))
        for path in paths
        if identity(left.get(path)) != identity(right.get(path))
    ]
    for name in ("data_fingerprint", "code_fingerprint"):
        values = getattr(a.trial, name), getattr(b.trial, name)
        changed += [ChangedSetting(name, *values)] if values[0] != values[1] else []
    return tuple(changed)


def _headline(folds: FoldComparison, examples: ExampleComparison | str) -> Headline:
    """Take the difference over folds, or over examples where one fold's accuracy has no spread."""
    mode = find(folds.metric).mode
    over_folds = folds.difference
    if folds.n > 1 or isinstance(examples, str) or folds.metric != "accuracy":
        paired = ", unpaired" if folds.unpaired else ""
        basis = f"{folds.role} {folds.metric}, {folds.counted}{paired}"
        return Headline(over_folds.mean, over_folds.low, over_folds.high, basis, mode)
    over_examples = examples.difference
    units = "groups of examples" if examples.grouped else "examples"
    basis = f"{examples.role} accuracy, one fold, {over_examples.n_units} {units}"
    return Headline(over_examples.mean, over_examples.low, over_examples.high, basis, mode)


def _examples(a: SelectedTrial, b: SelectedTrial) -> ExampleComparison | str:
    """Compare test predictions, else those on validation; say in words why neither can be."""
    if not a.candidate.data.is_same(b.candidate.data):
        return "the datasets are not the same"
    comparison: ExampleComparison | str = "no predictions are stored"
    for role in ("test", "validation"):
        frames = [side.source.examples(side.candidate, role=role) for side in (a, b)]
        comparison = compare_examples(*frames, role=role)
        if any(len(frame) for frame in frames):
            return comparison
    return comparison


def _common_metric(a: Source, b: Source) -> str:
    if a.objective != b.objective:
        raise BenchError(
            f"the objectives are not the same: {a.objective} in {a.name}, "
            f"{b.objective} in {b.name}; compare benchmarks of one objective"
        )
    return a.objective


def _other_data(a: SelectedTrial, b: SelectedTrial) -> str | None:
    """Say why equal index sets may stand for other examples; None where they do not."""
    data = a.candidate.data, b.candidate.data
    if not data[0].is_same(data[1]):
        return f"the datasets are {data[0]} and {data[1]}"
    changed = [
        setting.name
        for setting in changed_settings(a.candidate, b.candidate)
        if picks_examples(setting.name)
    ]
    if not changed and data[0].fingerprint == data[1].fingerprint:
        return None
    examples = _examples(a, b)
    if isinstance(examples, ExampleComparison) and not examples.n_left_out:
        return None  # such as another sampling rate: an option that picks no examples
    if not changed:
        return "the raw files are not the same"
    return f"{', '.join(changed)} may pick other examples"


def _pairs(a: Source, b: Source) -> tuple[list[tuple[Candidate, Candidate]], int, int]:
    """Pair the complete trials, and count those of either side without a like."""
    named = {*selected_values(a), *selected_values(b)}
    searched = {path for source in (a, b) for each in source.candidates for path in each.params}
    paths = ["model.name", "dataset.name", *sorted(searched - named)]
    of_a, of_b = (_by_values(source, paths) for source in (a, b))
    pairs = [(ours, of_b[key]) for key, ours in of_a.items() if key in of_b]
    if not pairs:
        differ = ", ".join(path for path in paths if not _values(a, path) & _values(b, path))
        reason = f"; they never agree in {differ}" if differ else ""
        raise BenchError(
            f"no configuration of {a.name} is also in {b.name}{reason}; a parameter that is to "
            "differ goes into both selectors"
        )
    return pairs, len(of_a) - len(pairs), len(of_b) - len(pairs)


def _by_values(source: Source, paths: Sequence[str]) -> dict[Any, Candidate]:
    """Map the values at these paths to the complete trial that has them.

    Raises:
        BenchError: Several trials have the same.
    """
    candidates: dict[Any, Candidate] = {}
    for candidate in matching(source):
        if candidate.trial.objective_mean is None:
            continue
        key = tuple(identity(candidate.value(path)) for path in paths)
        if key in candidates:
            ids = f"{candidates[key].trial.trial_id} and {candidate.trial.trial_id}"
            raise BenchError(
                f"{source.name} has several trials with the same searched values, such as {ids}; "
                "a selector has to say which"
            )
        candidates[key] = candidate
    return candidates


def _values(source: Source, path: str) -> set[Any]:
    return {identity(candidate.value(path)) for candidate in matching(source)}
