"""`bench export` writes a folder that is whole and checked, or says what stands in the way."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.export import load_model
from harness.plugins.catalog import SHIPPED
from tests.commands import surroundings
from tests.exported_models import DIGITS, train, write_digit

BLOCKED = ("harness", "ray", "data_prep", "models", "optuna", "pandas", "sklearn", "pydantic")
STANDALONE = """\
import sys
from predictor import load
model = load(".")
print(model.class_names[3], model.predict(sys.argv[1:]).shape, "harness" in sys.modules)
"""


@pytest.fixture
def results(digits_folder: Path) -> str:
    """Two trials of digits; the weights of the better one are kept."""
    return str(digits_folder / "results")


def test_the_best_trial_is_exported_and_checked(bench, user: Path, results: str) -> None:
    """Its folds, how well it repeats what is stored, and what to type next."""
    done = bench("export", "bench", "--out", "model", "--results", results)

    assert done.code == 0
    first, second, third = done.out.splitlines()
    assert ", the best of 2 on validation: the models of 3 folds in model" in first
    assert "48 stored predictions made again agree" in second
    assert third == "next: bench predict model FILES-AND-FOLDERS"
    assert {path.name for path in (user / "model").iterdir()} == {
        "README.md", "benchmark.yaml", "data_prep", "export.json", "models", "predictor.py",
        "weights",
    }  # fmt: skip


def test_the_facts_are_plain_values(bench, user: Path, results: str) -> None:
    """Class names, scale, and a mean and a deviation for each fold."""
    bench("export", "bench", "--out", "model", "--results", results)
    facts = json.loads((user / "model" / "export.json").read_text())

    assert facts["class_names"] == list("0123456789")
    assert facts["inputs"]["scale"] == 1 / 16
    assert facts["inputs"]["shape"] == [1, 8, 8]
    assert [(fold["repeat"], fold["fold"]) for fold in facts["folds"]] == [(1, 1), (1, 2), (1, 3)]
    assert len({fold["mean"][0] for fold in facts["folds"]}) == 3


def test_the_folder_predicts_elsewhere_without_bench(digits_folder: Path, tmp_path: Path) -> None:
    """Copied away; neither bench, Ray nor anything of the results can be imported."""
    shutil.copytree(digits_folder / "model", tmp_path / "copied")
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in BLOCKED:
        (blocked / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    digit = write_digit(tmp_path, "digit-0003")
    done = subprocess.run(
        [sys.executable, "-c", STANDALONE, str(digit), str(digit)],
        cwd=tmp_path / "copied",
        env=surroundings(tmp_path, PYTHONPATH=str(blocked)),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (done.stderr, done.stdout) == ("", "3 (2, 10) False\n")


COUNTING = '''
import torch
from torch import nn

class Net(nn.Module):
    """Centres by a mean that no state dict has."""

    def __init__(self, n_inputs: int, num_classes: int) -> None:
        super().__init__()
        self.layer, self.mean = nn.Linear(n_inputs, num_classes), 0.0

    def forward(self, inputs):
        hidden = self.layer(inputs.flatten(1))
        if self.training:
            self.mean = 0.9 * self.mean + hidden.detach().mean(0)
        return hidden - self.mean

def build(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return Net(64, num_classes)
'''


def test_what_a_model_holds_beside_its_state_dict_is_exported(bench, user: Path) -> None:
    """Else none of the stored predictions would be made again; also from folders of before."""
    (user / "models").mkdir()
    (user / "models" / "mine.py").write_text(COUNTING)
    train(user, DIGITS.replace("linear", "mine"))
    done = bench("export", "bench", "--out", "model")

    assert "48 stored predictions made again agree" in done.out
    files = {path.name for path in (user / "model" / "weights").iterdir()}
    assert files == {f"1-{fold}{end}" for fold in (1, 2, 3) for end in (".pt", ".attributes.pt")}
    assert (user / "model" / "module_state.py").is_file()

    older = Path(shutil.copytree(user / "model", user / "older"))
    text = (older / "module_state.py").read_text()
    (older / "module_state.py").write_text(
        text.replace("restore_attributes", "put_back_attributes")
    )
    means = [
        [one.model.mean.tolist() for one in load_model(user / name).folds]
        for name in ("model", "older")
    ]
    assert means[0] == means[1]
    assert all(any(mean) for mean in means[0])


def test_a_trial_without_weights_says_how_to_keep_them(bench, user: Path, results: str) -> None:
    """Whose are kept, and the command that keeps all."""
    done = bench("export", "bench", "lr=0.001", "--out", "model", "--results", results)

    assert done.code == 2
    assert "(training.lr=0.001) of bench are not kept; kept are those of" in done.err
    assert "weights=all --force" in done.err
    assert not (user / "model").exists()


def test_what_exists_already_is_left_alone(bench, user: Path, results: str) -> None:
    """A folder with something in it, or a file."""
    (user / "model").mkdir()
    (user / "model" / "precious").write_text("x")
    done = bench("export", "bench", "--out", "model", "--results", results)

    assert done.code == 2
    assert "model exists already" in done.err
    assert [path.name for path in (user / "model").iterdir()] == ["precious"]


def test_a_model_that_changed_since_is_named(bench, user: Path) -> None:
    """Weights belong to their code."""
    (user / "models").mkdir()
    source = (SHIPPED / "models" / "linear.py").read_text()
    (user / "models" / "mine.py").write_text(source)
    train(user, DIGITS.replace("linear", "mine"))
    (user / "models" / "mine.py").write_text(source + "\nVALUE = 1\n")
    done = bench("export", "bench", "--out", "model")

    assert done.code == 2
    assert "models/mine.py changed since trial" in done.err


def test_data_that_changed_since_is_named(bench, user: Path) -> None:
    """What is learned from it again would be something else."""
    from tests.own_data import write_images

    write_images(user / "pets", n=6)
    text = DIGITS.replace("digits, limit: 120", "image_folder, path: pets, size: 8")
    train(user, text.replace("epochs: 2", "epochs: 1"))
    shutil.copyfile(user / "pets/dog/00.png", user / "pets/cat/00.png")
    done = bench("export", "bench", "--out", "model")

    assert done.code == 2
    assert "the raw files of image_folder" in done.err
    assert "are not those that trial" in done.err


def test_a_dataset_that_reads_nothing_new_is_exported_all_the_same(bench, user: Path) -> None:
    """A dataset of one's own without `read_input`: arrays go in, `predict` says what is missing."""
    (user / "data_prep").mkdir()
    source = (SHIPPED / "data_prep" / "digits.py").read_text()
    own = source[: source.index("def read_input")]
    (user / "data_prep" / "mine.py").write_text(own)
    train(user, DIGITS.replace("name: digits", "name: mine"))
    done = bench("export", "bench", "--out", "model")

    assert done.code == 0
    assert "can't read new inputs (no `read_input`)" in done.out
    assert "data_prep/mine.py has no `read_input`" in bench("predict", "model", "x.png").err


def test_onnx_without_its_packages_is_told_before_anything_is_written(
    bench, user: Path, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs them."""
    monkeypatch.setattr("harness.export.onnx.PACKAGES", ("no_such_package",))
    done = bench("export", "bench", "--out", "model", "--onnx", "--results", results)

    assert done.code == 2
    assert "run `pip install no_such_package`" in done.err
    assert not (user / "model").exists()
