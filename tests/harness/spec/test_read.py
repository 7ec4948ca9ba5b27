"""Reading a file: its values, and every typical mistake with line, field and the nearest name."""

import time

import pytest

from harness.errors import BenchError, SpecError
from harness.spec.expand import configurations
from harness.spec.read import dump_resolved, parse_benchmark, read_benchmark
from harness.spec.sections import Schedule
from harness.spec.space import Choice, IntRange, LogUniform

FILE = """\
question: Do more attention heads help?
dataset:
  name: esc50
  subset: esc10
model:
  name: conv1d_transformer
training:
  epochs: 100
  batch_size: 32
  optimizer: adam
  lr: 0.001
cross_validation:
  strategy: predefined
  test_fold: 1
search:
  space:
    model.num_heads: [1, 2, 4]
    model.hidden_dim: [512, 1024]
objective: {metric: accuracy}
published:
  - where: {model.num_heads: 4}
    test_accuracy: 0.5875
    source: report 001
"""


def read(text=FILE, *overrides):
    """The benchmark in a text."""
    return parse_benchmark(text, file="heads.yaml", overrides=overrides)


def problems_of(text, *overrides):
    """The problems of a text, as printed."""
    with pytest.raises(SpecError) as raised:
        read(text, *overrides)
    return [str(problem) for problem in raised.value.problems]


def changed(old, new):
    """The file with one piece replaced."""
    assert FILE.count(old) == 1
    return FILE.replace(old, new)


def searching(space, *removed):
    """The file with another space, and lines of `training` left out for it."""
    text = FILE
    for line in removed:
        text = text.replace(f"  {line}\n", "")
    old = "    model.num_heads: [1, 2, 4]\n    model.hidden_dim: [512, 1024]\n"
    body = "".join(f"    {line}\n" for line in space.splitlines())
    return text.replace(old, body).split("published:")[0]


def test_a_file_becomes_a_value_with_every_default():
    """The name is the file's stem; the objective's metric is among the metrics."""
    spec = read()
    assert (spec.name, spec.file, spec.seed, spec.repeats) == ("heads", "heads.yaml", 0, 1)
    assert spec.metrics == ("accuracy",)
    assert (spec.weights, spec.predictions, spec.baseline) == ("best", "all", None)
    assert (spec.training.selection, spec.training.weight_decay) == ("best", 0.0)
    assert spec.dataset.options == {"subset": "esc10"}
    assert (spec.search.algorithm, spec.search.num_samples) == ("grid", None)
    assert spec.published[0].numbers == {"test_accuracy": 0.5875}


def test_a_searched_path_holds_its_first_value():
    """The typed sections carry a representative, so that they can be built."""
    assert read().model.options == {"num_heads": 1, "hidden_dim": 512}


def test_metrics_always_hold_the_objective():
    """Named or not."""
    assert read(FILE + "metrics: [macro_f1]\n").metrics == ("accuracy", "macro_f1")
    assert read(FILE + "metrics: [macro_f1, accuracy]\n").metrics == ("macro_f1", "accuracy")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{strategy: predefined}", ("rotate", None, None, None)),
        ("{strategy: kfold}", ("rotate", 5, None, None)),
        ("{strategy: stratified, test_fold: official}", ("official", 5, None, None)),
        ("{strategy: group, n_splits: 4, test_fold: none}", ("none", 4, None, None)),
        ("{strategy: holdout}", (None, None, 0.2, 0.2)),
        ("{strategy: holdout, test_size: 50}", (None, None, 0.2, 50)),
        ("{strategy: official}", (None, None, None, None)),
    ],
)
def test_cross_validation_writes_its_defaults_out(section, expected):
    """What is left out and what is spelled out must be the same folds."""
    folds = read(FILE, f"cross_validation={section}").cross_validation
    found = (folds.test_fold, folds.n_splits, folds.validation_size, folds.test_size)
    assert found == expected


def test_domains_of_every_kind_are_read():
    """A list, ranges of real numbers and of integers, and linked paths."""
    space = (
        "training.lr: {loguniform: [1e-4, 1]}\nmodel.depth: {int: [2, 8, 2]}\n"
        "'model.width,model.heads': [[48, 4], [120, 10]]"
    )
    text = searching(space, "lr: 0.001").replace(
        "search:\n", "search:\n  algorithm: random\n  num_samples: 3\n"
    )
    assert [(one.path, one.domain) for one in read(text).domains] == [
        ("training.lr", LogUniform(1e-4, 1.0)),
        ("model.depth", IntRange(2, 8, 2)),
        ("model.width", Choice((48, 120))),
        ("model.heads", Choice((4, 10))),
    ]


def test_integers_become_real_where_the_field_is_real():
    """lr: [1, 0.1] must not make one column of two types."""
    values = [c.params["training.lr"] for c in configurations(read(searching(
        "training.lr: [1, 0.1]", "lr: 0.001")))]  # fmt: skip
    assert values == [1.0, 0.1]
    assert [type(value) for value in values] == [float, float]


def test_a_schedule_of_defaults_is_its_name():
    """Two spellings of one schedule must not be two trials."""
    assert read(FILE, "training.schedule={name: cosine}").training.schedule == "cosine"
    chosen = read(FILE, "training.schedule={name: step, milestones: [30, 60]}").training.schedule
    assert chosen == Schedule(name="step", milestones=(30, 60))


MISTAKES = [
    # (old, new, what the one problem says)
    ("epochs: 100", "epochs: -1", "heads.yaml:8: training.epochs: not a valid value; found -1; "
     "allowed: an integer of at least 1"),
    ("epochs: 100", "epochs: 1e2", "found 100.0; allowed: an integer of at least 1"),
    ("epochs: 100", "epochs: '100'", "found '100' (text); allowed: an integer"),
    ("epochs: 100", "epochs: true", "training.epochs: not a valid value; found true"),
    ("epochs: 100", "epochs:", "found null; allowed: an integer of at least 1"),
    ("lr: 0.001", "lr: 0", "heads.yaml:11: training.lr: not a valid value; found 0; allowed: a "
     "number above 0"),
    ("optimizer: adam", "optimizer: adamm", "heads.yaml:10: training.optimizer: not a valid value; "
     "found adamm; allowed: adam, adamw, sgd; did you mean 'adam'?"),
    ("batch_size: 32", "batchsize: 32\n  batch_size: 8", "heads.yaml:9: training.batchsize: "
     "unknown key"),
    ("  lr: 0.001\n", "", "heads.yaml:7: training.lr: required key is missing; allowed: a number "
     "above 0"),
    ("  name: esc50\n", "", "heads.yaml:2: dataset.name: required key is missing"),
    ("name: esc50", "name: ../esc50", "dataset.name: not a valid value; found ../esc50"),
    ("question: Do more attention heads help?\n", "", "heads.yaml:1: question: required key"),
    ("question: Do more attention heads help?", "question: ' '", "question: not a valid value"),
    ("objective:", "objectiv: 1\nobjective:", "heads.yaml:19: objectiv: unknown key"),
    ("{metric: accuracy}", "{metric: acuracy}", "heads.yaml:19: objective.metric: unknown metric; "
     "found acuracy"),
    ("{metric: accuracy}", "accuracy", "objective: not a valid value; found accuracy; allowed: a "
     "mapping of metric"),
    ("objective:", "metrics: [roc_acu]\nobjective:", "metrics[0]: unknown metric"),
    ("objective:", "metrics: [roc_auc, roc_auc]\nobjective:", "metrics[1]: named twice"),
    ("objective:", "weights: bset\nobjective:", "did you mean 'best'?"),
    ("objective:", "tracking: [mlflow]\nobjective:", "tracking: unknown key"),
    ("objective:", "  scheduler: asha\nobjective:", "heads.yaml:19: search.scheduler: unknown key; "
     "allowed: algorithm, num_samples, space, exclude, when"),
    ("objective:", "  algorithm: tpe\nobjective:", "found tpe; allowed: grid, random"),
    ("objective:", "seed: -1\nobjective:", "seed: not a valid value; found -1"),
    ("objective:", "resources: {cpu: 0}\nobjective:", "resources.cpu: not a valid value; found 0"),
    ("objective:", "baseline: best\nobjective:", "baseline: not a valid value; found best"),
    ("objective:", "baseline: {model.heads: 1}\nobjective:", "baseline.model.heads: the file "
     "neither fixes nor searches this path; did you mean 'model.num_heads'?"),
    ("test_fold: 1", "test_fold: rotat", "allowed: an integer of at least 1, or rotate, official, "
     "none, or null; did you mean 'rotate'?"),
    ("test_fold: 1", "n_splits: 4", "heads.yaml:14: cross_validation.n_splits: does not apply"),
    ("test_fold: 1", "test_fold: official", "cross_validation.test_fold: does not apply"),
    ("test_fold: 1", "test_size: 0.1", "only holdout takes a size"),
    ("strategy: predefined", "strategy: holdout", "holdout has one fold of its own"),
    ("strategy: predefined", "strategy: official", "official has one fold of its own"),
    ("strategy: predefined", "strategy: kfold\n  n_splits: 1", "n_splits: not a valid value; "
     "found 1; allowed: an integer of at least 2"),
    ("strategy: predefined", "strategy: kfold\n  n_splits: 2", "need 3 splits; found 2"),
    ("predefined\n  test_fold: 1", "kfold\n  test_fold: 7", "no such part; found 7; allowed: 1 to "
     "n_splits (5)"),
    ("predefined\n  test_fold: 1", "holdout\n  validation_size: 1.0", "validation_size: not a "
     "valid value; found 1.0; allowed: an integer of at least 1, or a number above 0 and below 1"),
    ("predefined\n  test_fold: 1", "holdout\n  validation_size: 0.9", "nothing is left to train"),
    ("lr: 0.001", "lr: 0.001\n  momentum: 0.9", "heads.yaml:12: training.momentum: adam takes no "
     "momentum: use sgd, or let `when`"),
    ("lr: 0.001", "lr: 0.001\n  warmup_epochs: 100", "the warm-up must end before the last epoch; "
     "found 100 of 100 epochs"),
    ("lr: 0.001", "lr: 0.001\n  warmup_epochs: 1\n  schedule: one_cycle", "one_cycle warms up"),
    ("lr: 0.001", "lr: 0.001\n  schedule: cosin", "did you mean 'cosine'?"),
    ("lr: 0.001", "lr: 0.001\n  schedule: {name: cosine, gamma: 0.5}", "training.schedule: gamma "
     "belongs to the schedule step, not to cosine"),
    ("lr: 0.001", "lr: 0.001\n  schedule: {name: step, milestones: [3, 3]}", "must rise"),
    ("lr: 0.001", "lr: 0.001\n  schedule: {gamma: 0.5}", "training.schedule.name: required key"),
    ("0.5875", "58.75", "heads.yaml:22: published[0].test_accuracy: a fraction is expected: write "
     "0.5875, not 58.75"),
    ("0.5875", "high", "published[0].test_accuracy: not a valid value; found high"),
    ("test_accuracy", "test_acuracy", "did you mean 'test_accuracy'?"),
    ("    test_accuracy: 0.5875\n", "", "heads.yaml:21: published[0]: no published number"),
    ("    source: report 001\n", "", "published[0].source: required key is missing"),
    ("{model.num_heads: 4}", "{model.num_head: 4}", "heads.yaml:21: "
     "published[0].where.model.num_head: the file neither fixes nor searches this path; did you "
     "mean 'model.num_heads'?"),
    ("[1, 2, 4]", "[]", "heads.yaml:17: search.space.model.num_heads: the list is empty"),
    ("[1, 2, 4]", "[1, 2, 1.0]", "search.space.model.num_heads[2]: the value is in the list twice"),
    ("[1, 2, 4]", "4", "search.space.model.num_heads: not a valid value; found 4; allowed: a list"),
    ("[1, 2, 4]", "{uniform: [1, 2]}", "heads.yaml:17: search.space.model.num_heads: a grid takes "
     "lists only"),
    ("[1, 2, 4]", "{unifrom: [1, 2]}", "unknown domain; allowed: uniform, loguniform, int; did you "
     "mean 'uniform'?"),
    ("[1, 2, 4]", "{uniform: [2, 1]}", "the bounds are swapped: low must lie below high; found "
     "[2, 1]"),
    ("[1, 2, 4]", "{loguniform: [0, 1]}", "must start above 0; found 0"),
    ("[1, 2, 4]", "{int: [1, 8, 0]}", "a step must be at least 1; found 0"),
    ("[1, 2, 4]", "{int: [1, 8.5]}", "allowed: integers [low, high] or [low, high, step]"),
    ("[1, 2, 4]", "{uniform: [1, 2, 3]}", "found [1, 2, 3]; allowed: [low, high]"),
    ("[1, 2, 4]", "{int: [1, 8], uniform: [1, 2]}", "not a valid value"),
    ("model.num_heads: [1, 2, 4]", "'model.a, model.b': [[1, 2], [3]]", "[1]: not a valid value; "
     "found [3]; allowed: a list of 2: model.a, model.b"),
    ("model.num_heads: [1, 2, 4]", "'model.a, model.hidden_dim': [[1, 2]]", "model.hidden_dim is "
     "named twice in the space"),
    ("model.num_heads: [1, 2, 4]", "num_heads: [1, 2]", "not a path that can be searched"),
    ("model.num_heads: [1, 2, 4]", "lr: [1, 2]", "did you mean 'training.lr'?"),
    ("model.num_heads: [1, 2, 4]", "modle.num_heads: [1, 2, 4]", "did you mean 'model.num_heads'?"),
    ("model.num_heads: [1, 2, 4]", "training.epoch: [1, 2]", "did you mean 'training.epochs'?"),
    ("model.num_heads: [1, 2, 4]", "seed: [1, 2]", "use `repeats` for more seeds"),
    ("model.num_heads: [1, 2, 4]", "cross_validation.n_splits: [3, 5]", "all configurations share "
     "folds and objective"),
    ("model.num_heads: [1, 2, 4]", "training.lr: [0.1, 0.2]", "heads.yaml:17: "
     "search.space.training.lr: training.lr is both fixed (line 11) and searched"),
    ("model.num_heads: [1, 2, 4]", "training.weight_decay: [0, -1]", "search.space."
     "training.weight_decay[1]: not a valid value; found -1; allowed: a number of at least 0"),
    ("model.num_heads: [1, 2, 4]", "dataset.normalize: [none, standrad]", "did you mean "
     "'standard'"),
    ("model.num_heads: [1, 2, 4]", "training.schedule.gamma: [0.1]", "search training.schedule as "
     "a whole"),
    ("  space:\n", "  algorithm: random\n  space:\n", "search.num_samples: required key is "
     "missing"),
    ("  space:\n", "  num_samples: 5\n  space:\n", "search.num_samples: a grid takes every"),
    ("  space:\n", "  exclude: [{model.num_heads: 3}]\n  space:\n", "heads.yaml:16: "
     "search.exclude[0].model.num_heads: model.num_heads never has this value; found 3; allowed: "
     "1, 2, 4"),
    ("  space:\n", "  exclude: [{model.num_head: 1}]\n  space:\n", "not a path of the space; "
     "allowed: model.num_heads, model.hidden_dim; did you mean 'model.num_heads'?"),
    ("  space:\n", "  exclude: [{model.num_heads: [1, 2, 4]}]\n  space:\n", "every combination is "
     "excluded"),
    ("  space:\n", "  exclude: {model.num_heads: 1}\n  space:\n", "allowed: a list of mappings"),
    ("  space:\n", "  when: {model.num_heads: {model.hidden_dm: 512}}\n  space:\n", "did you mean "
     "'model.hidden_dim'?"),
    ("  space:\n", "  when: {model.num_heads: {model.num_heads: 1}}\n  space:\n", "depends on "
     "itself"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
def test_a_mistake_gives_one_problem_that_says_how_to_mend_it(old, new, words):
    """One mistake, one problem: place, field, what was found, what is allowed, the nearest name.

    Where a mistake leaves the published row without its path, that row's problem comes second.
    """
    found = problems_of(changed(old, new))
    assert words in "\n".join(found)
    assert len([line for line in found if "where.model.num_heads" not in line]) == 1


def test_all_problems_come_at_once_in_the_order_of_the_lines():
    """A typo in one section hides none in another."""
    text = FILE.replace("epochs: 100", "epochs: 0").replace("[512, 1024]", "[]")
    text = text.replace("0.5875", "58.75").replace("predefined", "stratifed") + "quetion: x\n"
    lines = [problem.split(": ")[0] for problem in problems_of(text)]
    assert lines == [f"heads.yaml:{n}" for n in (8, 13, 18, 22, 24)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs: 100", "epoch: 100", "did you mean 'epochs'?"),
        ("dataset:", "datset:", "did you mean 'dataset'?"),
        ("objective:", "objectve:", "did you mean 'objective'?"),
        ("batch_size: 32", "batch_size: [32, 64]", "`training.batch_size: [32, 64]` in search"),
    ],
)
def test_one_mistake_is_one_problem(old, new, words):
    """A misspelled key is not missing as well."""
    (problem,) = problems_of(changed(old, new))
    assert words in problem


def test_duplicate_keys_come_with_the_other_problems():
    """A second `lr` is pointed at beside the mistakes of the rest."""
    found = problems_of(changed("lr: 0.001", "lr: 0.001\n  lr: 0.1\n  epoch: 3"))
    assert "heads.yaml:12: training.lr: duplicate key: given in line 11" in found[0]
    assert "heads.yaml:13: training.epoch: unknown key" in found[1]


def test_momentum_may_be_searched_where_when_keeps_it_to_sgd():
    """The same search with and without `when`."""
    space = "training.optimizer: [adam, sgd]\ntraining.momentum: [0.5, 0.9]"
    text = searching(space, "optimizer: adam")
    assert "adam takes no momentum" in problems_of(text)[0]
    conditional = text.replace(
        "search:\n", "search:\n  when: {training.momentum: {training.optimizer: sgd}}\n"
    )
    assert [one.params for one in configurations(read(conditional))] == [
        {"training.optimizer": "adam"},
        {"training.optimizer": "sgd", "training.momentum": 0.5},
        {"training.optimizer": "sgd", "training.momentum": 0.9},
    ]


def test_what_every_configuration_needs_can_not_depend_on_another():
    """An lr that exists only for sgd would leave adam without one."""
    text = searching(
        "training.optimizer: [adam, sgd]\ntraining.lr: [0.1]", "optimizer: adam", "lr: 0.001"
    ).replace("search:\n", "search:\n  when: {training.lr: {training.optimizer: sgd}}\n")
    assert "search.when.training.lr: required in every configuration" in problems_of(text)[0]


def test_an_override_counts_instead_of_the_file():
    """Values follow the file's rules."""
    spec = read(FILE, "training.epochs=3", "training.lr=1e-2", "dataset.limit=80", "repeats=2")
    assert (spec.training.epochs, spec.training.lr, spec.dataset.limit) == (3, 0.01, 80)
    assert spec.repeats == 2
    assert read(FILE, "training.epochs=3", "training.epochs=4").training.epochs == 4


def test_an_override_of_a_searched_path_fixes_it():
    """Three heads by two widths become one by two."""
    spec = read(FILE, "model.num_heads=4")
    assert [one.path for one in spec.domains] == ["model.hidden_dim"]
    assert [one.params for one in configurations(spec)] == [
        {"model.hidden_dim": 512},
        {"model.hidden_dim": 1024},
    ]
    assert {one.sections["model"]["num_heads"] for one in configurations(spec)} == {4}


def test_an_override_replaces_a_domain():
    """The space keeps the path."""
    spec = read(FILE, "search.space.model.num_heads=[8, 16]")
    assert spec.domains[0].domain == Choice((8, 16))


def test_rules_go_on_to_hold_for_an_overridden_path():
    """With adam fixed on the command line momentum still does not exist: trials keep their id."""
    text = searching(
        "training.optimizer: [adam, sgd]\ntraining.momentum: [0.5, 0.9]", "optimizer: adam"
    ).replace("search:\n", "search:\n  when: {training.momentum: {training.optimizer: sgd}}\n")
    whole = configurations(read(text))
    assert [one.sections for one in configurations(read(text, "training.optimizer=adam"))] == [
        one.sections for one in whole if one.params["training.optimizer"] == "adam"
    ]
    assert len(configurations(read(text, "training.optimizer=sgd"))) == 2
    for optimizer in ("adam", "sgd"):
        spec = read(text, f"training.optimizer={optimizer}")
        again = parse_benchmark(dump_resolved(spec), file="heads.yaml")
        assert again == spec
        assert configurations(again) == configurations(spec)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs=0", "command line: training.epochs: not a valid value; found 0"),
        ("training.epoch=3", "command line: training.epoch: unknown key"),
        ("trainin.epochs=3", "command line: trainin: unknown key"),
        ("training.epochs", "command line: write key=value; found training.epochs"),
        ("training..epochs=3", "not a path of keys joined by dots"),
        ("training.epochs=[1", "command line: training.epochs: not valid YAML"),
        ("model.num_heads={a: 1", "not valid YAML"),
        ("search.space.model.num_heads=[]", "the list is empty"),
    ],
)
def test_a_wrong_override_is_answered_like_a_wrong_file(override, words):
    """The place is the command line."""
    assert any(words in problem for problem in problems_of(FILE, override))


def test_an_override_can_not_put_a_key_into_a_number():
    """The value that stands in the way is shown."""
    assert problems_of(FILE + "seed: 4\n", "seed.x=1") == [
        "command line: seed.x: seed is no mapping; found 4"
    ]


def test_the_command_line_may_search_what_the_file_fixes():
    """Two learning rates by the file's six configurations."""
    assert len(configurations(read(FILE, "search.space.training.lr=[1, 2]"))) == 12


def test_an_override_inside_linked_parameters_names_the_key_to_replace():
    """One of two linked values alone has no meaning; the key as a whole can be replaced."""
    text = searching('"model.width, model.heads": [[48, 4], [120, 10]]')
    found = problems_of(text, "model.heads=4")
    assert "linked in the space: replace search.space.model.width, model.heads" in found[0]
    spec = read(text, "search.space.model.width,model.heads=[[60, 5]]")
    assert [one.params for one in configurations(spec)] == [{"model.width": 60, "model.heads": 5}]


VARIANTS = """\
question: Which model is best?
dataset: {name: digits}
training: {epochs: 5, batch_size: 16, optimizer: adam}
cross_validation: {strategy: stratified}
search:
  space:
    training.lr: [0.1, 0.01]
objective: {metric: accuracy}
variants:
  plain:
    model: {name: linear}
  attention:
    model: {name: vit}
    training: {epochs: 9}
    search:
      space:
        model.num_heads: [1, 2]
      exclude:
        - {model.num_heads: 2, training.lr: 0.1}
"""


def test_variants_compare_models_each_with_its_own_space():
    """Two learning rates of the linear model; two by two less one excluded of the other."""
    spec = read(VARIANTS)
    found = configurations(spec)
    assert [(one.variant, *one.params.values()) for one in found] == [
        ("plain", 0.1),
        ("plain", 0.01),
        ("attention", 0.1, 1),
        ("attention", 0.01, 1),
        ("attention", 0.01, 2),
    ]
    assert {one.sections["training"]["epochs"] for one in found[2:]} == {9}
    assert [one.variant for one in spec.domains] == ["plain", "attention", "attention"]
    assert spec.model.name == "linear"


def test_a_variant_speaks_over_the_base_and_the_command_line_over_both():
    """A variant may fix what the base searches and search what it fixes."""
    text = VARIANTS.replace("{name: linear}", "{name: linear}\n    training: {lr: 0.5}")
    text = text.replace("        model.num", "        training.epochs: [7]\n        model.num")
    found = configurations(read(text.replace("    training: {epochs: 9}\n", "")))
    assert [one.params for one in found if one.variant == "plain"] == [{}]
    assert found[0].sections["training"]["lr"] == 0.5
    assert found[1].params["training.epochs"] == 7
    single = configurations(read(VARIANTS, "training.epochs=2", "training.lr=0.3"))
    assert {one.sections["training"]["epochs"] for one in single} == {2}
    assert {one.sections["training"]["lr"] for one in single} == {0.3}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{name: vit}", "{name: 3}", "heads.yaml:13: variants.attention.model.name: not a valid"),
        ("model: {name: vit}", "modell: {name: vit}", "heads.yaml:13: variants.attention.modell: "
         "unknown key; allowed: dataset, model, training, search; did you mean 'model'?"),
        ("{epochs: 9}", "{epoch: 9}", "heads.yaml:14: variants.attention.training.epoch: unknown"),
        ("{epochs: 9}", "{lr: 0}", "heads.yaml:14: variants.attention.training.lr: not a valid"),
        ("num_heads: [1, 2]", "num_heads: []", "heads.yaml:17: "
         "variants.attention.search.space.model.num_heads: the list is empty"),
        ("{model.num_heads: 2, t", "{model.num_heads: 3, t", "heads.yaml:19: "
         "variants.attention.search.exclude[0].model.num_heads: model.num_heads never has"),
        ("    search:\n", "    search:\n      algorithm: random\n", "search.algorithm: unknown "
         "key; allowed: space, exclude, when"),
        ("    model: {name: linear}\n", "", "variants.plain.model.name: required key is missing"),
        ("  plain:\n    model: {name: linear}", "  plain: 3", "variants.plain: not a valid value"),
        ("optimizer: adam}", "optimizer: adam, momentum: 0.5}", "heads.yaml:3: training.momentum: "
         "adam takes no momentum"),
        ("{name: linear}", "{name: linear}\n  again:\n    model: {name: linear}", "the same "
         "configuration as in variant plain"),
    ],
)  # fmt: skip
def test_mistakes_in_variants_are_as_clear_as_others(old, new, words):
    """The field path begins with the variant; a mistake of the base is reported once."""
    assert VARIANTS.count(old) == 1
    found = problems_of(VARIANTS.replace(old, new))
    assert words in "\n".join(found)
    assert len(found) == len(set(found))


def test_a_problem_found_later_stands_at_the_right_line():
    """Planning checks values against a model's signature and reports them through the spec."""
    text = changed("[1, 2, 4]", "[1,\n      2,\n      x]")
    spec = read(text)
    assert spec.problem("model.num_heads", "no").line == 17
    problem = spec.problem("model.num_heads", "wrong value", value="x", allowed="int")
    assert (problem.line, problem.path) == (19, "search.space.model.num_heads[2]")
    assert (problem.found, problem.allowed) == ("x", "int")
    assert spec.problem("dataset.subset", "no").line == 4
    assert spec.problem("model.unheard", "no").line == 5
    assert spec.problem("cross_validation.strategy", "no").line == 13
    later = read(VARIANTS).problem("training.epochs", "no", variant="attention")
    assert (later.line, later.path) == (14, "variants.attention.training.epochs")


def test_a_grid_too_large_to_enumerate_is_refused_at_once():
    """Ten parameters of ten values would be ten thousand million trials."""
    space = "\n".join(f"model.p{n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for n in range(10))
    assert "10,000,000,000 combinations" in problems_of(searching(space))[0]


def test_ten_thousand_configurations_are_read_and_expanded_in_seconds():
    """A generous guard: validation goes by domain, not by configuration."""
    ten = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
    keys = ("model.a", "model.b", "training.lr", "training.batch_size")
    text = searching("\n".join(f"{key}: {ten}" for key in keys), "lr: 0.001", "batch_size: 32")
    started = time.perf_counter()
    assert len(configurations(read(text))) == 10_000
    drawn = text.replace("search:\n", "search:\n  algorithm: random\n  num_samples: 9000\n")
    assert len(configurations(read(drawn))) == 9000
    assert time.perf_counter() - started < 5


def test_a_file_is_read_from_disk(tmp_path):
    """The path names it in errors; what can't be read is said without a traceback."""
    file = tmp_path / "heads.yaml"
    file.write_text(FILE)
    assert read_benchmark(file).name == "heads"
    with pytest.raises(BenchError, match=r"gone\.yaml: can't be read"):
        read_benchmark(tmp_path / "gone.yaml")
    file.write_bytes(FILE.encode() + b"# \xff\n")
    with pytest.raises(SpecError, match=r"heads\.yaml:24: the file is not UTF-8 text"):
        read_benchmark(file)
    with pytest.raises(BenchError, match="can't be read"):
        read_benchmark(tmp_path)


def test_metrics_of_the_callers_own_are_known():
    """The results layer hands its metrics over."""
    text = changed("{metric: accuracy}", "{metric: kappa}").replace("test_acc", "test_kapp")
    text = text.replace("test_kappuracy", "test_kappa")
    spec = parse_benchmark(text, file="a.yaml", known_metrics=("kappa",))
    assert spec.metrics == ("kappa",)


def test_a_condition_may_spell_a_schedule_out():
    """The domain holds the short name of a schedule of defaults; conditions mean the same."""
    text = searching("training.schedule: [cosine, step]\nmodel.depth: [1, 2]")
    rule = "search:\n  exclude: [{training.schedule: {name: cosine}, model.depth: 1}]\n"
    assert len(configurations(read(text.replace("search:\n", rule)))) == 3


@pytest.mark.parametrize("name", ["_smoke", ".hidden", "a@b", "a:b", "a=b"])
def test_a_name_that_commands_would_misread_is_refused(name):
    """`BENCHMARK@RUN:SELECTOR` and `key=value` need those characters."""
    with pytest.raises(SpecError, match="the file's name is the benchmark's"):
        parse_benchmark(FILE, file=f"{name}.yaml")
