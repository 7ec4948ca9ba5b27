"""W&B: wandb sweep sweep.yaml, then wandb agent SWEEP_ID (both need a login).

Without one, a run of one configuration is recorded on disk:
WANDB_MODE=offline python wandb/study.py --hidden_dim=16 --lr=0.001
"""

import argparse

import wandb
from digits_mlp import N_FOLDS, test_accuracy


def main() -> None:
    """One configuration is one run; the agent passes its values as arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden_dim", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.001)
    with wandb.init(project="digits_mlp", config=vars(parser.parse_args())) as run:
        values = {"hidden_dim": run.config.hidden_dim, "lr": run.config.lr}
        scores = []
        for fold in range(N_FOLDS):
            scores.append(test_accuracy(fold, **values))
            run.log({"fold": fold, "fold_accuracy": scores[-1]})
        run.summary["test_accuracy"] = sum(scores) / len(scores)


if __name__ == "__main__":
    main()
