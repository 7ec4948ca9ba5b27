"""A trial keeps its name exactly as long as its numbers stay."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.engine.identity import canonical_json, pretraining_id, trial_id

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
