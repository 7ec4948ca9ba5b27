"""From a dataset file to a trial's data: checked, limited, cut, and named by all that went in."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.examples import DataError, Examples
from harness.data import memory
from harness.data.card import data_card
from harness.errors import BenchError
from tests.dataset_builders import N, noise_examples, noise_module, prepare_noise


def test_everything_arrives_unchanged(tmp_path: Path) -> None:
    """Inputs, labels and folds of a dataset that learns nothing."""
    examples = noise_examples()
    data = prepare_noise(noise_module(examples), tmp_path)
    assert np.array_equal(data.inputs[0], examples.inputs)
    assert np.array_equal(data.targets, examples.targets)
    assert data.example_ids.tolist() == examples.example_ids.tolist()
    assert data.input_shape == (2, 3)
    assert [fold.fold for fold in data.folds] == [1, 2, 3, 4, 5]
    assert len(data.fold_inputs) == len(data.folds)
    assert all(one.mean is None and one.inputs == 0 for one in data.fold_inputs)
    assert data.findings == ()


def test_arrays_can_be_shared_as_they_are(tmp_path: Path) -> None:
    """Plain contiguous numpy, with or without a limit, from the cache or not."""
    for limit in (None, 30):
        data = prepare_noise(noise_module(noise_examples()), tmp_path, limit=limit)
        for array in (*data.inputs, data.targets, data.example_ids):
            assert type(array) is np.ndarray
            assert array.flags.c_contiguous


def test_data_is_read_once_for_equal_identity(tmp_path: Path) -> None:
    """Folds and limits don't read again; options, data and code do."""
    module = noise_module(noise_examples())
    prepare_noise(module, tmp_path)
    prepare_noise(module, tmp_path, level=1, limit=30, seed=5)  # level 1 is the default
    assert module.loads == [1]
    prepare_noise(module, tmp_path, level=2)
    prepare_noise(module, tmp_path, data="other")
    prepare_noise(module, tmp_path, code="other")
    assert module.loads == [1, 2, 1, 1]


def test_the_fingerprint_names_all_that_went_in(tmp_path: Path) -> None:
    """Each change gives another; the same gives the same."""
    module = noise_module(noise_examples())
    changes: list[dict[str, Any]] = [
        {}, {"level": 2}, {"limit": 30}, {"normalize": "standard"}, {"seed": 1}, {"repeats": 2},
        {"data": "other"}, {"code": "other"}, {"cross_validation": {"test_fold": 1}},
        {"strategy": "kfold"},
    ]  # fmt: skip
    found = [prepare_noise(module, tmp_path, **change).fingerprint for change in changes]
    assert len(set(found)) == len(changes)
    assert prepare_noise(module, tmp_path).fingerprint == found[0]


def test_duplicates_across_roles_are_found(tmp_path: Path) -> None:
    """Example 1 (part 2) is example 0 (part 1) again; the card names both."""
    inputs = noise_examples().inputs.copy()
    inputs[1] = inputs[0]
    data = prepare_noise(noise_module(noise_examples(inputs=inputs)), tmp_path)
    assert data.findings == ("shared_examples",)
    assert data_card(data)["duplicates"] == [["noise-00", "noise-01"]]


def test_duplicates_within_a_part_are_no_finding(tmp_path: Path) -> None:
    """Examples 0 and 5 are both of part 1."""
    inputs = noise_examples().inputs.copy()
    inputs[5] = inputs[0]
    data = prepare_noise(noise_module(noise_examples(inputs=inputs)), tmp_path)
    assert data.findings == ()
    assert data_card(data)["n_duplicates"] == 1


def test_a_group_in_two_predefined_parts_is_found(tmp_path: Path) -> None:
    """Neighbours share a recording, but not a part; cut by groups they stay together."""
    grouped = noise_examples(groups=np.array([f"recording-{index // 2}" for index in range(N)]))
    data = prepare_noise(noise_module(grouped), tmp_path)
    assert data.findings == ("shared_examples",)
    assert "recording-0" in data_card(data)["groups_in_two_roles"]
    assert prepare_noise(noise_module(grouped), tmp_path, strategy="group").findings == ()


def test_a_limit_keeps_parts_and_classes(tmp_path: Path) -> None:
    """15 of 60: one of each part and class."""
    data = prepare_noise(noise_module(noise_examples()), tmp_path, limit=15)
    assert len(data.targets) == 15
    assert {(len(f.train), len(f.validation), len(f.test)) for f in data.folds} == {(9, 3, 3)}


def test_a_limit_too_small_for_the_folds_is_named(tmp_path: Path) -> None:
    """The message of the folds alone would puzzle."""
    with pytest.raises(BenchError, match=r"smallest class.*\(with dataset\.limit: 12\)"):
        prepare_noise(noise_module(noise_examples()), tmp_path, strategy="stratified", limit=12)


def test_a_wrong_description_names_the_file(tmp_path: Path) -> None:
    """What `bench check` trusted isn't so."""
    with pytest.raises(BenchError, match=r"data_prep/noise\.py: examples: load gives 60"):
        prepare_noise(noise_module(noise_examples(), n_examples=61), tmp_path)


def test_values_that_are_not_finite_name_their_examples(tmp_path: Path) -> None:
    """A NaN in the data would only show as a diverged loss."""
    inputs = noise_examples().inputs.copy()
    inputs[7, 1, 2] = np.nan
    with pytest.raises(BenchError, match="not finite: noise-07"):
        prepare_noise(noise_module(noise_examples(inputs=inputs)), tmp_path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("clip.wav: empty file"), "^clip.wav: empty file$"),
        (KeyError("label"), "noise.py: load: KeyError: 'label'"),
        (MemoryError(), "more memory than this machine has"),
    ],
)
def test_what_goes_wrong_while_loading_is_an_answer(
    tmp_path: Path, error: Exception, words: str
) -> None:
    """Missing data, a mistake in the file, too little memory: never a traceback."""
    module = noise_module(noise_examples())

    def load(root: Path) -> Examples:
        raise error

    module.load = load  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match=words):
        prepare_noise(module, tmp_path)


def test_a_load_that_returns_something_else_is_told(tmp_path: Path) -> None:
    """Say what was found."""
    module = noise_module(noise_examples())
    module.load = lambda root: {"inputs": []}  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match="load must return Examples, not dict"):
        prepare_noise(module, tmp_path)


def test_data_larger_than_memory_is_refused_before_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 x 6 floats are 1,440 bytes; 1,000 are available."""
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: 1000)
    module = noise_module(noise_examples())
    with pytest.raises(BenchError, match="memory"):
        prepare_noise(module, tmp_path)
    assert module.loads == []


def test_the_data_folder_is_never_written_to(tmp_path: Path) -> None:
    """Only the cache folder appears."""
    prepare_noise(noise_module(noise_examples()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_the_card_is_plain_json_that_adds_up(tmp_path: Path) -> None:
    """Counts by class, by fold and role; a few ids of each class."""
    data = prepare_noise(noise_module(noise_examples()), tmp_path)
    card = json.loads(json.dumps(data_card(data)))
    assert card["n_examples"] == N
    assert card["counts"] == {"a": 20, "b": 20, "c": 20}
    assert card["examples"]["b"] == ["noise-01", "noise-04", "noise-07"]
    assert card["n_groups"] is None
    for fold in card["folds"]:
        assert fold["counts"]["train"] == {"a": 12, "b": 12, "c": 12}
        assert fold["counts"]["test"] == {"a": 4, "b": 4, "c": 4}
    assert card["fingerprint"] == data.fingerprint


def test_light_commands_can_import_it_without_heavy_libraries() -> None:
    """The module is read by commands that never touch torch or scikit-learn."""
    import subprocess

    code = (
        "import sys, harness.data.prepare\n"
        "print({'torch', 'sklearn', 'pandas', 'ray', 'soundfile'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
