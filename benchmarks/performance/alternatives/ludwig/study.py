"""Ludwig: python ludwig/study.py. Its hyperopt and its k-fold don't combine, hence the loop."""

import csv
from itertools import product

import pandas as pd
from ludwig.api import kfold_cross_validate
from sklearn.datasets import load_digits


def config(hidden_dim: int, lr: float) -> dict:
    """The same perceptron: one dense layer on a vector of 64 pixels."""
    encoder = {"type": "dense", "num_layers": 1, "output_size": hidden_dim}
    return {
        "input_features": [{"name": "pixels", "type": "vector", "encoder": encoder}],
        "output_features": [{"name": "digit", "type": "category"}],
        "trainer": {
            "epochs": 20,
            "batch_size": 32,
            "learning_rate": lr,
            "optimizer": {"type": "adam"},
        },
        "backend": {"type": "local"},
    }


def main() -> None:
    """Four configurations, one after another."""
    inputs, targets = load_digits(return_X_y=True)
    pixels = [" ".join(str(value) for value in row) for row in inputs / 16]
    data = pd.DataFrame({"pixels": pixels, "digit": targets.astype(str)})
    with open("scores.csv", "w", newline="") as file:
        rows = csv.writer(file)
        for hidden_dim, lr in product((16, 64), (0.001, 0.01)):
            statistics, _ = kfold_cross_validate(
                num_folds=4, config=config(hidden_dim, lr), dataset=data, random_seed=42
            )
            folds = [statistics[f"fold_{fold}"]["fold_eval_stats"]["digit"] for fold in range(1, 5)]
            rows.writerow([hidden_dim, lr, *(fold["accuracy"] for fold in folds)])
            file.flush()


if __name__ == "__main__":
    main()
