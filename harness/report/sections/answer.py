"""The answer in one sentence, and how far it can be trusted."""

from typing import NamedTuple

from harness.report.content import Section, Text, section
from harness.report.intervals import Difference, Estimate, difference, holm
from harness.report.study import Configuration, Study
from harness.report.wording import estimate_text, metric_name, number, plural


class Answer(NamedTuple):
    """The winner and how it stands against the others.

    runner_up: the second's difference to the winner, on the study's compared scores. tied: how
    many others can't be told apart from the winner (Holm over all of them); None without a test.
    """

    best: Configuration
    validation: Estimate
    test: Estimate
    runner_up: Difference | None
    tied: int | None
    tried: int


def answer(study: Study) -> Section:
    """The answer as a section."""
    found = compute(study)
    status = Text(_status(study))
    if found is None:
        lead = Text("No answer yet: no configuration is complete.", lead=True)
        return section("answer", "Answer", lead, status)
    lines = [Text(sentence(found, study), lead=True)]
    lines += [Text(text) for text in (_doubt(found), _optimism(found)) if text]
    return section("answer", "Answer", *lines, status)


def compute(study: Study) -> Answer | None:
    """The winner on validation; None where no configuration is complete."""
    best = study.best
    if best is None:
        return None
    validation = study.estimates(f"val_{study.objective}")[best.trial_id]
    test = study.estimates(f"test_{study.objective}").get(best.trial_id, Estimate(None))
    split = study.compared_split
    scores = study.scores(f"{split}_{study.objective}").to_numpy(dtype=float)
    ratio = study.size_ratio(split)
    others = [difference(row, scores[0], ratio) for row in scores[1:]]
    p_values = [one.p_value for one in others if one.p_value is not None]
    tied = sum(p >= 0.05 for p in holm(p_values)) if p_values else None
    return Answer(best, validation, test, others[0] if others else None, tied, len(study.complete))


def sentence(found: Answer, study: Study) -> str:
    """Which configuration, how good, on what."""
    name = metric_name(study.objective)
    text = f"Best on validation: {found.best.label}, {name} {estimate_text(found.validation)}"
    text += f" ({_over(found)})" if found.validation.low is not None else ""
    if found.test.mean is not None:
        text += f"; on test {estimate_text(found.test)}"
    return text + "."


def _over(found: Answer) -> str:
    row = found.best.row
    folds = plural(int(row.get("n_folds") or 1), "fold")
    repeats = int(row.get("n_repeats") or 1)
    return f"mean over {folds}{f' x {repeats} repeats' if repeats > 1 else ''}, 95 % interval"


def _doubt(found: Answer) -> str:
    if found.tried < 2:
        return "One configuration: nothing to compare it with."
    if found.tied is None:
        return "With one fold no difference between configurations can be tested."
    others = found.tried - 1
    if found.tied == 0:
        return f"It differs from {_all(others)} (corrected t, Holm, 5 %)."
    if found.tied == others:
        none = "The other one can't" if others == 1 else f"None of the {others:,} others can"
        return f"{none} be told apart from it (corrected t, Holm, 5 %)."
    many = f"{found.tied:,} of the {others:,} others"
    return f"{many} can't be told apart from it (corrected t, Holm, 5 %)."


def _all(others: int) -> str:
    return "the other one" if others == 1 else f"all {others:,} others"


def _optimism(found: Answer) -> str:
    if found.tried < 2:
        return ""
    text = f"It is the best of {found.tried:,} tried, so its validation score is optimistic"
    if found.test.mean is None or found.validation.mean is None:
        return text + "."
    gap = number(abs(found.validation.mean - found.test.mean))
    side = "above" if found.validation.mean >= found.test.mean else "below"
    return f"{text}; it lies {gap} {side} the test score."


def _status(study: Study) -> str:
    planned = len(study.configurations)
    text = f"{len(study.complete):,} of {plural(planned, 'configuration')} complete"
    for status in ("failed", "pruned", "interrupted", "missing"):
        amount = sum(one.status == status for one in study.configurations)
        text += f", {amount:,} {status}" if amount else ""
    return text + "."
