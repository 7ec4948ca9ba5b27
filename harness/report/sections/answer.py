"""The answer in one sentence, and how far it can be trusted."""

import math
from typing import NamedTuple

import numpy as np

from harness.report.baseline_comparison import (
    Against,
    Comparisons,
    compare_all,
    power_text,
)
from harness.report.benchmark_results import ROLE_OF, BenchmarkResults, Configuration
from harness.report.blocks import Section, Text, section
from harness.report.formatting import (
    estimate_text,
    interval_text,
    metric_name,
    number,
    plural,
    signed,
)
from harness.report.pruned import pruned_configurations
from harness.report.sections.effects import compute as effects_of
from harness.statistics.factors import is_balanced
from harness.statistics.intervals import Estimate, estimate, wilson
from harness.statistics.multiplicity import ALPHA, holm
from harness.statistics.selection_bias import Optimism, optimism

KEY, TITLE = "answer", "Answer"


class Answer(NamedTuple):
    """The best configuration and how it compares with the others.

    Attributes:
        best: The best on validation.
        validation: Its validation score.
        test: Its test score.
        others: Each of the others against it.
        tied: How many of them can't be told apart from it (Holm over all); None without a test.
        tried: The number of complete configurations.
        baseline: It against the named baseline; None if it is the baseline, or none is named.
        optimism: How far choosing on validation flatters it; None without test scores.
        nested: The nested estimate; None without test scores.
    """

    best: Configuration
    validation: Estimate
    test: Estimate
    others: Comparisons | None
    tied: int | None
    tried: int
    baseline: Against | None
    optimism: Optimism | None
    nested: Estimate | None


def answer(results: BenchmarkResults) -> Section:
    """Return the section."""
    found = compute(results)
    status = Text(_status(results))
    if found is None:
        lead = Text("No answer yet: no configuration is complete.", lead=True)
        return section(KEY, TITLE, lead, status)
    texts = (
        _factors(results),
        _doubt(found, results),
        _baseline(found, results),
        _optimism(found, results),
    )
    shown = [Text(text) for text in texts if text]
    return section(KEY, TITLE, Text(sentence(found, results), lead=True), *shown, status)


def compute(results: BenchmarkResults) -> Answer | None:
    """Compute the answer; None if no configuration is complete."""
    best = results.best
    if best is None:
        return None
    others = compare_all(results, best)
    differences = [row.difference for row in others.rows] if others else []
    tested = [difference for difference in differences if difference.p_holm is not None]
    chosen = _chosen(results)
    return Answer(
        best=best,
        validation=_estimate(results, best, "val"),
        test=_estimate(results, best, "test"),
        others=others,
        tied=sum(not difference.is_clear for difference in tested) if tested else None,
        tried=len(results.complete),
        baseline=_against_baseline(results),
        optimism=chosen,
        nested=estimate(chosen.per_fold, results.size_ratio("test"))
        if chosen and chosen.per_fold
        else None,
    )


def sentence(found: Answer, results: BenchmarkResults) -> str:
    """Say which configuration is best, how good, on what; or that no difference was seen."""
    name = metric_name(results.objective)
    best = f"{found.best.label}, with {name} {estimate_text(found.validation)}"
    best += f" ({_over(found, results)})"
    if found.test.mean is not None:
        best += f", on test {estimate_text(found.test)}"
    text = f"Best on validation is {best}"
    able = found.others.power if found.others else None
    if found.tied is None or found.tied < found.tried - 1 or able is None:
        return text + "."
    others = "the other one" if found.tied == 1 else f"any of the {found.tied:,} others"
    return (
        f"{text}; no difference to {others} was seen, and the smallest that could have been "
        f"seen is about {number(able.of_all, 3)}."
    )


def _estimate(results: BenchmarkResults, configuration: Configuration, split: str) -> Estimate:
    """Return a mean with its interval; of a single fold's accuracy, over its examples."""
    found = results.estimates(f"{split}_{results.objective}").get(
        configuration.trial_id, Estimate(None)
    )
    if found.mean is None or found.low is not None or results.objective != "accuracy":
        return found
    column = {"val": "n_validation", "test": "n_test"}[split]
    n = int(results.folds.loc[results.folds["trial_id"] == configuration.trial_id, column].sum())
    if n < 1:
        return found
    share = wilson(min(n, found.mean * n), n)
    return Estimate(found.mean, share.low, share.high)


def _against_baseline(results: BenchmarkResults) -> Against | None:
    if results.baseline is None or results.baseline is results.best:
        return None
    found = compare_all(results, results.baseline)
    return (
        next((row for row in found.rows if row.configuration is results.best), None)
        if found
        else None
    )


def _chosen(results: BenchmarkResults) -> Optimism | None:
    matrices = [
        results.scores(f"{split}_{results.objective}").to_numpy(dtype=float)
        for split in ("val", "test")
    ]
    whole = all(scores.size and np.isfinite(scores).all() for scores in matrices)
    if len(results.complete) < 2 or not whole:
        return None
    return optimism(*matrices, mode=results.mode, test_rotates=results.test_rotates)


def _over(found: Answer, results: BenchmarkResults) -> str:
    row = found.best.row
    folds, repeats = int(row.get("n_folds") or 1), int(row.get("n_repeats") or 1)
    if folds * repeats > 1:
        several = f" x {repeats} repeats" if repeats > 1 else ""
        return f"mean over {plural(folds, 'fold')}{several}, 95 % interval"
    if found.validation.low is None:
        return "one fold, so there is no interval"
    return "one fold; 95 % interval over its examples, not over training anew"


def _factors(results: BenchmarkResults) -> str:
    """Say what each parameter does on average over the others."""
    all_effects = effects_of(results)
    if not is_balanced([effect.factor for effect in all_effects]):
        return ""  # a mean would also hold the company that its value happened to keep
    found = [
        (effect.factor, effect.lead)
        for effect in all_effects
        if effect.lead is not None and effect.lead.difference.p_holm is not None
    ]
    p_values = holm([lead.difference.p_holm for _, lead in found])
    apart, alike = [], []
    for (factor, lead), p in zip(found, p_values, strict=True):
        gap = lead.difference
        name = " with ".join(factor.linked) or factor.name
        if p is not None and p < ALPHA and gap.low is not None:
            size = f"{signed(gap.mean)} {interval_text(gap.low, gap.high)}"
            apart.append(f"{name} {lead.best} beats {lead.second} by {size}")
        else:
            alike.append(name)
    if not found:
        return ""
    text = f"On average over everything else, {'; '.join(apart)}. " if apart else ""
    if alike:
        text += f"No difference seen between the best two values of {', nor of '.join(alike)}. "
    return (
        f"{text}(Validation {metric_name(results.objective)}, corrected t on the same folds, "
        "Holm over the parameters, 5 %.)"
    )


def _doubt(found: Answer, results: BenchmarkResults) -> str:
    if found.tried < 2:
        complete = " is complete" if len(results.configurations) > 1 else ""
        return f"One configuration{complete}: nothing to compare it with."
    if found.tied is None or found.others is None:
        return "With one fold no difference between configurations can be tested over folds."
    others = found.tried - 1
    role = ROLE_OF[found.others.split]
    test = f"({role} scores of the same folds, corrected t, Holm, 5 %)"
    able = f" {power_text(found.others.power)}" if found.others.power and found.tied else ""
    if found.tied == 0:
        return f"It differs from {_all(others)} {test}."
    if found.tied == others:
        none = "The other one can't" if others == 1 else f"None of the {others:,} others can"
        return f"{none} be told apart from it {test}.{able}"
    many = f"{found.tied:,} of the {others:,} others"
    return f"{many} can't be told apart from it {test}.{able}"


def _baseline(found: Answer, results: BenchmarkResults) -> str:
    if found.baseline is None or results.baseline is None:
        return ""
    gap = found.baseline.difference
    scores = f"{ROLE_OF[results.compared_split]} {metric_name(results.objective)}"
    text = f"Against the baseline, {results.baseline.label}, its {scores} differs by "
    text += signed(gap.mean)
    if gap.low is None or gap.high is None:
        return text + "; there is no interval."
    text += f" {interval_text(gap.low, gap.high)}"
    apart = gap.low > 0 or gap.high < 0
    return f"{text}: {'a difference' if apart else 'no difference seen'} (corrected t)."


def _optimism(found: Answer, results: BenchmarkResults) -> str:
    if found.tried < 2:
        return ""
    pruned = len(pruned_configurations(results))
    early = f" ({pruned:,} of them stopped early)" if pruned else ""
    text = (
        f"{found.tried + pruned:,} configurations{early} were tried and the best was picked by "
        "its validation score, so that score flatters it: some of it is luck"
    )
    seen = found.optimism
    if seen is None:
        return f"{text}. No test score tells how much."
    unseen = "lower" if (seen.gap >= 0) == (results.mode == "max") else "higher"
    gap = number(abs(seen.gap))
    apart = f"{gap} {unseen}" if float(gap) else "the same"
    text += f"; its test score, which chose nothing, is {apart}"
    if found.nested is None or math.isnan(found.nested.mean or 0.0):
        return text + "."
    return (
        f"{text}. Had each fold picked its own winner by its own validation, the picked ones "
        f"would reach {estimate_text(found.nested)} on test (nested estimate): what to expect "
        "when the whole search is done again on new data."
    )


def _all(others: int) -> str:
    return "the other one" if others == 1 else f"all {others:,} others"


def _status(results: BenchmarkResults) -> str:
    planned = len(results.configurations)
    text = f"{len(results.complete):,} of {plural(planned, 'configuration')} complete"
    for status in ("failed", "pruned", "interrupted", "missing"):
        amount = sum(configuration.status == status for configuration in results.configurations)
        text += f", {amount:,} {status}" if amount else ""
    short = sum(
        int(configuration.row.get("n_repeats") or 1) < results.spec.repeats
        for configuration in results.complete
    )
    if short:
        text += f"; {short:,} of the complete ones have fewer than {results.spec.repeats} repeats"
    shared = len({repeat for repeat, _ in results.shared_folds})
    if results.complete and any(
        int(configuration.row.get("n_repeats") or 1) > shared for configuration in results.complete
    ):
        text += f"; comparisons take the {plural(shared, 'repeat')} that all of them have"
    return text + "."
