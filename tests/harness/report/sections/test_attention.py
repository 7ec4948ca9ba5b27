"""Tokens by attention: three rankings from rows chosen by hand."""

import pandas as pd
import pytest

from harness.report.blocks import Dropdown, Text
from harness.report.sections import attention
from harness.report.sections.attention import SHOWN, compute, draw, places, table
from tests.harness.report.folders import Trial, results_of

NAMES = ("dog", "cat")
ROWS = pd.DataFrame(
    [
        # cat in two folds, one block of two heads: (token, fold, head) -> occurrences, score
        ("cat", "the", 1, 1, 1, 6, 1.2),
        ("cat", "the", 1, 1, 2, 6, 0.6),
        ("cat", "the", 2, 1, 1, 4, 1.0),
        ("cat", "the", 2, 1, 2, 4, 0.2),
        ("cat", "purr", 1, 1, 1, 5, 2.0),
        ("cat", "purr", 1, 1, 2, 5, 0.5),
        ("cat", "meow", 1, 1, 1, 1, 0.9),
        ("cat", "meow", 1, 1, 2, 1, 0.9),
    ],
    columns=["class", "token", "fold", "block", "head", "count", "score_sum"],
)


def texts(tokens):
    return [token.text for token in tokens]


def test_scores_are_summed_over_folds_blocks_and_heads():
    """the: 1.2 + 0.6 + 1.0 + 0.2 in 10 occurrences; purr: 2.5 in 5; meow: 1.8 in one."""
    (cat,) = compute(ROWS, NAMES)
    assert [(one.text, one.occurrences) for one in cat.by_sum] == [
        ("the", 10),
        ("purr", 5),
        ("meow", 1),
    ]
    assert [one.score_sum for one in cat.by_sum] == pytest.approx([3.0, 2.5, 1.8])


def test_a_mean_is_per_occurrence_block_and_head_of_tokens_seen_often():
    """purr: 2.5 / (5 x 2), the: 3.0 / (10 x 2); meow is too rare for a mean."""
    (cat,) = compute(ROWS, NAMES)
    assert texts(cat.by_mean) == ["purr", "the"]
    assert [one.mean for one in cat.by_mean] == pytest.approx([0.25, 0.15])


def test_the_control_ranks_by_occurrences():
    """All three are among the first of both rankings."""
    (cat,) = compute(ROWS, NAMES)
    assert texts(cat.by_count) == ["the", "purr", "meow"]
    assert cat.shared == 3


def test_a_head_can_be_looked_at_alone():
    """Head 1: purr 2.0, the 2.2, meow 0.9; its means divide by occurrences alone."""
    (cat,) = compute(ROWS, NAMES, (1, 1))
    assert [one.score_sum for one in cat.by_sum] == pytest.approx([2.2, 2.0, 0.9])
    assert [one.mean for one in cat.by_mean] == pytest.approx([0.4, 0.22])


def test_summing_favours_frequent_tokens():
    """Twelve tokens of equal mean, seen 1 to 12 times: the ten most frequent lead."""
    rows = [("cat", f"t{n:02d}", 1, 1, 1, n, 0.5 * n) for n in range(1, 13)]
    (cat,) = compute(pd.DataFrame(rows, columns=ROWS.columns), NAMES)
    assert cat.shared == SHOWN
    assert texts(cat.by_sum)[0] == "t12"
    assert len({round(one.mean, 9) for one in cat.by_mean}) == 1


def test_all_blocks_and_heads_can_be_chosen_where_they_are_few():
    def grid(blocks, heads):
        cells = [("cat", "a", 1, b, h, 1, 0.1) for b in range(1, blocks + 1)
                 for h in range(1, heads + 1)]  # fmt: skip
        return places(pd.DataFrame(cells, columns=ROWS.columns))

    assert grid(1, 1) == [(None, None)]
    assert grid(1, 2) == [(None, None), (1, 1), (1, 2)]
    assert grid(2, 1) == [(None, None), (1, None), (2, None), (1, 1), (2, 1)]
    assert grid(4, 5) == [(None, None), (1, None), (2, None), (3, None), (4, None)]


def test_the_figure_shows_each_score_as_a_share_of_the_first():
    (heat,) = draw(compute(ROWS, NAMES), "by_sum").data
    assert [list(row) for row in heat.text] == [["the"], ["purr"], ["meow"]]
    assert [row[0] for row in heat.z] == pytest.approx([1, 2.5 / 3, 0.6], abs=1e-4)


def test_the_table_has_a_row_for_each_predicted_class():
    (row,) = table(compute(ROWS, NAMES)).rows
    assert [cell.text for cell in row] == ["cat", "the, purr, meow", "purr, the",
                                           "the, purr, meow", "3 of 3"]  # fmt: skip


def test_without_a_table_the_section_is_one_line(tmp_path):
    (block,) = attention.attention(results_of(tmp_path, Trial(1, [0.5, 0.6]))).blocks
    assert block == Text("No complete configuration shows what it attends to.")


def test_with_a_table_tables_and_views_can_be_chosen(tmp_path):
    """One configuration, and everything or either head of it."""
    results = results_of(tmp_path, Trial(1, [0.5, 0.6]))
    object.__setattr__(results, "attention", lambda trial_id: ROWS)
    _, tables, views = attention.attention(results).blocks
    assert isinstance(tables, Dropdown)
    assert [one.name for one in views.options] == [
        "All blocks and heads",
        "Block 1, head 1",
        "Block 1, head 2",
    ]
