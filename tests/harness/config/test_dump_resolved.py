"""The resolved file says everything and reads back to the same."""

from harness.config.read import dump_resolved, parse_benchmark
from harness.config.yaml_io import parse

FILE = """\
question: "no: is this a question?"
dataset: {name: digits}
model: {name: vit, depth: 2}
training: {epochs: 9, batch_size: 8, lr: 1e-5}
cross_validation: {strategy: stratified}
search:
  algorithm: random
  num_samples: 4
  space:
    training.optimizer: [adam, sgd]
    training.momentum: {uniform: [0.15, 5e-1]}
    model.num_heads: {int: [1, 8]}
    "model.a,model.b": [[1, 2], [3, x]]
  exclude:
    - model.num_heads: [1, 2]
      training.optimizer: sgd
  when: {training.momentum: {training.optimizer: sgd}}
objective: {metric: accuracy}
"""


def resolved(text, **defaults):
    """The resolved text's plain value."""
    spec = parse_benchmark(text, file="a.yaml")
    return parse(dump_resolved(spec, **defaults), "a.yaml").value


def test_defaults_are_written_out_and_searched_paths_are_not():
    """Every key of the sections stands there but those that the space holds."""
    value = resolved(FILE)
    assert value["training"] == {
        "epochs": 9,
        "batch_size": 8,
        "lr": 1e-5,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup_epochs": 0,
        "label_smoothing": 0.0,
        "gradient_clip": None,
        "early_stopping": None,
        "selection": "best",
        "augmentation": None,
        "fold_execution": "auto",
        "precision": None,
        "compile": False,
        "fast_operators": False,
        "initial_weights": None,
        "trainable": "all",
    }
    assert value["cross_validation"] == {
        "strategy": "stratified",
        "test_fold": "rotate",
        "n_splits": 5,
    }
    assert (value["seed"], value["metrics"], value["weights"]) == (0, ["accuracy"], "best")


def test_the_search_is_written_as_a_file_would_have_it():
    """Domains in their own syntax, linked keys together, conditions as short as they can be."""
    assert resolved(FILE)["search"] == {
        "algorithm": "random",
        "num_samples": 4,
        "scheduler": "none",
        "space": {
            "training.optimizer": ["adam", "sgd"],
            "training.momentum": {"uniform": [0.15, 0.5]},
            "model.num_heads": {"int": [1, 8]},
            "model.a, model.b": [[1, 2], [3, "x"]],
        },
        "exclude": [{"model.num_heads": [1, 2], "training.optimizer": "sgd"}],
        "when": {"training.momentum": {"training.optimizer": "sgd"}},
    }


def test_defaults_of_the_named_files_are_filled_in():
    """What the model and the dataset declare, unless the file gives or searches it."""
    value = resolved(
        FILE,
        model_defaults={"depth": 7, "num_heads": 4, "dropout": 0.1},
        dataset_defaults={"subset": "all"},
    )
    assert value["model"] == {"name": "vit", "depth": 2, "dropout": 0.1}
    assert value["dataset"]["subset"] == "all"


def test_variants_are_written_out_whole():
    """Each stands for itself; the base keeps what all share."""
    text = FILE + "variants:\n  a: {model: {depth: 3}}\n  b: {training: {epochs: 5}}\n"
    value = resolved(text)
    assert "model" not in value
    assert (value["variants"]["a"]["model"]["depth"], value["variants"]["b"]["model"]["depth"]) == (
        3,
        2,
    )
    assert value["search"] == {"algorithm": "random", "num_samples": 4, "scheduler": "none"}
    spec = parse_benchmark(text, file="a.yaml")
    assert parse_benchmark(dump_resolved(spec), file="a.yaml") == spec
