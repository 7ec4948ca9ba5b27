"""Which configurations of one benchmark were scored on the same examples, fold by fold."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.results.trial_config import DataIdentity, data_identity, picks_examples

if TYPE_CHECKING:
    import pandas as pd


def same_folds(results: BenchmarkResults) -> Callable[[Configuration, Configuration], bool]:
    """Whether the scores of two complete configurations may be paired fold by fold.

    Their shared folds hold the same index sets, of the same dataset; where its other options or
    its raw files differ, the ids and classes of the predicted examples have to be the same.
    """
    hashes = _split_hashes(results)
    data = {one.trial_id: _data(one) for one in results.complete}
    firsts = {key: trial_id for trial_id, key in reversed(data.items())}
    examples = _examples(results, firsts) if len(firsts) > 1 else {}

    def same(a: Configuration, b: Configuration) -> bool:
        if hashes.get(a.trial_id) != hashes.get(b.trial_id):
            return False
        of_a, of_b = data[a.trial_id], data[b.trial_id]
        if of_a == of_b:
            return True
        return (
            of_a.identity.is_same(of_b.identity)
            and bool(examples[of_a])
            and examples[of_a] == examples[of_b]
        )

    return same


class _Data(NamedTuple):
    """options: JSON of those that may pick examples."""

    identity: DataIdentity
    options: str


def _split_hashes(results: BenchmarkResults) -> dict[str, tuple[Any, ...]]:
    wide: pd.DataFrame = results.scores("split_hash")
    texts = wide.astype(object).where(wide.notna(), None)
    return {str(trial_id): tuple(row) for trial_id, row in
            zip(texts.index, texts.to_numpy(), strict=True)}  # fmt: skip


def _data(one: Configuration) -> _Data:
    config = json.loads(one.row.get("config") or "{}")
    section = config.get("dataset", {})
    kept = {key: value for key, value in section.items() if picks_examples(f"dataset.{key}")}
    identity = data_identity(config, one.row.get("data_fingerprint"))
    return _Data(identity, json.dumps(kept, sort_keys=True))


def _examples(
    results: BenchmarkResults, firsts: Mapping[_Data, str]
) -> dict[_Data, frozenset[tuple[str, int]]]:
    """Data -> the ids and true classes that one of its configurations validated."""
    rows = results.items(list(firsts.values()), "validation")
    found = {}
    for key, trial_id in firsts.items():
        own = rows[rows["trial_id"] == trial_id]
        found[key] = frozenset(zip(own["example_id"], own["target"], strict=True))
    return found
