"""What the harness costs per trial, and what a second run costs.

`bench run` of many trivial configurations (a linear model on digits, 1 epoch, 4 folds) against the
bare training of the same folds by hand on one core, in one session:

    overhead = (wall time of the first run - bare time / 2) / trials

    python benchmarks/performance/overhead.py [--trials 1000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCHMARK = """\
question: What does a trial cost that costs nothing?
dataset: {{name: digits}}
model: {{name: linear}}
training: {{epochs: 1, batch_size: 64, optimizer: sgd}}
cross_validation: {{strategy: stratified, n_splits: 4}}
search:
  algorithm: random
  num_samples: {trials}
  space:
    training.lr: {{loguniform: [0.001, 1.0]}}
objective: {{metric: accuracy}}
"""
SAMPLED = 40  # configurations trained by hand; their mean stands for all


def main() -> None:
    """Measures and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "overhead.yaml").write_text(BENCHMARK.format(trials=trials))
        bare_s = bare_training_s() * trials
        first_s, summary = run(folder)
        second_s, _ = run(folder)
    assert summary["complete"] == trials, summary
    print(
        json.dumps(
            {
                "trials": trials,
                "cores": os.cpu_count(),
                "bare_training_s_one_core": round(bare_s, 2),
                "first_run_s": round(first_s, 2),
                "overhead_ms_per_trial": round((first_s - bare_s / 2) / trials * 1000, 1),
                "second_run_s": round(second_s, 2),
            }
        )
    )


def run(folder: str) -> tuple[float, dict]:
    """Wall time and summary of one whole `bench run` process."""
    command = [Path(sys.executable).with_name("bench"), "run", "overhead.yaml", "--json", "--quiet"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, json.loads(done.stdout)


def bare_training_s() -> float:
    """Seconds a configuration: four folds by hand, one epoch, validated and tested, one thread."""
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    torch.set_num_threads(1)
    images, targets = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(targets)
    parts = [torch.tensor(part) for _, part in StratifiedKFold(4).split(images, targets)]
    train_by_hand(x, y, parts)  # warm-up
    started = time.perf_counter()
    for _ in range(SAMPLED):
        train_by_hand(x, y, parts)
    return (time.perf_counter() - started) / SAMPLED


def train_by_hand(x, y, parts) -> float:
    """Mean validation accuracy of a linear model over the folds."""
    import torch

    accuracies = []
    for k in range(len(parts)):
        validation, test = parts[k], parts[k - 1]
        train = torch.cat([part for part in parts if part is not validation and part is not test])
        model = torch.nn.Linear(64, 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for batch in train[torch.randperm(len(train))].split(64):
            loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            for role in (train, validation, test):
                accuracy = (model(x[role]).argmax(1) == y[role]).float().mean()
                accuracies.append(float(accuracy))
    return sum(accuracies) / len(accuracies)


if __name__ == "__main__":
    main()
