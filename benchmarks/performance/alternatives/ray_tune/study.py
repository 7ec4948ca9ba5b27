"""Plain Ray Tune: python ray_tune/study.py (with this page's folder on PYTHONPATH)."""

from pathlib import Path

from digits_mlp import N_FOLDS, test_accuracy
from ray import tune


def trainable(config: dict) -> None:
    """One configuration; the folds so far are reported after each fold."""
    scores = {}
    for fold in range(N_FOLDS):
        scores[f"fold{fold}"] = test_accuracy(fold, **config)
        tune.report({"test_accuracy": sum(scores.values()) / len(scores), **scores})


def main() -> None:
    """Starts the sweep, or goes on with the one that lies there."""
    storage, name = Path("ray_results").resolve(), "digits_mlp"
    if tune.Tuner.can_restore(storage / name):
        tuner = tune.Tuner.restore(str(storage / name), trainable, restart_errored=True)
    else:
        tuner = tune.Tuner(
            trainable,
            param_space={
                "hidden_dim": tune.grid_search([16, 64]),
                "lr": tune.grid_search([0.001, 0.01]),
            },
            tune_config=tune.TuneConfig(metric="test_accuracy", mode="max"),
            run_config=tune.RunConfig(storage_path=str(storage), name=name),
        )
    table = tuner.fit().get_dataframe()
    columns = ["config/hidden_dim", "config/lr", *(f"fold{fold}" for fold in range(N_FOLDS))]
    table[columns].to_csv("scores.csv", index=False)
    print(table[[*columns, "test_accuracy"]])


if __name__ == "__main__":
    main()
