"""Configurations are checked against the files they name before anything starts."""

from pathlib import Path

import pytest

from harness.config.read import parse_benchmark
from harness.engine.model_checks import distinct_models
from harness.engine.resolve import resolve
from harness.errors import SpecError

FILE = """\
question: Does it matter?
dataset: {name: digits}
model:
  name: vit
  patch_size: 4
  width: 16
training: {epochs: 1, batch_size: 32, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    model.num_heads: [1, 2]
objective: {metric: accuracy}
"""


ONE_CLASS = """
from data_prep.examples import Description

def describe():
    return Description("One", (4,), ("only",), n_examples=9, source="", licence="")
def prepare(root): ...
def files(root): ...
def load(root): ...
"""


def problems(text: str, folder: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        resolve(parse_benchmark(text, file="q.yaml"), folder=folder)
    return [str(problem) for problem in caught.value.problems]


def test_every_default_is_written_out(tmp_path: Path) -> None:
    """The model's own defaults, the dataset's and the sections'."""
    resolved = resolve(parse_benchmark(FILE, file="q.yaml"), folder=tmp_path)

    assert [one.params for one in resolved] == [{"model.num_heads": 1}, {"model.num_heads": 2}]
    assert resolved[0].config["model"]["cls_position"] == "first"
    assert resolved[0].config["training"]["weight_decay"] == 0.0
    assert resolved[0].config["cross_validation"]["test_fold"] == "rotate"


def test_a_default_said_aloud_changes_no_configuration(tmp_path: Path) -> None:
    """So it changes no trial id either."""
    aloud = FILE.replace("  width: 16\n", "  width: 16\n  cls_position: first\n")

    silent, said = (
        resolve(parse_benchmark(text, file="q.yaml"), folder=tmp_path) for text in (FILE, aloud)
    )

    assert [one.config for one in silent] == [one.config for one in said]


def test_a_misspelled_hyper_parameter_gets_its_line_and_the_nearest(tmp_path: Path) -> None:
    """Where it stands, fixed or searched."""
    fixed = problems(FILE.replace("patch_size", "pach_size"), tmp_path)
    searched = problems(FILE.replace("num_heads", "num_head"), tmp_path)

    assert fixed[0].startswith("q.yaml:5: model.pach_size")
    assert "did you mean 'patch_size'?" in fixed[0]
    assert searched[0].startswith("q.yaml:11: ")
    assert "did you mean 'num_heads'?" in searched[0]


def test_a_value_of_the_wrong_type_is_said_once(tmp_path: Path) -> None:
    """However many configurations share it."""
    found = problems(FILE.replace("width: 16", "width: wide"), tmp_path)

    assert len(found) == 1
    assert "q.yaml:6" in found[0]
    assert "found 'wide'; allowed: an integer" in found[0]


def test_a_list_where_a_model_takes_one_value_says_how_to_search(tmp_path: Path) -> None:
    """The words of a choice, not of a type."""
    listed = problems(FILE.replace("width: 16", "width: [16, 32]"), tmp_path)
    literal = problems(FILE.replace("width: 16", "cls_position: no"), tmp_path)

    assert "to try several, give `model.width: [16, 32]` in search.space" in listed[0]
    assert "allowed: first, after_encoder, none; did you mean 'none'?" in literal[0]


def test_unknown_model_and_dataset_are_told_together(tmp_path: Path) -> None:
    """All problems at once."""
    found = problems(FILE.replace("vit", "vitt").replace("digits", "digit"), tmp_path)

    assert len(found) == 2
    assert "did you mean 'digits'?" in found[0]
    assert "did you mean 'vit'?" in found[1]


def test_folds_that_the_dataset_can_not_give_are_found_without_data(tmp_path: Path) -> None:
    """Digits have no parts of their own."""
    found = problems(
        FILE.replace("{strategy: stratified, n_splits: 4}", "{strategy: predefined}"), tmp_path
    )

    assert found[0].startswith("q.yaml:8: cross_validation.strategy")
    assert "predefined" in found[0]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("data_prep/mine.py", "def load(root): ...\ndef files(root): ...\n",
         "data_prep/mine.py has no plain `def describe`, `def prepare`"),
        ("data_prep/mine.py", "class Data: ...", "data_prep/mine.py has no plain `def load`"),
        ("data_prep/mine.py", ONE_CLASS, "a classification needs at least 2 class_names"),
    ],
)  # fmt: skip
def test_an_unfinished_dataset_is_told_before_anything_starts(
    tmp_path: Path, file: str, text: str, words: str
) -> None:
    """What its file lacks, at the line that names it."""
    (tmp_path / "data_prep").mkdir()
    (tmp_path / file).write_text(text)
    found = problems(FILE.replace("digits", "mine"), tmp_path)

    assert found[0].startswith("q.yaml:2: dataset.name: ")
    assert words in found[0]


def test_each_variant_is_told_its_own_mistakes():
    """Two of three give a value of a wrong type, each at a line of its own."""
    text = """\
question: q
dataset: {name: digits}
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
objective: {metric: accuracy}
variants:
  a: {model: {name: vit, depth: 1}}
  b: {model: {name: vit, depth: deep}}
  c: {model: {name: vit, depth: deep, width: 8}}
"""
    with pytest.raises(SpecError) as caught:
        resolve(parse_benchmark(text, file="q.yaml"))
    places = [(problem.line, problem.path) for problem in caught.value.problems]
    assert places == [(8, "variants.b.model.depth"), (9, "variants.c.model.depth")]


FRONT_ENDS = """\
question: Does it help?
dataset: {name: esc50, subset: esc10, framing: whole}
model: {name: logmel_cnn, width: 2}
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.01}
cross_validation: {strategy: predefined}
search:
  space:
    dataset.front_end:
      - {name: log_mel}
      - {name: log_mel, n_mels: 32}
    training.augmentation:
      - null
      - {time_shift: {fraction: 0.5}}
objective: {metric: accuracy}
"""


def test_models_are_built_for_what_the_front_end_gives(tmp_path: Path) -> None:
    """Two shapes, two distinct models; augmentation changes neither."""
    found = resolve(parse_benchmark(FRONT_ENDS, file="q.yaml"), folder=tmp_path)
    shapes = [one.description.input_shape for one in found]
    assert shapes == [(1, 64, 157), (1, 64, 157), (1, 32, 157), (1, 32, 157)]
    assert [m.input_shape for m in distinct_models(found)] == [(1, 64, 157), (1, 32, 157)]


def test_a_front_end_that_can_not_take_the_inputs_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    """Told once, at the key, with the dataset's name."""
    text = FRONT_ENDS.replace("{name: esc50, subset: esc10, framing: whole}", "{name: digits}")
    [problem] = problems(text, tmp_path)
    assert "q.yaml:8: search.space.dataset.front_end: log_mel takes waveforms" in problem
    assert "(dataset digits)" in problem


def test_a_rate_that_contradicts_the_dataset_is_a_mistake(tmp_path: Path) -> None:
    """The dataset resamples to 16 kHz."""
    text = FRONT_ENDS.replace("- {name: log_mel}", "- {name: log_mel, rate_hz: 44100}")
    [problem] = problems(text, tmp_path)
    assert "rate_hz is 44100, the dataset's waveforms have 16000: leave it out" in problem


def test_every_transform_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """All at once, each with its reason."""
    misfit = "{flip: {}, rotation: {degrees: 3}, gain: {db: 2}}"
    text = FRONT_ENDS.replace("{time_shift: {fraction: 0.5}}", misfit).replace(
        "      - {name: log_mel, n_mels: 32}\n", ""
    )
    found = problems(text, tmp_path)
    assert ["flip does not" in found[0], "rotation does not" in found[1]] == [True, True]
    assert len(found) == 2
    assert "found inputs (1, 64, 157) of float32" in found[0]


def test_masks_on_a_waveform_point_to_the_front_end(tmp_path: Path) -> None:
    """A transform for spectrograms asks for one."""
    text = FRONT_ENDS.replace("{time_shift: {fraction: 0.5}}", "{spec_augment: {}}")
    start = text.index("    dataset.front_end:")
    text = text[:start] + text[text.index("    training.augmentation") :]
    text = text.replace("logmel_cnn, width: 2", "conv1d")
    [problem] = problems(text, tmp_path)
    assert "training.augmentation: spec_augment does not fit" in problem
    assert "give dataset.front_end" in problem
