"""How the time of a run grows with configurations, folds, epochs and examples, each doubled.

    python benchmarks/performance/growth.py --rounds 3

A small transformer on the embedded digits; whole processes, report left out. The first, which reads
the programs from the disk, is not counted. A factor below two is what start-up and end cost; above
two would be work that grows faster than what was asked for.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCHMARK = """\
question: How does the time of a run grow?
dataset: {{name: digits, normalize: standard, limit: {examples}}}
model: {{name: vit, width: 32, depth: 2, hidden_dim: 64, patch_size: 4, dropout: 0.0}}
training: {{epochs: {epochs}, batch_size: 32, optimizer: adam}}
cross_validation: {{strategy: stratified, n_splits: {folds}, test_fold: none}}
search:
  algorithm: random
  num_samples: {configurations}
  space:
    training.lr: {{loguniform: [0.001, 0.01]}}
objective: {{metric: accuracy}}
"""
# 4 of 5 examples train with 5 folds, 9 of 10 with 10, so that work grows 2.25 times
BASE = {"configurations": 8, "folds": 5, "epochs": 20, "examples": 800}


def main() -> None:
    """Prints a table and, last, one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    settings = {"base": BASE} | {name: BASE | {name: 2 * BASE[name]} for name in BASE}
    spent: dict[str, list[float]] = {name: [] for name in settings}
    run_s(BASE | {"epochs": 1})
    for _ in range(rounds):
        for name, setting in settings.items():
            spent[name].append(run_s(setting))
    medians = {name: statistics.median(values) for name, values in spent.items()}
    print("| doubled | seconds | times the base |\n|---|---|---|")
    for name, seconds in medians.items():
        print(f"| {name} | {seconds:.1f} | {seconds / medians['base']:.2f} |")
    print(json.dumps({"base": BASE, "seconds": spent}))


def run_s(setting: dict[str, int]) -> float:
    """Wall seconds of one whole `bench run` process."""
    bench = Path(sys.executable).with_name("bench")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "growth.yaml").write_text(BENCHMARK.format(**setting))
        started = time.perf_counter()
        subprocess.run(
            [bench, "run", "growth.yaml", "--quiet"], cwd=folder, check=True, capture_output=True
        )
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
