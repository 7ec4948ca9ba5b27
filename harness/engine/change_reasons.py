"""Why the missing trials of a plan are new, counted; and what is said before code is retrained."""

from collections import Counter
from collections.abc import Iterator

from harness.engine.plan import Plan
from harness.plugins.catalog import TRAINING_VERSION_LABEL

_CODE = "code: "


def reason_counts(plan: Plan) -> dict[str, int]:
    """Reason -> missing trials with it, most frequent first; new values of any path are one."""
    reasons = Counter(_group(trial.reason) for trial in plan.missing)
    return dict(reasons.most_common())


def code_notes(plan: Plan) -> Iterator[str]:
    """One line for each file whose change alone makes finished trials train again."""
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
    if TRAINING_VERSION_LABEL in reason:
        return "use the bench that made them (column `versions`)"
    return "take the change back (git stash)"


def _group(reason: str) -> str:
    return "new values" if reason.startswith("value: ") else reason
