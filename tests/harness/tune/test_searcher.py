"""What Tune is given and what it says of ends, without Tune."""

import pytest
from ray.tune.search import Searcher

from harness.search.optuna_study import Ended
from harness.tune.searcher import DrawingSearcher


def searcher(missing=(), drawn=(), told=None) -> DrawingSearcher:
    """One whose draws have these indices."""
    left = list(drawn)
    heard = [] if told is None else told
    return DrawingSearcher(
        missing,
        lambda: left.pop(0) if left else None,
        lambda index, ended: heard.append((index, ended)),
    )


def test_what_is_missing_comes_before_what_is_drawn():
    """Then there is nothing more."""
    found = searcher(missing=[0, 1], drawn=[2])
    assert [found.suggest(name) for name in "abcd"] == [
        {"index": 0}, {"index": 1}, {"index": 2}, Searcher.FINISHED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("result", "error", "ended"),
    [
        ({"status": "complete", "objective": 0.9}, False, Ended("complete", 0.9)),
        ({"status": "failed", "objective": None}, False, Ended("failed")),
        ({"status": "running", "objective": 0.4, "epoch": 3}, False, Ended("pruned", 0.4, 3)),
        (None, True, Ended("failed")),
        (None, False, None),
        ({"status": "handed back", "objective": None}, False, None),
    ],
)
def test_ends_are_told_by_our_status(result, error, ended):
    """What is tried again has not ended."""
    told: list = []
    found = searcher(drawn=[7], told=told)
    found.suggest("a")
    found.on_trial_complete("a", result, error)
    found.on_trial_complete("a", result, error)
    assert told == ([(7, ended)] if ended else [])


def test_it_leaves_nothing_in_tunes_folder(tmp_path):
    """What ended is in the tables."""
    searcher().save_to_dir(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
