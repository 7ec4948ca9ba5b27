"""The text of a file becomes plain values with lines, or clear problems."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.yaml_io import dump, parse, parse_value, show
from harness.errors import SpecError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("true", True),
        ("no", "no"),
        ("True", "True"),
        ("", None),
        ("~", None),
        ("null", None),
        ("0777", "0777"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("'1'", "1"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    """Numbers are YAML 1.2's, only true and false are booleans, nothing is a date."""
    read = parse(f"key: {text}\n", "a.yaml").value["key"]
    assert read == value
    assert type(read) is type(value)


def test_every_key_and_item_has_its_line():
    """Lines count from 1; a key's line is where it stands, a list item's where it begins."""
    document = parse("a: 1\nb:\n  c: [1,\n    2]\n  d: x\n", "a.yaml")
    assert document.value == {"a": 1, "b": {"c": [1, 2], "d": "x"}}
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 4,
        ("b", "d"): 5,
    }
    assert document.place(("b", "d", "deeper")) == ("a.yaml", 5)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "empty"),
        ("# only a comment\n", None, "empty"),
        ("---\n", None, "empty"),
        ("a: 1\n---\nb: 2\n", 2, "several documents"),
        ("- 1\n", 1, "a mapping of keys; found a list"),
        ("hello\n", 1, "found hello"),
        ("a: &x 1\nb: *x\n", 2, "aliases are not supported"),
        ("a: &x [*x]\n", 1, "anchors are not supported; found &x"),
        ("a:\n  <<: {b: 1}\n", 2, "merge keys are not supported"),
        ("a: 1\n? [1, 2]\n: 3\n", 2, "a key must be text, not a list"),
        ("{a: 1}: 3\n", 1, "a key must be text"),
        ("a: 1\n7: 2\n", 2, "a key must be text; found 7"),
        ("a: 1\n\tb: 2\n", 2, "a tab cannot indent"),
        ("a: 1\nb: .nan\n", 2, "must be finite"),
        ("a: 1e999\n", 1, "must be finite"),
        ("a: 1\nb: 99999999999999999999\n", 2, "must fit 64 bits"),
        ("a: " + "9" * 5000, 1, "must fit 64 bits"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tags are not supported"),
        ("a: 1\nb: \x00\n", 2, "control characters"),
        ("a: \ud800\n", None, "not Unicode"),
        ("[" * 100_000, 1, "nested more than"),
        ("a: " + "{a: " * 10_000, 1, "nested more than"),
    ],
)
def test_unusable_text_says_what_and_where(text, line, words):
    """Whatever YAML allows and a benchmark file does not gets its own answer."""
    with pytest.raises(SpecError) as raised:
        parse(text, "a.yaml")
    assert any(
        words in str(problem) and problem.line == line for problem in raised.value.problems
    ), str(raised.value)


def test_duplicate_keys_name_both_lines():
    """YAML lets the last of two keys win in silence; here both are pointed at, nested ones too."""
    with pytest.raises(SpecError) as raised:
        parse("a: 1\nb:\n  c: 2\n  c: {d: 3}\nrows:\n  - {x: 1, x: 2}\na: 4\n", "a.yaml")
    assert [(p.path, p.line) for p in raised.value.problems] == [
        ("b.c", 4),
        ("rows[0].x", 6),
        ("a", 7),
    ]
    assert "line 1 and again in line 7" in str(raised.value)


def test_an_alias_bomb_is_refused_at_once():
    """Nine levels of nine references would be 387 million values."""
    bomb = "a0: &a0 [1]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    started = time.perf_counter()
    with pytest.raises(SpecError, match="aliases are not supported"):
        parse(bomb, "a.yaml")
    assert time.perf_counter() - started < 1


def test_forty_thousand_scalars_are_read_quickly():
    """A generous guard against reading in pure Python or in quadratic time."""
    text = "a:\n" + "".join(f"  k{i}: [{i}, {i}.5, abc, 1e-4]\n" for i in range(10_000))
    started = time.perf_counter()
    assert len(parse(text, "a.yaml").value["a"]) == 10_000
    assert time.perf_counter() - started < 3


def test_one_value_of_the_command_line_follows_the_same_rules():
    """Overrides and files read alike."""
    assert parse_value("1e-4") == 0.0001
    assert parse_value("[1, no, {a: ~}]") == [1, "no", {"a": None}]
    assert parse_value("") is None
    with pytest.raises(SpecError, match="command line"):
        parse_value("[1")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)))
    | st.sampled_from(["1e-4", "null", "~", "true", "no", "<<", ".inf", "0777", "- a", "a: b"])
)


PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc <:'#1", min_size=1), inner)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_dumped_reads_back_equal(value):
    """Text that looks like a number, a null or a boolean is quoted, everything else survives."""
    document = {"key": value}
    assert repr(parse(dump(document), "a.yaml").value) == repr(document)


@given(PLAIN)
def test_a_shown_value_is_one_short_line(value):
    """Messages quote values; they must stay readable."""
    assert len(show(value)) <= 60
    assert "\n" not in show(value)


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
