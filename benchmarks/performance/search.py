"""What ASHA saves and what tpe finds, against random search, on one task over several seeds.

A small vision transformer on 600 digits, seven searched parameters, three folds. Four searches for
each seed, each with the same number of draws, the same folds and one trial at a time:

    random, random with asha (the same draws), tpe, tpe with asha

    python benchmarks/performance/search.py [--seeds 5] [--samples 24] [--only random tpe]

Prints one JSON object: every search of every seed, means, and paired differences. Epochs do not
depend on what else the machine does; seconds do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

BENCHMARK = """\
question: Which of its hyper-parameters does a small vision transformer need?
dataset: {name: digits, limit: 600, normalize: standard}
model: {name: vit, depth: 1, hidden_dim: 32, patch_size: 4}
training: {epochs: 15}
cross_validation: {strategy: stratified, n_splits: 3}
search:
  num_samples: 24
  space:
    training.optimizer: [adam, sgd]
    training.lr: {loguniform: [0.0001, 0.3]}
    training.momentum: {uniform: [0.0, 0.95]}
    training.weight_decay: {loguniform: [0.000001, 0.1]}
    training.batch_size: [16, 32, 64]
    model.dropout: {uniform: [0.0, 0.5]}
    "model.width, model.num_heads": [[8, 1], [16, 2], [32, 4]]
  when:
    training.momentum: {training.optimizer: sgd}
  algorithm: random
objective: {metric: accuracy}
predictions: none
weights: none
"""
SEARCHES = {
    "random": ("random", "none"),
    "random_asha": ("random", "asha"),
    "tpe": ("tpe", "none"),
    "tpe_asha": ("tpe", "asha"),
}
COMPARED = (("random_asha", "random"), ("tpe", "random"), ("tpe_asha", "random"))


def main() -> None:
    """Measures and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--only", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    asked = parser.parse_args()
    runs = {
        name: [measured(name, seed, asked.samples) for seed in range(1, asked.seeds + 1)]
        for name in asked.only
    }
    print(json.dumps({"samples": asked.samples, "runs": runs, **summary(runs)}, indent=1))


def measured(name: str, seed: int, samples: int) -> dict:
    """One whole search: what it trained and what it found."""
    algorithm, scheduler = SEARCHES[name]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "search.yaml").write_text(BENCHMARK)
        overrides = [f"seed={seed}", f"search.algorithm={algorithm}",
                     f"search.scheduler={scheduler}", f"search.num_samples={samples}"]  # fmt: skip
        bench = Path(sys.executable).with_name("bench")
        command = [bench, "run", "search.yaml", *overrides, "--jobs", "1", "--json", "--quiet"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        found = {"seed": seed, **numbers(json.loads(done.stdout), Path(folder, "results/search"))}
    print(name, found, file=sys.stderr, flush=True)
    return found


def numbers(answer: dict, results: Path) -> dict:
    """Epochs and seconds of all trials, pruned ones included; scores of the best complete one."""
    import pandas as pd

    trials = pd.read_parquet(results / "trials")
    best = answer["best"]
    return {
        "trials": answer["trials"],
        "pruned": answer["pruned"],
        "failed": answer["failed"],
        "epochs": int(trials["epochs_trained"].sum()),
        "fit_s": round(float(trials["fit_time_s"].sum()), 2),
        "validation": round(best["validation"], 4),
        "test": round(best["test"], 4),
        "trial_id": best["trial_id"],
    }


def summary(runs: dict[str, list[dict]]) -> dict:
    """Mean and standard deviation over seeds, and differences paired by seed."""
    keys = ("epochs", "fit_s", "pruned", "validation", "test")
    means = {name: {key: spread([one[key] for one in found]) for key in keys}
             for name, found in runs.items()}  # fmt: skip
    paired = {
        f"{name} - {against}": {
            key: spread([a[key] - b[key] for a, b in zip(runs[name], runs[against], strict=True)])
            for key in ("validation", "test")
        }
        | {"epochs_ratio": spread([a["epochs"] / b["epochs"]
                                   for a, b in zip(runs[name], runs[against], strict=True)]),
           "same_winner": sum(a["trial_id"] == b["trial_id"]
                              for a, b in zip(runs[name], runs[against], strict=True))}
        for name, against in COMPARED if name in runs and against in runs
    }  # fmt: skip
    return {"means": means, "paired": paired}


def spread(values: list[float]) -> list[float]:
    """Mean and standard deviation (ddof 1)."""
    return [round(mean(values), 4), round(stdev(values), 4) if len(values) > 1 else 0.0]


if __name__ == "__main__":
    main()
