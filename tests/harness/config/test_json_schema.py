"""Editors underline what the program refuses, as far as a schema can tell."""

import jsonschema
import pytest
import yaml

from harness.config.fields import SECTIONS
from harness.config.json_schema import json_schema, reference
from harness.config.read import SHARED_KEYS
from harness.config.sections import Training
from harness.plugins.catalog import SHIPPED

FILE = """\
question: Do more heads help?
dataset: {name: digits}
model: {name: vit, depth: 2}
training: {epochs: 1, batch_size: 8, optimizer: adam}
cross_validation: {strategy: kfold}
search: {space: {training.lr: [0.1, 0.01], "model.a, model.b": [[1, 2]]}}
objective: {metric: accuracy}
"""
PAGE = SHIPPED / "docs" / "benchmark_file.md"


def errors(text):
    """The schema's complaints about a text."""
    return list(jsonschema.Draft202012Validator(json_schema()).iter_errors(yaml.safe_load(text)))


def test_the_schema_is_one():
    """Draft 2020-12, every reference resolved."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert errors(FILE) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs: 1", "epochs: 0"),
        ("epochs: 1", "epoch: 1"),
        ("optimizer: adam", "optimizer: adamm"),
        ("question:", "quetion:"),
        ("objective: {metric: accuracy}", ""),
        ("strategy: kfold", "n_splits: 3"),
        ("[0.1, 0.01]", "[]"),
        ("[0.1, 0.01]", "{unifrom: [0, 1]}"),
        ("[0.1, 0.01]", "{uniform: [0]}"),
        ("training.lr", "lr"),
        ("training.lr", "seed.x"),
        ("{space:", "{scheduler: hyperband, space:"),
        ("objective:", "published: [{source: x, test_acc: 0.5}]\nobjective:"),
        ("objective:", "variants: {a: {seed: 1}}\nobjective:"),
    ],
)
def test_mistakes_are_underlined(old, new):
    """Unknown keys, values out of range, missing keys."""
    assert errors(FILE.replace(old, new))


def test_what_others_fill_in_is_described():
    """Keys carry descriptions for the editor's help."""
    definitions = json_schema()["$defs"]
    assert "patience" in definitions["Training"]["properties"]["early_stopping"]["description"]
    assert "required" not in definitions["Training"]


def test_every_key_of_a_file_has_a_row() -> None:
    page = reference()
    for key in (*SECTIONS, *SHARED_KEYS, *Training.model_fields):
        assert f"\n| `{key}` |" in page


def test_every_section_is_explained_once() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) > 10


def test_no_alternative_breaks_a_row_into_more_cells() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}


@pytest.mark.skipif(not PAGE.exists(), reason="documents are not in the wheel")
def test_the_documents_hold_this_page() -> None:
    """After a key was added: `bench schema --markdown > docs/benchmark_file.md`."""
    assert PAGE.read_text(encoding="utf-8") == reference()
