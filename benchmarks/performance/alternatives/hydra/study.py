"""Hydra: python hydra/study.py --multirun (with this page's folder on PYTHONPATH).

`--config-name optuna` instead of the default samples with the Optuna sweeper.
"""

import json
from pathlib import Path

import hydra
from digits_mlp import N_FOLDS, test_accuracy
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(version_base=None, config_path="conf", config_name="grid")
def main(config: DictConfig) -> float:
    """One configuration; its scores lie in the job's own folder."""
    scores = [
        test_accuracy(fold, hidden_dim=config.hidden_dim, lr=config.lr) for fold in range(N_FOLDS)
    ]
    folder = Path(HydraConfig.get().runtime.output_dir)
    row = {"hidden_dim": config.hidden_dim, "lr": config.lr, "test_accuracy": scores}
    (folder / "scores.json").write_text(json.dumps(row))
    return sum(scores) / len(scores)


if __name__ == "__main__":
    main()
