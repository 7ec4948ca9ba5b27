"""A comparison in words: the scores, their difference, its interval, and its limits."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.config.yaml_io import show
from harness.results.trial_reference import SelectedTrial, Source
from harness.statistics.comparison import (
    ChangedSetting,
    Comparison,
    EachComparison,
    Headline,
    PairComparison,
    verdict,
)
from harness.statistics.differences import Difference, RopeProbabilities
from harness.statistics.example_tests import ExampleComparison
from harness.statistics.fold_comparison import FoldComparison
from harness.statistics.intervals import Interval
from harness.statistics.power import smallest_sign_p, too_few_for_signs

SHOWN = 50
NAMED = 8  # values that differ; benchmarks of other models differ in dozens
WIDTH = 12
VERDICTS = {
    "better": "B is better than A",
    "worse": "B is worse than A",
    "equivalent": "A and B are practically the same",
    "unclear": "no difference seen; that is not to say that there is none",
    "untested": "nothing can be said: no interval bounds the difference",
}


def comparison_lines(compared: Comparison, *, tolerance: float = 0.0) -> list[str]:
    """Return all that `bench compare A B` prints."""
    folds, headline = compared.folds, compared.headline
    return [
        *_operand("A", compared.a),
        *_operand("B", compared.b),
        *_differing(compared),
        "",
        _row("scores", f"{folds.role} {folds.metric} of {folds.counted}: {folds.why_role}"),
        *([_row("", f"not paired: {folds.unpaired}")] if folds.unpaired else []),
        _row("A", f"{folds.mean_a:.4f}"),
        _row("B", f"{folds.mean_b:.4f}"),
        _row("B - A", _interval(folds.difference)),
        *_fold_tests(folds, headline.mode),
        *_examples(compared.examples),
        "",
        *_verdict(headline, tolerance),
    ]


def each_lines(
    compared: EachComparison, a: Source, b: Source, *, tolerance: float = 0.0
) -> list[str]:
    """Return all that `bench compare A B --each` prints: the largest losses first."""
    sign = 1.0 if compared.pairs[0].headline.mode == "max" else -1.0
    pairs = sorted(compared.pairs, key=lambda pair: sign * pair.headline.difference)
    said = [verdict(pair.headline, tolerance=tolerance) for pair in pairs]
    hidden = len(pairs) - SHOWN
    unpaired = sorted({pair.folds.unpaired for pair in pairs if pair.folds.unpaired})
    sides = ((compared.only_a, "A", a), (compared.only_b, "B", b))
    alone = "".join(f", {n} only in {side} ({table.name})" for n, side, table in sides if n)
    level = f"{100 * compared.confidence:.2f}".rstrip("0").rstrip(".")
    folds = pairs[0].folds
    return [
        _row("scores", f"{folds.role} {folds.metric} of {folds.counted}: {folds.why_role}"),
        *(_row("", f"not paired: {reason}") for reason in unpaired),
        "",
        *_table([_HEADER, *map(_pair, pairs[:SHOWN], said)]),
        *([f"... and {hidden} more pairs"] if hidden > 0 else []),
        "",
        _row("pairs", f"{len(pairs)}{alone}"),
        _row("intervals", f"{level} % each, so that all hold together with 95 %"),
        _row("verdict", ", ".join(f"{said.count(w)} {w}" for w in VERDICTS if w in said)),
    ]


_HEADER = ("B - A", "interval", "p (Holm)", "A", "B", "", "configuration of A")


def _pair(pair: PairComparison, said: str) -> tuple[str, ...]:
    found = pair.headline
    return (
        f"{found.difference:+.4f}",
        _bounds(found.low, found.high),
        f"{pair.folds.difference.p_holm:.3f}",
        f"{pair.folds.mean_a:.4f}",
        f"{pair.folds.mean_b:.4f}",
        said,
        _params(pair.a.params),
    )


def _operand(side: str, choice: SelectedTrial) -> list[str]:
    source, trial = choice.source, choice.candidate.trial
    run = f"@{source.run_id}" if source.run_id else ""
    lines = [_row(side, f"{source.name}{run}:{trial.trial_id}")]
    if choice.candidate.params:
        lines.append(_row("", _params(choice.candidate.params)))
    if choice.n_considered > 1:
        why = "its validation score is optimistic, as it was chosen by it"
        lines.append(_row("", f"best of {choice.n_considered} on validation; {why}"))
    missing = source.n_planned - len(source.candidates)
    return [*lines, *([_row("", f"{missing} trials of its plan are missing")] if missing else [])]


def _differing(compared: Comparison) -> list[str]:
    if compared.a.candidate.trial.trial_id == compared.b.candidate.trial.trial_id:
        return [_row("differ in", "nothing: they are the same trial")]
    found = [one for one in compared.differing if not one.name.endswith("_fingerprint")]
    texts = [_changed(one) for one in found]
    prints = {one.name for one in compared.differing} - {one.name for one in found}
    texts += [f"the {name.split('_', 1)[0]}" for name in sorted(prints)]
    told = texts if len(texts) <= NAMED + 1 else [*texts[:NAMED], f"{len(texts) - NAMED} more"]
    lines = [_row("differ in", ", ".join(told) or "nothing that their rows know")]
    if len(texts) > 1:
        lines.append(_row("", "these change together; the difference belongs to all of them"))
    return lines


def _changed(one: ChangedSetting) -> str:
    return f"{one.name} ({show(one.a)}, {show(one.b)})"


def _fold_tests(folds: FoldComparison, mode: str) -> list[str]:
    found = folds.difference
    if found.p is None or found.t is None:
        return [_row("tests", "one fold has no spread: no interval, no test over folds")]
    how = "unpaired, " if folds.unpaired else ""
    test = f"{how}t({found.degrees_of_freedom:.3g}) = {found.t:.2f}, p {_p(found.p)}"
    widened = f"variance times {found.variance_factor:.3f} for shared train examples"
    lines = [_row("corrected t", f"{test}; {widened}")]
    if found.std == 0 and not folds.unpaired:
        shift = "the same difference on every fold: no spread to judge it by"
        lines.append(_row("", shift if found.mean else "A and B score the same on every fold"))
    if found.posterior is not None:
        lines.append(_row("Bayesian", _rope(found.posterior, mode)))
    if not folds.unpaired and too_few_for_signs(folds.n):
        smallest = f"{smallest_sign_p(folds.n):.4g}"
        lines.append(_row("sign tests", f"n too small: {folds.n} values can't give p < {smallest}"))
    return [*lines, *_power(folds)]


def _rope(found: RopeProbabilities, mode: str) -> str:
    worse, better = found.p_left, found.p_right
    if mode == "min":
        worse, better = better, worse
    within = f"P(within {found.rope:g}) {found.p_rope:.2f}"
    return f"P(B worse) {worse:.2f}, {within}, P(B better) {better:.2f}"


def _power(folds: FoldComparison) -> list[str]:
    if folds.detectable is None or folds.difference.std == 0:
        return []
    lines = [_row("power", f"a difference of {folds.detectable:.4f} would be seen 4 times in 5")]
    size = abs(folds.difference.mean)
    if size == 0 or size >= folds.detectable:
        return lines
    needed = f"{folds.repeats} repeats (now {folds.n_repeats})"
    never = "no number of repeats is enough, as folds share train examples"
    return [*lines, _row("", f"to see one of {size:.4f}: {needed if folds.repeats else never}")]


def _examples(found: ExampleComparison | str) -> list[str]:
    if isinstance(found, str):
        return [_row("examples", f"not compared: {found}")]
    drawn = found.difference
    units = f", {drawn.n_units} groups drawn whole" if found.grouped else ""
    what = f"{drawn.n_examples} {found.role} examples{units}; paired bootstrap"
    lines = [
        _row("examples", f"accuracy {drawn.mean:+.4f} {_bounds(drawn.low, drawn.high)} on {what}"),
        _row("", f"A {_share(found.accuracy_a)}, B {_share(found.accuracy_b)}; Wilson"),
    ]
    if found.mcnemar is None:
        lines.append(_row("", f"no McNemar test: {found.why_no_mcnemar}"))
    else:
        test = found.mcnemar
        caveat = ", too small where members of a group are alike" if found.grouped else ""
        counts = f"only A right: {test.only_a}, only B right: {test.only_b}"
        lines.append(_row("McNemar", f"p {_p(test.p)}{caveat}; {counts}"))
    if found.n_left_out:
        lines.append(_row("", f"{found.n_left_out} examples are in only one of them, left out"))
    return lines


def _verdict(headline: Headline, tolerance: float) -> list[str]:
    said = verdict(headline, tolerance=tolerance)
    allowed = f" by more than {tolerance:g}" if said == "worse" and tolerance else ""
    return [_row("verdict", f"{VERDICTS[said]}{allowed} ({headline.basis})")]


def _interval(found: Difference) -> str:
    if found.low is None:
        return f"{found.mean:+.4f}"
    return f"{found.mean:+.4f}  95 % interval {_bounds(found.low, found.high)}"


def _bounds(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "[-inf, +inf]"
    return f"[{low:+.4f}, {high:+.4f}]"


def _share(found: Interval) -> str:
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.4f}"


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={show(value)}" for path, value in params.items()) or "(the file)"


def _row(name: str, text: str) -> str:
    return f"{name:<{WIDTH}} {text}".rstrip()


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    return ["  ".join(row).rstrip() for row in padded]
