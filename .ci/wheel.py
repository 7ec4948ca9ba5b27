"""Check an installed wheel: every declared package imports, pictures, sounds and texts train."""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from harness.cli.info import failing_imports, not_installed, required_modules

N_CLASSES = 2
N_PER_CLASS = 12
SAMPLE_RATE = 16_000
FILES = {
    "pictures": """\
question: Does an installed wheel train on pictures?
dataset: {name: image_folder, path: pictures, size: 32}
model: {name: cifar_cnn}
""",
    "sounds": """\
question: Does an installed wheel train on sounds?
dataset: {name: audio_folder, path: sounds, rate_hz: 8000, seconds: 0.5}
model: {name: conv1d}
""",
    "texts": """\
question: Does an installed wheel train on texts?
dataset: {name: text_csv, path: texts.csv}
model: {name: text_transformer}
""",
}
PROJECT = {
    "models/__init__.py": "WHOSE = 'the project'\n",
    "models/layers.py": "from torch import nn\nclass Layer(nn.Linear): pass\n",
    "models/own.py": """\
import math
import models
from torch import nn
from models.layers import Layer
from models.linear import build as shipped_build
def build(*, input_shape: tuple[int, ...], num_classes: int):
    assert models.WHOSE == "the project" and callable(shipped_build)
    return nn.Sequential(nn.Flatten(), Layer(math.prod(input_shape), num_classes))
""",
}
FILES["own"] = """\
question: Does a project with a package called models train a model of its own?
dataset: {name: digits, limit: 100}
model: {name: own}
"""
# The command, and the same with the working directory on Python's path, as in a script.
BENCH = (
    [str(Path(sys.executable).with_name("bench"))],
    [sys.executable, "-c", "from harness.cli import main; main()"],
)
TRAINING = """\
training: {epochs: 1, batch_size: 4, optimizer: adam, lr: 0.001}
cross_validation: {strategy: stratified, n_splits: 3}
objective: {metric: accuracy}
"""


def check_imports() -> None:
    """Import every package that the distribution requires.

    Raises:
        SystemExit: One is not installed or can't be imported, or bench is no distribution here.
    """
    if missing := not_installed():
        raise SystemExit(f"required and not installed: {', '.join(missing)}")
    modules = [*required_modules()]
    if not modules:
        raise SystemExit("bench is not installed as a distribution")
    if failures := failing_imports(modules):
        reasons = (f"{module}: {reason}" for module, reason in failures.items())
        raise SystemExit(f"can't be imported: {'; '.join(reasons)}")
    print(f"{len(modules)} packages import: {', '.join(modules)}")


def write_data(folder: Path) -> None:
    """Write a few coloured pictures, tones and sentences of two classes."""
    random = np.random.default_rng(0)
    lines = [("text", "label")]
    for label in range(N_CLASSES):
        for kind in ("pictures", "sounds"):
            (folder / kind / f"class_{label}").mkdir(parents=True)
        for index in range(N_PER_CLASS):
            pixels = random.integers(0, 100, size=(20, 20, 3), dtype=np.uint8) + 120 * label
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(folder / "pictures" / f"class_{label}" / f"{index}.png")
            seconds = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
            tone = 0.3 * np.sin(2 * np.pi * 300 * (label + 1) * seconds + index)
            path = folder / "sounds" / f"class_{label}" / f"{index}.wav"
            soundfile.write(path, tone, SAMPLE_RATE)
            words = ["calm", "sea", "blue"] if label else ["loud", "street", "red"]
            lines.append((" ".join([*words, f"word{index}"]), f"class_{label}"))
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def write_project(folder: Path) -> None:
    """Write a package `models` of the project's own, with a model for bench in it."""
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Import, train, and stop with the first failure."""
    check_imports()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data(folder)
        write_project(folder)
        for name, text in FILES.items():
            (folder / f"{name}.yaml").write_text(text + TRAINING, encoding="utf-8")
            options = [f"{name}.yaml", "--data", str(folder), "--json", "--quiet"]
            command = [*BENCH[name == "own"], "run", *options]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode != 0 or json.loads(done.stdout)["complete"] != 1:
                raise SystemExit(f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}")
            print(f"{name}: trained")


if __name__ == "__main__":
    main()
