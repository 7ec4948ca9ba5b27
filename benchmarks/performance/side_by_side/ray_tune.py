"""(a) Ray Tune as its documentation teaches: a function, a loop over folds, a DataLoader, defaults.

python ray_tune.py FOLDER WORKERS
"""

import sys
from pathlib import Path

import plain
import torch
from ray import tune


def trainable(config: dict, described: dict, arrays: dict) -> None:
    """One configuration; the mean over the folds so far is reported after each fold."""
    configuration = described["configurations"][config["configuration"]]
    rows = []
    for fold in range(described["n_folds"]):
        rows.append(plain.train_fold(described, arrays, configuration, fold=fold, loader=True))
        mean = sum(row["val_accuracy"] for row in rows) / len(rows)
        tune.report({"val_accuracy": mean, "rows": list(rows)})


def main() -> None:
    """Every configuration as a trial, one worker's share of the machine each."""
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    described, arrays = plain.read(folder)
    share = {"cpu": 1, "gpu": 1 / workers if torch.cuda.is_available() else 0}
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(trainable, described=described, arrays=arrays), share
        ),
        param_space={
            "configuration": tune.grid_search(list(range(len(described["configurations"]))))
        },
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(storage_path=str((folder / "ray_results").resolve())),
    )
    results = tuner.fit()
    plain.finish(
        [
            {"configuration": result.config["configuration"], **row}
            for result in results
            for row in result.metrics["rows"]
        ],
        folder,
    )


if __name__ == "__main__":
    main()
