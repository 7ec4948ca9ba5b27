"""Which configurations of one study were scored on the same examples, fold by fold."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness.report.study import Configuration, Study

if TYPE_CHECKING:
    import pandas as pd

PICKS_NO_EXAMPLES = ("normalize", "front_end")


def same_folds(study: Study) -> Callable[[Configuration, Configuration], bool]:
    """Whether the scores of two complete configurations may be paired fold by fold.

    Their shared folds hold the same index sets, of the same dataset; where other options of the
    dataset differ, the ids of the predicted examples have to be the same.
    """
    hashes = _split_hashes(study)
    data = {one.trial_id: _data(one) for one in study.complete}
    firsts = {key: trial_id for trial_id, key in reversed(data.items())}
    examples = _examples(study, firsts) if len(firsts) > 1 else {}

    def same(a: Configuration, b: Configuration) -> bool:
        if hashes.get(a.trial_id) != hashes.get(b.trial_id):
            return False
        of_a, of_b = data[a.trial_id], data[b.trial_id]
        if of_a == of_b:
            return True
        return _name(of_a) == _name(of_b) and bool(examples[of_a]) and (
            examples[of_a] == examples[of_b]
        )  # fmt: skip

    return same


def _split_hashes(study: Study) -> dict[str, tuple[Any, ...]]:
    wide: pd.DataFrame = study.scores("split_hash")
    texts = wide.astype(object).where(wide.notna(), None)
    return {str(trial_id): tuple(row) for trial_id, row in
            zip(texts.index, texts.to_numpy(), strict=True)}  # fmt: skip


def _data(one: Configuration) -> str:
    section = json.loads(one.row.get("config") or "{}").get("dataset", {})
    kept = {key: value for key, value in section.items() if key not in PICKS_NO_EXAMPLES}
    return json.dumps(kept, sort_keys=True)


def _name(data: str) -> Any:
    return json.loads(data).get("name")


def _examples(study: Study, firsts: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Dataset -> the ids that one of its configurations validated."""
    rows = study.items(list(firsts.values()), "validation")
    return {key: frozenset(rows.loc[rows["trial_id"] == trial_id, "example_id"])
            for key, trial_id in firsts.items()}  # fmt: skip
