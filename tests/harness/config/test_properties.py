"""Any valid file survives writing out; a damaged one gives problems and nothing else."""

import random

import jsonschema
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config.expand import configurations
from harness.config.json_schema import json_schema
from harness.config.read import dump_resolved, parse_benchmark
from harness.config.yaml_io import dump
from harness.errors import SpecError

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
# Booleans equal integers in Python, so they are drawn apart from them.
SCALAR = st.integers(-9, 99) | st.sampled_from(["x", "1e-4", "no", "~", "a b"])
FIXED_OR_SEARCHED = {
    "training.epochs": st.integers(10, 50),
    "training.batch_size": st.integers(1, 64),
    "training.lr": st.floats(1e-6, 1) | st.integers(1, 3),
    "training.weight_decay": st.floats(0, 1),
    "training.label_smoothing": st.floats(0, 0.9),
    "training.schedule": st.sampled_from(
        ["cosine", "step", {"name": "step", "milestones": [2, 5], "gamma": 0.5}]
    ),
    "training.gradient_clip": st.none() | st.floats(0.1, 5),
    "training.selection": st.sampled_from(["best", "last"]),
    "dataset.limit": st.none() | st.integers(1, 500),
    "dataset.normalize": st.sampled_from(["none", "standard", "unit"]),
    "model.num_heads": st.integers(1, 16),
    "model.kernel": st.lists(st.integers(1, 9), min_size=2, max_size=2),
    "model.mode": SCALAR,
    "model.bias": st.booleans() | st.none(),
}
REQUIRED = ("training.epochs", "training.batch_size", "training.lr")
FOLDS = st.sampled_from(
    [
        {"strategy": "predefined"},
        {"strategy": "predefined", "test_fold": 1},
        {"strategy": "kfold", "n_splits": 4, "test_fold": 2},
        {"strategy": "stratified", "test_fold": "official"},
        {"strategy": "group", "n_splits": 2, "test_fold": "none"},
        {"strategy": "holdout", "validation_size": 0.3, "test_size": 20},
        {"strategy": "official"},
    ]
)


def _as_read(value):
    """1 and 1.0 are one value where a number is read; True is not 1."""
    return str(float(value)) if type(value) in (int, float) else str(value)


@st.composite
def parts(draw, *, random_search):
    """Sections and a space of one variant, as plain data."""
    sections = {"dataset": {"name": "digits"}, "model": {"name": "vit"}, "training": {}}
    sections["training"]["optimizer"] = draw(st.sampled_from(["adam", "adamw", "sgd"]))
    space = {}
    for path, values in FIXED_OR_SEARCHED.items():
        section, key = path.split(".")
        fate = draw(st.sampled_from(["fix", "search", "leave"]))
        if fate == "search" and len(space) < 3:
            drawn = draw(st.lists(values, min_size=1, max_size=3, unique_by=_as_read))
            space[path] = drawn
        elif fate == "fix" or path in REQUIRED:
            sections[section][key] = draw(values)
    if random_search and "training.lr" in space:
        space["training.lr"] = {"loguniform": [1e-5, draw(st.floats(0.01, 1))]}
    if draw(st.booleans()):
        space["model.width, model.depth"] = [[8, 1], [16, 2]]
    search = {"space": space} if space else {}
    lists = [path for path, domain in space.items() if isinstance(domain, list) and "," not in path]
    if len(lists) > 1 and draw(st.booleans()):
        dependent, other = lists[-1], lists[0]
        if dependent not in REQUIRED:
            search["when"] = {dependent: {other: [space[other][0]]}}
    return {**sections, **({"search": search} if search else {})}


@st.composite
def files(draw):
    """A valid file as plain data."""
    random_search = draw(st.booleans())
    whole = {"question": draw(TEXT) + "?", "cross_validation": draw(FOLDS)}
    whole["objective"] = {"metric": "accuracy"}
    optional = {
        "metrics": st.just(["roc_auc", "macro_f1"]),
        "seed": st.integers(0, 2**32),
        "repeats": st.integers(1, 5),
        "resources": st.just({"cpu": 2, "gpu": 0.25}),
        "weights": st.sampled_from(["best", "all", "none"]),
        "predictions": st.sampled_from(["all", "none"]),
        "diagnostics": st.sampled_from(["none", "layers"]),
        "tracking": st.sampled_from([[], ["tensorboard"], ["wandb", "mlflow"]]),
        "baseline": st.sampled_from(["0a1b", {"training.lr": 0.1}]),
        "published": st.just(
            [{"where": {"training.epochs": 3}, "val_loss": 2, "source": "x", "fold": 2}]
        ),
    }
    for key, values in optional.items():
        if draw(st.booleans()):
            whole[key] = draw(values)
    search = {"algorithm": "random", "num_samples": 5} if random_search else {}
    names = draw(st.lists(st.sampled_from(["a", "b c", "1"]), unique=True, max_size=2))
    if names:
        whole["variants"] = {
            name: draw(parts(random_search=random_search)) | {"model": {"name": f"model_{index}"}}
            for index, name in enumerate(names)
        }
    else:
        own = draw(parts(random_search=random_search))
        search |= own.pop("search", {})
        whole |= own
    return {**whole, "search": search}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_a_valid_file_survives_being_written_out(whole):
    """The resolved text reads back to an equal value with the same configurations."""
    spec = parse_benchmark(dump(whole), file="a.yaml")
    text = dump_resolved(spec)
    again = parse_benchmark(text, file="a.yaml")
    assert again == spec
    assert configurations(again) == configurations(spec)
    assert dump_resolved(again) == text


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_the_json_schema_takes_every_valid_file(whole):
    """An editor must not underline what the program accepts; both spellings."""
    spec = parse_benchmark(dump(whole), file="a.yaml")
    assert not list(VALIDATOR.iter_errors(whole))
    assert not list(VALIDATOR.iter_errors(yaml.safe_load(dump_resolved(spec))))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_configurations_come_once_and_hold_what_they_search(whole):
    """No two are equal; each section holds the searched value, or lacks what does not exist."""
    spec = parse_benchmark(dump(whole), file="a.yaml")
    found = configurations(spec)
    assert len({repr((one.variant, one.sections)) for one in found}) == len(found)
    searched = {one.name: set(one.space.paths) for one in spec.variants}
    for one in found:
        for path in searched[one.variant]:
            section, key = path.split(".")
            if path in one.params:
                assert one.sections[section][key] == one.params[path]
            else:
                assert key not in one.sections[section]


VALID = """\
question: Do more heads help?
dataset: {name: esc50, subset: esc10, limit: 80}
model:
  name: vit
  depth: 2
training:
  epochs: 10
  batch_size: 32
  schedule: {name: step, milestones: [3, 6], gamma: 0.5}
  early_stopping: null
cross_validation:
  strategy: stratified
  n_splits: 5
  test_fold: rotate
search:
  algorithm: random
  num_samples: 7
  space:
    model.num_heads: [1, 2, 4]
    model.width: {int: [8, 64, 8]}
    training.optimizer: [adam, sgd]
    training.momentum: {uniform: [0.5, 0.9]}
    "training.lr, training.weight_decay": [[0.1, 0], [0.01, 1e-4]]
  exclude:
    - {model.num_heads: [1, 2], training.optimizer: sgd}
  when:
    training.momentum: {training.optimizer: sgd}
objective: {metric: accuracy}
metrics: [accuracy, roc_auc]
seed: 3
resources: {cpu: 1, gpu: 0.25}
baseline: {model.num_heads: 1}
published:
  - where: {model.num_heads: 4}
    test_accuracy: 0.5
    source: report
variants:
  small:
    model: {width_factor: 1}
  large:
    training: {epochs: 20}
    search: {space: {model.depth: [4, 8]}}
"""
JUNK = [
    *("", "null", "[]", "{}", "-1", "1e999", "true", "[[1]]", "{a: 1}", "'", "*x", "&x 1", "no"),
    *("{int: [3, 1]}", "{uniform: [0, 1]}", "[1, 1]", "\t", "!!str 1", "<<", "x" * 200, "- a"),
    *("{name: step}", "99999999999999999999", "\u2028", "0.5: 1", "[a, 2, null, true]"),
]
KEYS = [
    *("training.epochs", "model", "search.space.model.num_heads", "search", "variants.small"),
    *("search.when", "published", "training.schedule.gamma", "x", "a.b.c", "", "."),
]


def test_the_file_that_gets_damaged_is_valid():
    """Else the damage would prove nothing."""
    assert len(configurations(parse_benchmark(VALID, file="a.yaml"))) == 14


def damaged(chance):
    """The file after one to three random accidents."""
    lines = VALID.splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        accident = chance.choice(["delete", "double", "swap", "value", "character", "move", "cut"])
        if accident == "delete" and len(lines) > 1:
            del lines[at]
        elif accident == "double":
            lines.insert(chance.randrange(len(lines)), lines[at])
        elif accident == "swap":
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif accident == "value" and ":" in lines[at]:
            lines[at] = lines[at].split(":")[0] + ": " + chance.choice(JUNK)
        elif accident == "character" and lines[at]:
            where = chance.randrange(len(lines[at]))
            new = chance.choice("[]{}:,#&*!|>'\"%@`-? \tx0\x07")
            lines[at] = lines[at][:where] + new + lines[at][where + chance.randint(0, 1) :]
        elif accident == "move":
            lines[at] = " " * chance.randint(0, 6) + lines[at].lstrip()
        elif accident == "cut" and len(lines) > 3:
            lines = lines[: chance.randrange(1, len(lines))]
    return "\n".join(lines)


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**64), st.sampled_from([*JUNK, "model.x", "1", "[1, 2]"]))
def test_damage_gives_problems_or_another_valid_file_never_a_crash(seed, junk):
    """Deleted, doubled, swapped lines, junk values, flipped characters, wild overrides."""
    chance = random.Random(seed)
    text = damaged(chance)
    overrides = [f"{chance.choice(KEYS)}={junk}"] if chance.random() < 0.4 else []
    try:
        spec = parse_benchmark(text, file="a.yaml", overrides=overrides)
        found = configurations(spec)
    except SpecError as error:
        assert error.problems
        assert all(str(problem) for problem in error.problems)
    else:
        assert found
        assert parse_benchmark(dump_resolved(spec), file="a.yaml") == spec


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_at_all_gives_problems_never_a_crash(text):
    """Noise is answered like a mistake."""
    try:
        parse_benchmark(text, file="a.yaml")
    except SpecError as error:
        assert error.problems
