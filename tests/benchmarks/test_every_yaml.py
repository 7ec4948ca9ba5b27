"""What every shipped benchmark file promises, and the numbers that the reports printed."""

import re
import shlex
from pathlib import Path

import pytest

import benchmarks
from harness.config.expand import configurations
from harness.config.read import read_benchmark
from harness.config.sections import FrontEnd
from harness.data.front_end import described
from harness.plugins import catalog
from harness.training.model_summary import check_model

FILES = sorted(Path(benchmarks.__file__).parent.glob("*.yaml"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
CONFIGURATIONS = {
    "quickstart": 16,
    "esc50_cnn": 4,
    "esc50_transformer": 6,
    "esc50_cnn_random": 14,
    "esc50_transformer_random": 30,
    "esc50_logmel": 2,
    "cifar10_cnn": 6,
    "cifar10_cnn_pooled": 6,
    "cifar10_cnn_changes": 12,
    "cifar10_rotation": 12,
    "cifar10_vit_patches": 6,
    "cifar10_vit_heads": 9,
    "cifar10_vit_cls": 11,
    "cifar10_vit_matched": 33,
    "emotion_transformer": 3,
}
COMMAND = re.compile(r"bench run .*")


def header(file: Path) -> str:
    """The comment before the first key."""
    lines = file.read_text(encoding="utf-8").splitlines()
    first_key = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:first_key])


def published(name: str) -> list:
    return list(read_benchmark(file_of(name)).published)


def file_of(name: str) -> Path:
    return next(file for file in FILES if file.stem == name)


def test_the_shipped_benchmarks_are_found():
    """The three first benchmarks are among those tested here."""
    assert set(CONFIGURATIONS) <= {file.stem for file in FILES}


@pytest.mark.parametrize(("name", "n"), CONFIGURATIONS.items())
def test_number_of_configurations(name, n):
    """heads x patches x CLS x optimizer; lr x batch; heads x hidden; published draws and our own;
    architectures in both readings; initialisation x dropout x schedule;
    patches with overlap; heads that fit their width; ten layers and a control; cells x lr;
    starts x labels; two embeddings and a bag of tokens."""
    assert len(configurations(read_benchmark(file_of(name)))) == n


@every_file
def test_the_header_tells_question_cost_and_expectation(file):
    """A reader knows before the first key what it asks, takes, should give, and a small start."""
    text = header(file)
    assert "?" in text.splitlines()[0]
    assert all(f"\n{word}:" in text for word in ("Cost", "Expect", "Laptop"))


@every_file
def test_the_commands_of_the_header_work(file):
    """Every `bench run` of the header names this file and overrides that it accepts."""
    commands = [shlex.split(line) for line in COMMAND.findall(header(file))]
    assert commands
    for _, _, name, *rest in commands:
        overrides = [word for word in rest if "=" in word]
        assert name == file.stem
        assert configurations(read_benchmark(file, overrides))


@every_file
def test_every_configuration_can_be_built(file):
    """Model and dataset exist, take the options, and every model fits the data's shape."""
    seen = set()
    for one in configurations(read_benchmark(file)):
        dataset, model = dict(one.sections["dataset"]), dict(one.sections["model"])
        entry = catalog.find("model", model.pop("name"))
        data = catalog.find("dataset", dataset.pop("name"))
        arguments, options = catalog.signature(entry).arguments, catalog.signature(data).arguments
        for key, value in model.items():
            arguments[key].check(value)
        own = {key: options[key].check(v) for key, v in dataset.items() if key in options}
        front_end = dataset.get("front_end")
        description = described(
            catalog.load(data).describe(**own), front_end and FrontEnd.model_validate(front_end)
        )
        call = (entry.name, *sorted(model.items()), description.input_shape)
        if call not in seen:
            assert None is check_model(
                catalog.load(entry).build,
                arguments={**model, **description.model_arguments},
                input_shape=description.input_shape,
                num_classes=len(description.class_names),
                input_dtype=description.input_dtype,
            )
        seen.add(call)


@every_file
def test_published_numbers_belong_to_a_configuration(file):
    """Every `where` names searched paths with values that the search visits."""
    spec = read_benchmark(file)
    visited = [one.params for one in configurations(spec)]
    for row in spec.published:
        assert any(row.where.items() <= params.items() for params in visited), row


@every_file
def test_published_numbers_name_report_and_place(file):
    """The source is a report and a task or table; flaws are those of the known list."""
    for row in read_benchmark(file).published:
        assert re.fullmatch(r"report 00\d, .+", row.source)
        assert set(row.flaws) <= set(range(1, 23))


def test_impossible_accuracies_are_flagged():
    """A part has 80 clips: no count of them gives 0.3725, which flaw 16 (or 2) has to say."""
    for name in ("esc50_cnn", "esc50_transformer"):
        for row in published(name):
            clips = 80 if row.fold else 4 * 80
            heard = [
                v for key, v in row.numbers.items() if key in ("val_accuracy", "test_accuracy")
            ]
            for value in heard:
                possible = abs(value * clips - round(value * clips)) < 0.5e-4 * clips
                assert possible or {2, 16} & set(row.flaws), row


def test_cnn_numbers_of_the_reports():
    """The four combinations on test part 1, and validation of the four folds with its average."""
    rows = published("esc50_cnn")
    grid = {
        (row.where["training.lr"], row.where["training.batch_size"]): row.numbers["test_accuracy"]
        for row in rows
        if "Task 3" in row.source
    }
    assert grid == {(0.001, 32): 0.425, (0.001, 64): 0.475, (0.01, 32): 0.4125, (0.01, 64): 0.1}
    folds = {r.fold: r.numbers["val_accuracy"] for r in rows if "Task 2" in r.source}
    average = folds.pop(None)
    assert folds == {2: 0.475, 3: 0.35, 4: 0.4125, 5: 0.375}
    trained = {r.fold: r.numbers["train_accuracy"] for r in rows if "train_accuracy" in r.numbers}
    assert trained == {2: 1.0, 3: 0.9958, 4: 0.979, 5: 0.99583}
    assert average == pytest.approx(sum(folds.values()) / 4)


def test_transformer_numbers_of_the_reports():
    """The grid on test part 1, and averages over four folds that are not those of the folds."""
    rows = published("esc50_transformer")

    def cell(row):
        return row.where["model.num_heads"], row.where["model.hidden_dim"]

    grid = {cell(row): row.numbers["test_accuracy"] for row in rows if "Task 5" in row.source}
    assert grid == {
        (1, 512): 0.425,
        (1, 1024): 0.325,
        (2, 512): 0.5125,
        (2, 1024): 0.5125,
        (4, 512): 0.575,
        (4, 1024): 0.5875,
    }
    folds = [r for r in rows if "Task 2" in r.source and r.fold]
    means = {
        heads: sum(r.numbers["val_accuracy"] for r in folds if cell(r)[0] == heads) / 4
        for heads in (1, 2, 4)
    }
    assert means == pytest.approx({1: 0.425, 2: 0.525, 4: 0.605})
    averages = {cell(r)[0]: r for r in rows if "Task 2" in r.source and not r.fold}
    assert {heads: r.numbers["val_accuracy"] for heads, r in averages.items()} == {
        1: 0.4531,
        2: 0.4937,
        4: 0.5208,
    }
    assert all(2 in row.flaws for row in averages.values())


@pytest.mark.parametrize("name", ["cifar10_cnn", "cifar10_cnn_pooled"])
def test_cifar_cnn_numbers_of_report_003(name):
    """The comparison table of Task 3, each architecture in each reading, beside Task 1's 0.79."""
    table = {
        re.search(r"architecture (\d)", row.source).group(1): tuple(row.numbers.values())
        for row in published(name)
        if "Task 3" in row.source
    }
    assert table == {
        "1": (0.78, 0.78, 0.78, 0.78),
        "2": (0.22, 0.19, 0.22, 0.17),
        "3": (0.43, 0.43, 0.43, 0.42),
        "4": (0.82, 0.82, 0.82, 0.82),
    }
    assert [row.numbers["test_accuracy"] for row in published(name)].count(0.43) == 2
    assert published(name)[0].numbers["test_accuracy"] == 0.79
    assert all({19, 20} <= set(row.flaws) for row in published(name))


def test_the_split_of_report_003_has_its_6000_test_images():
    """All 60,000 are pooled for it; the standard file keeps the official 10,000."""
    pooled, standard = (read_benchmark(file_of(f"cifar10_cnn{end}")) for end in ("_pooled", ""))
    assert pooled.dataset.options["split"] == "pooled"
    assert pooled.cross_validation.test_size == 6_000
    assert standard.cross_validation.strategy == "official"
    assert pooled.variants[0].space == standard.variants[0].space


def test_each_change_of_task_4_is_alone_and_together():
    """Report 003 changed three things at once; its own combination is among the twelve."""
    spec = read_benchmark(file_of("cifar10_cnn_changes"))
    points = [tuple(one.params.values()) for one in configurations(spec)]
    assert {("default", 0.0, "constant"), ("xavier", 0.0, "constant"), ("default", 0.5, "constant"),
            ("default", 0.0, "cosine"), ("xavier", 0.5, "cosine"),
            ("xavier_noop", 0.5, "cosine")} <= set(points)  # fmt: skip
    assert (spec.training.batch_size, spec.training.lr) == (256, 0.001)
    assert spec.training.epochs == 10  # a cosine over all epochs is then T_max 10


def test_attention_that_mixes_tokens_is_asked_for_by_name():
    """The file says which of the two attentions runs; the published one can be asked for."""
    file = file_of("esc50_transformer")
    assert read_benchmark(file).model.options["attention"] == "token"
    assert all(11 in row.flaws for row in published("esc50_transformer"))
    asked = read_benchmark(file, ["model.attention=published"])
    assert asked.model.options["attention"] == "published"
