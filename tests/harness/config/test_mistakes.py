"""Every mistake of a file gets one answer that says how to mend it."""

import pytest

from harness.config.expand import configurations
from tests.spec_files import FILE, changed, problems_of, read, searching

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
    ("objective:", "diagnostics: layer\nobjective:", "did you mean 'layers'?"),
    ("objective:", "tracking: [mlfow]\nobjective:", "did you mean 'mlflow'?"),
    ("objective:", "  schedular: asha\nobjective:", "heads.yaml:19: search.schedular: unknown key; "
     "allowed: algorithm, num_samples, scheduler, time_budget_s, space, exclude, when; did you "
     "mean 'scheduler'?"),
    ("objective:", "  scheduler: ash\nobjective:", "search.scheduler: not a valid value; found "
     "ash; allowed: none, asha, or a mapping of name, grace_epochs, reduction_factor; did you mean "
     "'asha'?"),
    ("objective:", "  scheduler: {name: asha, grace: 1}\nobjective:", "search.scheduler.grace: "
     "unknown key; allowed: name, grace_epochs, reduction_factor; did you mean 'grace_epochs'?"),
    ("objective:", "  scheduler: {name: asha, grace_epochs: 100}\nobjective:", "heads.yaml:19: "
     "search.scheduler.grace_epochs: no trial would ever be stopped: it must be below the epochs "
     "of training; found 100 of 100 epochs"),
    ("objective:", "  time_budget_s: 0\nobjective:", "search.time_budget_s: not a valid value; "
     "found 0; allowed: a number above 0"),
    ("objective:", "  algorithm: tpf\nobjective:", "found tpf; allowed: grid, random, tpe; did you "
     "mean 'tpe'?"),
    ("objective:", "  algorithm: tpe\nobjective:", "search.num_samples: required key is missing: "
     "tpe needs the number of draws"),
    ("objective:", "  algorithm: tpe\n  num_samples: 3\n  exclude: [{model.num_heads: 1}]\n"
     "objective:", "heads.yaml:21: search.exclude: tpe draws from a whole space: leave exclude "
     "out, or use random"),
    ("objective:", "  algorithm: tpe\n  num_samples: 3\nvariants: {a: {model: {depth: 2}}}\n"
     "objective:", "heads.yaml:21: variants: tpe searches one space: leave variants out"),
    ("objective:", "  algorithm: tpe\n  num_samples: 3\npretraining: {task: rotation, epochs: 1, "
     "batch_size: 2, optimizer: sgd, lr: 0.1}\nobjective:", "heads.yaml:19: search.algorithm: tpe "
     "draws while the run lasts, pretraining comes before it: use random"),
    ("  space:\n", "  algorithm: tpe\n  num_samples: 3\n  space:\n    dataset.limit: {int: [10, "
     "20]}\n", "search.space.dataset.limit: data is read before tpe draws: give a list of values"),
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


def test_a_clash_of_the_base_is_told_though_every_variant_fixes_the_path():
    """The first layer of the file gives it twice, whatever a later one says."""
    text = """\
question: q
dataset: {name: digits}
model: {name: linear}
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
objective: {metric: accuracy}
search: {space: {training.lr: [0.1, 0.2]}}
variants: {a: {training: {lr: 0.3}}, b: {training: {lr: 0.4}}}
"""
    (said,) = problems_of(text)
    assert "training.lr is both fixed (line 4) and searched" in said
