"""A trial keeps its name exactly as long as its numbers stay."""

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.config.read import parse_benchmark
from harness.engine.identity import (
    DataFingerprints,
    canonical_json,
    pretraining_id,
    refuse_changed,
    trial_id,
)
from harness.engine.resolve import Resolved, resolve
from harness.errors import BenchError, SpecError

CONFIG: dict[str, Any] = {
    "dataset": {"name": "digits", "limit": None},
    "model": {"name": "vit", "num_heads": 2},
    "training": {"epochs": 3, "lr": 0.1, "fold_execution": "auto"},
    "cross_validation": {"strategy": "stratified", "n_splits": 4},
    "seed": 0,
    "objective": {"metric": "accuracy"},
}


def identify(config: dict[str, Any], *, data: str = "d", code: str = "c") -> str:
    return trial_id(config, data_fingerprint=data, code_fingerprint=code)


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    section, key = path.split(".")
    config[section][key] = value
    return config


def test_it_is_sixteen_hex_digits_and_pinned() -> None:
    """A change of this number renames every trial ever stored."""
    assert identify(CONFIG) == "160c0a0045dc2fce"


def test_what_decides_the_numbers_decides_the_name() -> None:
    """Any value, the data, the code."""
    names = {
        identify(CONFIG),
        identify(changed("training.lr", 0.2)),
        identify(changed("model.num_heads", 4)),
        identify(changed("dataset.limit", 40)),
        identify(CONFIG, data="other"),
        identify(CONFIG, code="other"),
        identify({**CONFIG, "seed": 1}),
    }

    assert len(names) == 7


def test_how_folds_are_executed_does_not() -> None:
    """Loop and vectorised give the same numbers."""
    assert identify(changed("training.fold_execution", "loop")) == identify(CONFIG)


def test_other_operators_do_where_they_are_asked_for() -> None:
    """They draw other masks; a file that leaves torch's in place keeps its trials' names."""
    assert identify(changed("training.fast_operators", False)) == identify(CONFIG)
    assert identify(changed("training.fast_operators", True)) != identify(CONFIG)


def test_weights_pretrained_by_other_operators_are_others() -> None:
    """And those by torch's own keep their name."""
    names = []
    for training in ({}, {"fast_operators": False}, {"fast_operators": True}):
        config = {**CONFIG, "pretraining": {"task": "rotation"}}
        config["training"] = {"initial_weights": "pretrained", **training}
        names.append(pretraining_id(config, data_fingerprint="d", code_fingerprint="c"))
    assert names[0] == names[1] != names[2]


def test_a_key_of_a_later_version_renames_nothing() -> None:
    """Its default is null, and nulls are left out."""
    assert identify(changed("training.augmentation", None)) == identify(CONFIG)
    assert identify({**CONFIG, "pretraining": None}) == identify(CONFIG)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    """Equal mappings give equal text."""
    backwards = dict(reversed(value.items()))

    assert canonical_json(backwards) == canonical_json(value)


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


TEXTS = """\
question: Is it kind?
dataset: {name: text_csv, path: kind.csv, max_tokens: 4, max_vocabulary: 10}
model: {name: bag_of_tokens}
training: {epochs: 1, batch_size: 2, optimizer: sgd, lr: 0.1}
cross_validation: {strategy: kfold, n_splits: 3}
objective: {metric: accuracy}
"""


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """A table of four texts in the working directory, and a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "kind.csv").write_text("text,label\ngood,yes\nbad,no\nfine,yes\nawful,no\n")
    (one,) = resolve(parse_benchmark(TEXTS, file="kind.yaml"), root=tmp_path)
    return one


def test_a_forced_run_reads_what_the_memory_would_answer(texts: Resolved, tmp_path: Path) -> None:
    """A memory that is wrong about a file deceives a plain run, and no forced one."""

    def fingerprint(*, anew: bool) -> str:
        ask = DataFingerprints(tmp_path, may_prepare=False, on_event=print, anew=anew)
        return ask(texts)

    right = fingerprint(anew=True)
    memory = tmp_path / "cache" / "fingerprints.json"
    status = os.stat(tmp_path / "kind.csv")
    numbers = [
        getattr(status, f"st_{name}") for name in ("size", "mtime_ns", "ctime_ns", "ino", "dev")
    ]
    memory.parent.mkdir(exist_ok=True)
    memory.write_text(f'{{"{tmp_path / "kind.csv"}": [{numbers}, "{"0" * 64}"]}}')
    assert fingerprint(anew=False) != right
    assert fingerprint(anew=True) == right


def test_files_that_change_while_they_are_read_are_refused(texts: Resolved, tmp_path: Path) -> None:
    """What was made of them would be kept under the name of what they were."""
    ask = DataFingerprints(tmp_path, may_prepare=False, on_event=print)
    before = ask(texts)
    refuse_changed(texts, before, root=tmp_path)
    (tmp_path / "kind.csv").write_text("text,label\ngood,no\nbad,yes\nfine,no\nawful,yes\n")
    with pytest.raises(BenchError, match=r"raw files in .* changed while they were read"):
        refuse_changed(texts, before, root=tmp_path)
