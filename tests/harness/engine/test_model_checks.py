"""Distinct models are found once, and each impossible one is told with its place in the file."""

from pathlib import Path

import pytest
import torch

from harness.config.read import parse_benchmark
from harness.engine.model_checks import (
    check_initial_weights,
    check_models,
    check_precision,
    describe_model,
    distinct_models,
    inspect_model,
    model_key,
)
from harness.engine.resolve import resolve
from harness.errors import BenchError, SpecError
from harness.training.process_state import process_state, what_changed
from tests.plans import FILE, read

MODEL = """
import os
from math import prod
from torch import nn

def build(*, input_shape: tuple[int, ...], num_classes: int, width: int = 4, mood: str = "calm"):
    print("building")
    os.write(1, b"building past Python")
    if mood == "impossible":
        raise ValueError(f"width {width} is impossible")
    if mood == "broken":
        raise RuntimeError("a slip")
    layers = [nn.Flatten(), nn.Linear(prod(input_shape), width), nn.Linear(width, num_classes)]
    layers[1].weight.requires_grad_(mood != "frozen")
    return nn.Sequential(*layers)
"""
COUNTS = 64 * 4 + 4 + 4 * 10 + 10  # two dense layers with bias on 8 x 8 digits of ten classes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the model `moody`."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "moody.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def moody(*space: str) -> str:
    """The file with that space; its first line stands in line 8."""
    text = FILE.replace("linear", "moody").replace("adam}", "adam, lr: 0.1}")
    return text.replace("training.lr: [0.1, 0.2, 0.3]", "\n    ".join(space))


def test_configurations_that_build_the_same_model_share_one(folder: Path) -> None:
    """Rates differ, widths count."""
    spec = read(moody("model.width: [4, 8]", "training.weight_decay: [0.0, 0.1]"))
    configurations = resolve(spec)
    models = distinct_models(configurations)

    assert [model.params for model in models] == [{"model.width": 4}, {"model.width": 8}]
    assert [model.key for model in models] == [model_key(configurations[i]) for i in (0, 2)]
    assert (models[0].input_shape, models[0].num_classes) == ((1, 8, 8), 10)


def test_models_that_can_be_built_are_counted(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By key; what `build` prints stays off the screen."""
    spec = read(moody("model.width: [4]"))
    (model,) = distinct_models(resolve(spec))
    counts = check_models(spec, [model])

    assert counts[model.key].n_parameters == COUNTS
    assert counts[model.key].mult_adds == 64 * 4 + 4 * 10
    assert "building" not in capfd.readouterr().out


def test_every_impossible_model_is_told_at_once(folder: Path) -> None:
    """With file, line, field, its values, and the model's own words."""
    spec = read(moody("model.width: [4, 8]", "model.mood: [calm, impossible]"))

    with pytest.raises(SpecError) as caught:
        check_models(spec, distinct_models(resolve(spec)))

    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == 2
    for width, text in zip((4, 8), found, strict=True):
        assert text.startswith("rates.yaml:8: search.space.model.width: models/moody")
        assert f"width {width} is impossible; found model.width={width}" in text


def test_an_impossible_fixed_value_is_told_too(folder: Path) -> None:
    """Though the search says nothing of it."""
    spec = read(moody("training.weight_decay: [0.0]"), "model.mood=impossible")

    with pytest.raises(SpecError, match=r"model\.name: models/moody.py: width 4 is impossible"):
        check_models(spec, distinct_models(resolve(spec)))


def test_any_other_exception_is_left_to_the_trial(folder: Path) -> None:
    """It becomes a failed row; there is nothing to count."""
    spec = read(moody("model.mood: [calm, broken]"))
    calm, broken = distinct_models(resolve(spec))

    assert list(check_models(spec, [calm, broken])) == [calm.key]
    assert describe_model(broken) == "can't be counted"


def test_frozen_parameters_are_said(folder: Path) -> None:
    """All, those trained, and multiply-adds of one example."""
    calm, frozen = distinct_models(resolve(read(moody("model.mood: [calm, frozen]"))))

    assert describe_model(calm) == f"{COUNTS} parameters, 296 multiply-adds per example"
    assert describe_model(frozen) == (
        f"{COUNTS} parameters, {COUNTS - 64 * 4} trainable, 296 multiply-adds per example"
    )


def test_layers_add_up(folder: Path) -> None:
    """To the parameters of the whole."""
    (model,) = distinct_models(resolve(read(moody("model.width: [4]"))))
    inspected = inspect_model(model)

    assert [layer.kind for layer in inspected.layers if layer.n_parameters] == ["Linear", "Linear"]
    assert sum(layer.n_parameters for layer in inspected.layers) == COUNTS
    assert inspected.line.startswith(f"{COUNTS} parameters, 296 multiply-adds per example; ")


def test_with_tpe_a_space_may_hold_impossible_models_but_not_only_such(folder: Path) -> None:
    """Which of them is drawn shows later, as that trial's failure."""
    tpe = ("search.algorithm=tpe", "search.num_samples=3")
    some = read(moody("model.mood: [calm, impossible]"), *tpe)
    none = read(moody("model.mood: [impossible]"), *tpe)

    assert len(check_models(some, distinct_models(resolve(some)))) == 1
    with pytest.raises(SpecError, match="is impossible"):
        check_models(none, distinct_models(resolve(none)))


def test_a_variants_impossible_model_is_told_at_its_own_line(folder: Path) -> None:
    """The first variant is possible; the two others say so in lines of their own."""
    lines = ["small: {model: {name: moody, width: 2}}",
             "wide: {model: {name: moody, width: 8, mood: impossible}}",
             "wider: {model: {name: moody, width: 9, mood: impossible}}"]  # fmt: skip
    text = FILE.replace("model: {name: linear}\n", "") + "variants:\n  " + "\n  ".join(lines)
    spec = read(text + "\n")
    with pytest.raises(SpecError) as caught:
        check_models(spec, distinct_models(resolve(spec)))
    places = [(problem.line, problem.path) for problem in caught.value.problems]
    assert places == [(11, "variants.wide.model.width"), (12, "variants.wider.model.width")]


def test_looking_at_models_leaves_nothing_in_the_process(folder: Path) -> None:
    """Neither what a file changes when it is imported nor what `build` does."""
    file = folder / "models" / "moody.py"
    file.write_text("import torch\ntorch.set_default_dtype(torch.float64)\n" + MODEL)
    clean()
    spec = read(moody("model.width: [4, 8]"))
    models = distinct_models(resolve(spec))
    before = process_state()

    check_models(spec, models)
    inspect_model(models[0])

    assert what_changed(before) == ()


def clean() -> None:
    """What is imported with the first look is there."""
    spec = read(FILE)
    check_models(spec, distinct_models(resolve(spec)))


def test_a_file_that_can_not_be_imported_is_told_before_anything_starts(folder: Path) -> None:
    (folder / "models" / "moody.py").write_text("import nowhere_to_be_found\n" + MODEL)
    spec = read(moody("model.width: [4, 8]"))

    with pytest.raises(BenchError, match="ModuleNotFoundError"):
        check_models(spec, distinct_models(resolve(spec)))


RATED = """\
question: Does it help?
dataset: {name: digits}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
objective: {metric: accuracy}
"""
PRECISIONS = RATED + "search: {space: {training.precision: [float32, tf32]}}\n"


def check_trials(text: str, *overrides: str, gpus: bool = True) -> None:
    spec = parse_benchmark(text, file="a.yaml", overrides=overrides)
    check_precision(spec, resolve(spec), gpus=gpus)


@pytest.mark.parametrize("precision", ["null", "float32", "bf16"])
def test_other_precisions_need_no_graphics_card(precision: str) -> None:
    """Nothing is raised."""
    check_trials(RATED, f"training.precision={precision}", gpus=False)


def test_tf32_is_refused_where_trials_get_no_card() -> None:
    """At the line of the space that asks for it."""
    with pytest.raises(SpecError, match=r"a.yaml:7.*tf32 needs a GPU: a trial has one"):
        check_trials(PRECISIONS)
    with pytest.raises(SpecError, match="this machine has none; found tf32; allowed: float32"):
        check_trials(PRECISIONS, "resources.gpu=0.5", gpus=False)
    check_trials(PRECISIONS, "resources.gpu=0.5")


VIT = """\
question: Does it help?
dataset: {name: digits}
model: {name: vit, patch_size: 4, width: 8, num_heads: 2, depth: 1}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
objective: {metric: accuracy}
"""


def check_weights(file):
    spec = parse_benchmark(VIT, file="a.yaml", overrides=[f"training.initial_weights={file}"])
    return check_initial_weights(spec, resolve(spec))


def test_how_much_of_a_file_fits_is_said(tmp_path):
    """The head is left out even where it fits."""
    from models.vit import build

    own = {"patch_size": 4, "width": 8, "num_heads": 2, "depth": 1}
    state = build(input_shape=(1, 8, 8), num_classes=10, **own).state_dict()
    torch.save(state, tmp_path / "own.pth")
    (line,) = check_weights(tmp_path / "own.pth")
    assert line.startswith(f"own.pth: {len(state) - 2} of {len(state)} entries of models/vit.py")


@pytest.mark.parametrize(
    ("value", "said"),
    [({"x": torch.zeros(2, 3)}, "none of its 1 entries fits"), ([1], "no state dict, but a list")],
)
def test_a_file_that_cannot_be_started_from_is_a_mistake_of_the_benchmark(tmp_path, value, said):
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(SpecError, match=f"training.initial_weights: .*{said}"):
        check_weights(tmp_path / "w.pth")
