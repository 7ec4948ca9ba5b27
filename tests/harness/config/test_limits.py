"""What is too large is refused with the limit's number, and what is within costs little."""

from itertools import product
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.limits import CONFIGURATIONS, EPOCHS, FILE_BYTES, FOLDS, VALUES
from harness.config.read import read_benchmark
from harness.config.space import Choice, Exclusions, Parameter, Space, grid, holds
from harness.config.yaml_io import scan
from harness.errors import MOST_PROBLEMS, Problem, SpecError, nearest, shortened
from tests.spec_files import FILE, changed, problems_of, read, searching


def refused(tmp_path, text: str) -> str:
    """What is said of a file with this text."""
    file = tmp_path / "large.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as error:
        read_benchmark(file)
    return str(error.value)


def test_a_file_of_a_megabyte_is_not_read(tmp_path):
    """Nor is an endless one: no more than the limit is read of it."""
    text = refused(tmp_path, f"question: {'x' * FILE_BYTES}")
    assert text.endswith("large.yaml: larger than 1,048,576 bytes, the most that is read")


def test_a_file_of_many_values_is_not_read_to_its_end(tmp_path):
    """A list of a million values: at the one that is too many, the line is named."""
    text = refused(tmp_path, f"{FILE}metrics:\n" + VALUES * "- 1\n")
    assert ": more than 50,000 keys and values, the most that is read" in text
    document, _ = scan("a: [1, 2]", "some.yaml", most_values=5)  # mapping, key, list, two values
    assert document.value == {"a": [1, 2]}
    with pytest.raises(SpecError, match="more than 4 keys and values"):
        scan("a: [1, 2]", "some.yaml", most_values=4)


@pytest.mark.parametrize("more", ["key{}: 1", "seed: 1", "{}: 1"])
def test_the_check_ends_at_a_hundred_problems(tmp_path, more):
    """Of unknown keys, of duplicate ones, of keys that are no text; the head says so."""
    text = refused(tmp_path, FILE + "".join(more.format(i) + "\n" for i in range(150)))
    assert text.startswith("100 problems, and the check went no further\n")
    assert len(text.splitlines()) == 1 + MOST_PROBLEMS


def test_of_problems_found_together_a_hundred_are_shown():
    """How many more there are stands at the end."""
    problems = [Problem("wrong", line=line) for line in range(1, 131)]
    assert str(SpecError(problems)).splitlines()[-1] == "  and 30 more"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs: 100", f"epochs: {EPOCHS + 1}", "found 1000001; allowed: an integer of at least 1 "
         "and of at most 1,000,000"),
        ("objective:", "repeats: 1000000000\nobjective:", "at least 1 and of at most 1,000"),
        ("objective:", "  algorithm: random\n  num_samples: 1000000000\nobjective:",
         "at least 1 and of at most 100,000"),
    ],
)  # fmt: skip
def test_numbers_that_no_run_would_end_with_are_refused(old, new, words):
    """Epochs, repeats, draws."""
    (problem,) = problems_of(changed(old, new))
    assert words in problem


def test_folds_of_all_repeats_are_counted_together():
    """Each limit alone would let a million models train side by side."""
    cut = {"strategy: predefined\n  test_fold: 1": f"strategy: kfold\n  n_splits: {FOLDS}"}
    (old, new), *_ = cut.items()
    read(changed(old, new))
    (problem,) = problems_of(changed(old, new) + "repeats: 2\n")
    assert problem.endswith("found 2 repeats of 1,000; allowed: at most 1,000 folds in all")
    (problem,) = problems_of(changed(old, f"strategy: kfold\n  n_splits: {FOLDS + 1}"))
    assert "at least 2 and of at most 1,000" in problem


def test_a_grid_of_a_million_is_refused():
    """A thousand by a thousand, of which no one is made."""
    thousand = list(range(1, 1001))
    space = f"training.batch_size: {thousand}\nmodel.hidden_dim: {thousand}"
    (problem,) = problems_of(searching(space, "batch_size: 32"))
    assert problem.endswith(f"found 1,000,000 combinations; allowed: at most {CONFIGURATIONS:,}")


def test_what_is_shown_of_a_long_text_is_its_beginning():
    """A name of a million letters is not echoed, nor compared with others."""
    assert shortened("short") == "short"
    assert shortened("x" * 1_000_000) == "x" * 500 + "… (1,000,000 characters)"
    problem = Problem("unknown", path="y" * 9999, found="x" * 9999, allowed="z" * 9999)
    assert len(str(problem)) < 1700
    assert nearest("x" * 1_000_000, ["accuracy"]) is None
    assert nearest("accurac", ["accuracy"]) == "accuracy"


VALUE = st.sampled_from([1, 1.0, 2, True, "a", [1], None])
CONDITION = st.dictionaries(st.sampled_from("xyz"), st.lists(VALUE, max_size=3).map(tuple))


@given(st.lists(CONDITION, max_size=6))
def test_many_exclusions_at_once_hold_where_one_of_them_does(conditions):
    """At every point, those that lack a path included; 1 is 1.0 but not true."""
    exclusions = Exclusions(conditions)
    for x, y in product([1, True, "a", [1], None, 2.5], [None, 2, 1.0]):
        for point in ({"x": x, "y": y}, {"x": x}, {"z": y}, {}):
            assert exclusions.hold(point) == any(holds(one, point) for one in conditions)


def test_exclusions_cost_the_same_however_many_they_are():
    """Five thousand of them on five thousand points: in turn that would be 25 million questions."""
    values = tuple(range(5000))
    space = Space(
        (Parameter(("model.a",), Choice(values)),),
        exclude=tuple({"model.a": (value,)} for value in values[:-1]),
    )
    started = thread_time()
    assert list(grid(space)) == [{"model.a": 4999}]
    assert thread_time() - started < 2
