"""Broken YAML is answered in words that say where to look."""

import pytest

from harness.config.yaml_reader import parse
from harness.errors import SpecError


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n  b: 1\n   c: 2\n", 3, "indented differently"),
        ("a:\n  b: 1\n c: 2\n", 3, "indented differently"),
        ("a: which: one\n", 1, "needs quotes"),
        ("epochs 3\nlr: 1\n", 2, "`key value` in the line above"),
        ("a: [1\nb: 2\n", 2, "closing bracket is missing"),
        ("a: 1\nb: 'x\nc: 2\n", 2, "a quote opens here and never closes"),
        ("a: 1\nlr\n", 3, "`: ` is missing after a key"),
        ("a: @x\n", 1, "needs quotes"),
        ("a: 1\n\tb: 2\n", 2, "a tab cannot indent"),
    ],
)
def test_a_mistake_of_form_is_answered_with_where_to_look(text, line, words):
    """Nobody has to know what a scalar or a mapping context is."""
    with pytest.raises(SpecError) as raised:
        parse(text, "a.yaml")
    (problem,) = raised.value.problems

    assert words in problem.message
    assert problem.line == line
