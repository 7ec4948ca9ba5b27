"""(d) scikit-learn's GridSearchCV over skorch, the same folds as `cv`.

It scores validation once, after the last epoch, and never looks at the test examples: less work
than the others do. skorch knows one normalisation for all folds, so it gets that of the first.

python grid_search.py FOLDER WORKERS
"""

import sys
from math import ceil
from pathlib import Path

import numpy as np
import plain
import torch
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class Model(torch.nn.Module):
    """The configuration's model, made from its description."""

    def __init__(self, described: dict, configuration: dict) -> None:
        super().__init__()
        self.model = plain.build(described, configuration)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.model(inputs)


def main() -> None:
    """One point of the grid for each configuration, without refitting the best."""
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    described, arrays = plain.read(folder)
    n_train = len(arrays["train0"])
    net = NeuralNetClassifier(
        Model,
        module__described=described,
        criterion=torch.nn.CrossEntropyLoss,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    search = GridSearchCV(
        net,
        [point(one, n_train) for one in described["configurations"]],
        scoring="accuracy",
        cv=[(arrays[f"train{k}"], arrays[f"validation{k}"]) for k in range(described["n_folds"])],
        n_jobs=workers,
        refit=False,
    )
    search.fit(normalised(arrays), arrays["targets"])
    plain.finish(list(rows(search, described["n_folds"])), folder)


def point(configuration: dict, n_train: int) -> dict[str, list]:
    """A configuration as a grid of one point."""
    training = configuration["training"]
    given = {
        "module__configuration": configuration,
        "max_epochs": training["epochs"],
        "batch_size": training["batch_size"],
        "optimizer": OPTIMIZERS[training["optimizer"]],
        "lr": training["lr"],
        "optimizer__weight_decay": training["weight_decay"],
    }
    if training["optimizer"] == "sgd":
        given["optimizer__momentum"] = training["momentum"]
    if training["schedule"] == "cosine":
        steps = ceil(n_train / training["batch_size"]) * training["epochs"]
        annealing = torch.optim.lr_scheduler.CosineAnnealingLR
        given["callbacks"] = [("lr", LRScheduler(annealing, T_max=steps, step_every="batch"))]
    return {key: [value] for key, value in given.items()}


def normalised(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """All inputs by the mean and standard deviation of the first fold's train examples."""
    inputs = arrays["inputs"]
    if "mean0" not in arrays:
        return inputs
    channels = (-1,) + (1,) * (inputs.ndim - 2)
    return (inputs - arrays["mean0"].reshape(channels)) / arrays["std0"].reshape(channels)


def rows(search: GridSearchCV, n_folds: int):
    """One row per configuration and fold."""
    for fold in range(n_folds):
        scores = search.cv_results_[f"split{fold}_test_score"]
        for configuration, score in enumerate(scores):
            yield {"configuration": configuration, "fold": fold, "val_accuracy": float(score)}


if __name__ == "__main__":
    main()
