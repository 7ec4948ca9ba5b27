"""A benchmark is found by path or by name, from any directory."""

import pytest

from harness.config.benchmark_lookup import find_benchmark, hides_shipped
from harness.errors import BenchError


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of shipped benchmarks, and an empty working directory beside it."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "quickstart.yaml").write_text("x")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


def test_a_shipped_benchmark_is_found_by_name_with_or_without_suffix(shipped):
    """From a directory that has nothing."""
    assert find_benchmark("quickstart", shipped=shipped) == shipped / "quickstart.yaml"
    assert find_benchmark("quickstart.yaml", shipped=shipped) == shipped / "quickstart.yaml"


def test_the_path_as_given_comes_first_then_the_users_own_folder(shipped, tmp_path):
    """A file in the working directory, then ./benchmarks, then the shipped ones."""
    own = tmp_path / "work" / "benchmarks"
    own.mkdir()
    (own / "quickstart.yaml").write_text("x")
    assert find_benchmark("quickstart", shipped=shipped).resolve() == own / "quickstart.yaml"
    (tmp_path / "work" / "quickstart.yaml").write_text("x")
    assert find_benchmark("quickstart", shipped=shipped).resolve().parent == tmp_path / "work"


def test_a_folder_of_that_name_is_no_benchmark(shipped, tmp_path):
    """A results folder beside the file must not hide it."""
    (tmp_path / "work" / "quickstart").mkdir()
    assert find_benchmark("quickstart", shipped=shipped) == shipped / "quickstart.yaml"


def test_a_name_with_a_dot_is_still_completed(shipped):
    """`v1.2` has no YAML suffix."""
    (shipped / "v1.2.yaml").write_text("x")
    assert find_benchmark("v1.2", shipped=shipped) == shipped / "v1.2.yaml"


def test_a_model_file_or_a_folder_is_told_apart_from_a_benchmark(shipped, tmp_path):
    """What the shell's completion may put there; YAML's own words would puzzle."""
    (tmp_path / "work" / "mlp.py").write_text("x = 1\n")
    (tmp_path / "work" / "results").mkdir()
    with pytest.raises(BenchError, match=r"mlp\.py is Python, .* `model: \{name: mlp\}`"):
        find_benchmark("mlp.py", shipped=shipped)
    with pytest.raises(BenchError, match="'results': a folder, not a file"):
        find_benchmark("results", shipped=shipped)


@pytest.mark.parametrize("name", ["quickstrat", "quickstrat.yaml", "", ".", "..", "/"])
def test_an_unknown_name_lists_what_is_there(shipped, name):
    """With the nearest one where there is any."""
    with pytest.raises(BenchError, match="there are: quickstart") as raised:
        find_benchmark(name, shipped=shipped)
    assert ("did you mean 'quickstart'" in str(raised.value)) == name.startswith("quickstrat")


def test_a_users_file_under_a_shipped_name_hides_it(shipped, tmp_path):
    """A path of one's own is no accident."""
    own = tmp_path / "work" / "benchmarks" / "quickstart.yaml"
    own.parent.mkdir()
    own.write_text("x")

    assert hides_shipped("quickstart", own, shipped=shipped)
    assert not hides_shipped("benchmarks/quickstart.yaml", own, shipped=shipped)
    assert not hides_shipped("quickstart", shipped / "quickstart.yaml", shipped=shipped)
    assert not hides_shipped("mine", own.with_name("mine.yaml"), shipped=shipped)
