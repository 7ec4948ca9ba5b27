"""Reading a file: its values, and every typical mistake with line, field and the nearest name."""

import time

import pytest

from harness.config.expand import configurations
from harness.config.read import (
    find_benchmark,
    hides_shipped,
    parse_benchmark,
    read_benchmark,
)
from harness.config.sections import Schedule
from harness.config.space import Choice, IntRange, LogUniform
from harness.errors import BenchError, SpecError
from tests.spec_files import FILE, VARIANTS, changed, problems_of, read, searching


def test_a_file_becomes_a_value_with_every_default():
    """The name is the file's stem; the objective's metric is among the metrics."""
    spec = read()
    assert (spec.name, spec.file, spec.seed, spec.repeats) == ("heads", "heads.yaml", 0, 1)
    assert spec.metrics == ("accuracy",)
    assert (spec.weights, spec.predictions, spec.baseline) == ("best", "all", None)
    assert (spec.training.selection, spec.training.weight_decay) == ("best", 0.0)
    assert spec.dataset.options == {"subset": "esc10"}
    assert (spec.search.algorithm, spec.search.num_samples) == ("grid", None)
    assert spec.published[0].numbers == {"test_accuracy": 0.5875}


def test_a_searched_path_holds_its_first_value():
    """The typed sections carry a representative, so that they can be built."""
    assert read().model.options == {"num_heads": 1, "hidden_dim": 512}


def test_metrics_always_hold_the_objective():
    """Named or not."""
    assert read(FILE + "metrics: [macro_f1]\n").metrics == ("accuracy", "macro_f1")
    assert read(FILE + "metrics: [macro_f1, accuracy]\n").metrics == ("macro_f1", "accuracy")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{strategy: predefined}", ("rotate", None, None, None)),
        ("{strategy: kfold}", ("rotate", 5, None, None)),
        ("{strategy: stratified, test_fold: official}", ("official", 5, None, None)),
        ("{strategy: group, n_splits: 4, test_fold: none}", ("none", 4, None, None)),
        ("{strategy: holdout}", (None, None, 0.2, 0.2)),
        ("{strategy: holdout, test_size: 50}", (None, None, 0.2, 50)),
        ("{strategy: official}", (None, None, None, None)),
    ],
)
def test_cross_validation_writes_its_defaults_out(section, expected):
    """What is left out and what is spelled out must be the same folds."""
    folds = read(FILE, f"cross_validation={section}").cross_validation
    found = (folds.test_fold, folds.n_splits, folds.validation_size, folds.test_size)
    assert found == expected


def test_domains_of_every_kind_are_read():
    """A list, ranges of real numbers and of integers, and linked paths."""
    space = (
        "training.lr: {loguniform: [1e-4, 1]}\nmodel.depth: {int: [2, 8, 2]}\n"
        "'model.width,model.heads': [[48, 4], [120, 10]]"
    )
    text = searching(space, "lr: 0.001").replace(
        "search:\n", "search:\n  algorithm: random\n  num_samples: 3\n"
    )
    assert [(one.path, one.domain) for one in read(text).domains] == [
        ("training.lr", LogUniform(1e-4, 1.0)),
        ("model.depth", IntRange(2, 8, 2)),
        ("model.width", Choice((48, 120))),
        ("model.heads", Choice((4, 10))),
    ]


def test_integers_become_real_where_the_field_is_real():
    """lr: [1, 0.1] must not make one column of two types."""
    values = [c.params["training.lr"] for c in configurations(read(searching(
        "training.lr: [1, 0.1]", "lr: 0.001")))]  # fmt: skip
    assert values == [1.0, 0.1]
    assert [type(value) for value in values] == [float, float]


def test_a_schedule_of_defaults_is_its_name():
    """Two spellings of one schedule must not be two trials."""
    assert read(FILE, "training.schedule={name: cosine}").training.schedule == "cosine"
    chosen = read(FILE, "training.schedule={name: step, milestones: [30, 60]}").training.schedule
    assert chosen == Schedule(name="step", milestones=(30, 60))


def test_a_problem_found_later_stands_at_the_right_line():
    """Planning checks values against a model's signature and reports them through the spec."""
    text = changed("[1, 2, 4]", "[1,\n      2,\n      x]")
    spec = read(text)
    assert spec.problem("model.num_heads", "no").line == 17
    problem = spec.problem("model.num_heads", "wrong value", value="x", allowed="int")
    assert (problem.line, problem.path) == (19, "search.space.model.num_heads[2]")
    assert (problem.found, problem.allowed) == ("x", "int")
    assert spec.problem("dataset.subset", "no").line == 4
    assert spec.problem("model.unheard", "no").line == 5
    assert spec.problem("cross_validation.strategy", "no").line == 13
    later = read(VARIANTS).problem("training.epochs", "no", variant="attention")
    assert (later.line, later.path) == (14, "variants.attention.training.epochs")


def test_a_grid_too_large_to_enumerate_is_refused_at_once():
    """Ten parameters of ten values would be ten thousand million trials."""
    space = "\n".join(f"model.p{n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for n in range(10))
    assert "10,000,000,000 combinations" in problems_of(searching(space))[0]


def test_ten_thousand_configurations_are_read_and_expanded_in_seconds():
    """A generous guard: validation goes by domain, not by configuration."""
    ten = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
    keys = ("model.a", "model.b", "training.lr", "training.batch_size")
    text = searching("\n".join(f"{key}: {ten}" for key in keys), "lr: 0.001", "batch_size: 32")
    started = time.perf_counter()
    assert len(configurations(read(text))) == 10_000
    drawn = text.replace("search:\n", "search:\n  algorithm: random\n  num_samples: 9000\n")
    assert len(configurations(read(drawn))) == 9000
    assert time.perf_counter() - started < 5


def test_a_file_is_read_from_disk(tmp_path):
    """The path names it in errors; what can't be read is said without a traceback."""
    file = tmp_path / "heads.yaml"
    file.write_text(FILE)
    assert read_benchmark(file).name == "heads"
    with pytest.raises(BenchError, match=r"gone\.yaml: can't be read"):
        read_benchmark(tmp_path / "gone.yaml")
    file.write_bytes(FILE.encode() + b"# \xff\n")
    with pytest.raises(SpecError, match=r"heads\.yaml:24: the file is not UTF-8 text"):
        read_benchmark(file)
    with pytest.raises(BenchError, match="can't be read"):
        read_benchmark(tmp_path)


def test_a_condition_may_spell_a_schedule_out():
    """The domain holds the short name of a schedule of defaults; conditions mean the same."""
    text = searching("training.schedule: [cosine, step]\nmodel.depth: [1, 2]")
    rule = "search:\n  exclude: [{training.schedule: {name: cosine}, model.depth: 1}]\n"
    assert len(configurations(read(text.replace("search:\n", rule)))) == 3


@pytest.mark.parametrize("name", ["_smoke", ".hidden", "a@b", "a:b", "a=b"])
def test_a_name_that_commands_would_misread_is_refused(name):
    """`BENCHMARK@RUN:SELECTOR` and `key=value` need those characters."""
    with pytest.raises(SpecError, match="the file's name is the benchmark's"):
        parse_benchmark(FILE, file=f"{name}.yaml")


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
