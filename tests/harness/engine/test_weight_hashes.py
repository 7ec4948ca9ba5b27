"""What a configuration starts from, and what of it decides identities."""

import pytest
import torch

from harness.config.read import parse_benchmark
from harness.engine.identity import pretraining_id, trial_id
from harness.engine.resolve import resolve
from harness.engine.weight_checks import check_initial_weights
from harness.errors import SpecError

FILE = """\
question: Does it help?
dataset: {name: digits}
model: {name: vit, patch_size: 4, width: 8, num_heads: 2, depth: 1}
pretraining: {task: rotation, epochs: 2, batch_size: 8, optimizer: sgd, lr: 0.01}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
objective: {metric: accuracy}
"""
PLAIN = "\n".join(line for line in FILE.splitlines() if "pretraining:" not in line)
NAMES = {"data_fingerprint": "d", "code_fingerprint": "c"}


def resolved(text=FILE, *overrides):
    (one,) = resolve(parse_benchmark(text, file="a.yaml", overrides=overrides))
    return one


def trial(text=FILE, *overrides):
    return trial_id(resolved(text, *overrides).config, **NAMES)


def pretraining(text=FILE, *overrides):
    return pretraining_id(resolved(text, *overrides).config, **NAMES)


def test_defaults_of_the_start_rename_no_trial():
    """As if the keys were not there; a config from before them gives the same id."""
    config = resolved(PLAIN).config
    training = {k: v for k, v in config["training"].items()
                if k not in ("initial_weights", "trainable")}  # fmt: skip
    before = trial_id({**config, "training": training}, **NAMES)
    assert trial(PLAIN) == before
    assert trial(PLAIN, "training.initial_weights=random", "training.trainable=all") == before
    assert trial(PLAIN, "training.trainable=head") != before


def test_pretraining_is_started_from_unless_said_otherwise():
    assert resolved().config["training"]["initial_weights"] == "pretrained"
    assert trial(FILE, "training.initial_weights=pretrained") == trial()
    assert len({trial(), trial(PLAIN), trial(FILE, "pretraining.epochs=3")}) == 3


def test_pretraining_does_not_depend_on_what_comes_after():
    """Labels, training, metrics of the trials share one pretraining."""
    for later in ("dataset.train_per_class=5", "training.lr=0.2", "training.trainable=head"):
        assert pretraining(FILE, later) == pretraining()


def test_pretraining_depends_on_all_that_decides_it():
    earlier = ("pretraining.lr=0.02", "model.depth=2", "seed=1", "dataset.limit=500",
               "cross_validation.n_splits=4")  # fmt: skip
    assert len({pretraining(), *(pretraining(FILE, one) for one in earlier)}) == 6


def test_without_pretrained_weights_there_is_none():
    assert pretraining(PLAIN) is None


def test_a_file_of_weights_counts_by_its_content(tmp_path):
    """Moved it is the same; changed it is another."""
    names = [tmp_path / name for name in ("a.pth", "b.pth", "c.pth")]
    for name, value in zip(names, (1.0, 1.0, 2.0), strict=True):
        torch.save({"w": torch.tensor(value)}, name)
    # torch writes the file's own name into it, so the copy is made of bytes
    names[1].write_bytes(names[0].read_bytes())
    first, moved, changed = (trial(PLAIN, f"training.initial_weights={one}") for one in names)
    assert first == moved
    assert len({first, changed, trial(PLAIN)}) == 3


def test_a_file_that_pretraining_begins_with_counts_by_its_content_too(tmp_path):
    """In the pretraining's identity and in that of its trials."""
    names = [tmp_path / name for name in ("a.pth", "b.pth")]
    for file in names:
        file.write_bytes(b"the same")
    first, moved = (f"pretraining.initial_weights={file}" for file in names)
    assert pretraining(FILE, first) == pretraining(FILE, moved) != pretraining()
    assert trial(FILE, first) == trial(FILE, moved) != trial()


def test_only_square_images_can_be_turned():
    text = FILE.replace("{name: digits}", "{name: esc50, subset: esc10}")
    text = text.replace(text.split("\n")[2], "model: {name: conv1d}")
    with pytest.raises(SpecError, match=r"a\.yaml:4: pretraining\.task: rotation needs square"):
        resolved(text)


def checked(file):
    spec = parse_benchmark(PLAIN, file="a.yaml", overrides=[f"training.initial_weights={file}"])
    return check_initial_weights(spec, resolve(spec))


def test_how_much_of_a_file_fits_is_said(tmp_path):
    """The head is left out even where it fits."""
    from models.vit import build

    own = {"patch_size": 4, "width": 8, "num_heads": 2, "depth": 1}
    state = build(input_shape=(1, 8, 8), num_classes=10, **own).state_dict()
    torch.save(state, tmp_path / "own.pth")
    (line,) = checked(tmp_path / "own.pth")
    assert line.startswith(f"own.pth: {len(state) - 2} of {len(state)} entries of models/vit.py")


@pytest.mark.parametrize(
    ("value", "said"),
    [({"x": torch.zeros(2, 3)}, "none of its 1 entries fits"), ([1], "no state dict, but a list")],
)
def test_a_file_that_cannot_be_started_from_is_a_mistake_of_the_benchmark(tmp_path, value, said):
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(SpecError, match=f"training.initial_weights: .*{said}"):
        checked(tmp_path / "w.pth")
