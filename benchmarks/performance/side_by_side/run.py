"""bench beside four ways to do the same by hand, whole processes, in turn, on one machine.

    python benchmarks/performance/side_by_side/run.py --workload quickstart --rounds 5

Every round runs all of them, each round beginning with another one, so that a machine that slows
down slows all. A figure is the median over rounds of (bench / competitor within the round).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workload import WORKLOADS, Workload, export

HERE = Path(__file__).parent
COMPETITORS = {
    "ray_tune": "(a) Ray Tune, function trainable, DataLoader",
    "process_pool": "(b) process pool, bare PyTorch",
    "optuna_joblib": "(c) Optuna with joblib, DataLoader",
    "grid_search": "(d) GridSearchCV over skorch",
}


def main() -> None:
    """Prints a table to stderr as it goes and at the end, and one JSON object to stdout."""
    options = parse()
    workload = WORKLOADS[options.workload]
    names = ["bench", *options.competitors]
    rounds: list[dict[str, dict]] = []
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as scratch:
        export(workload, Path(scratch), data=options.data)
        for number in range(options.rounds):
            start = number % len(names)
            rounds.append(
                {
                    name: timed(name, workload, Path(scratch), options)
                    for name in (*names[start:], *names[:start])
                }
            )
            print(f"round {number + 1}: {seconds_of(rounds[-1])}", file=sys.stderr)
    print(table(rounds, names), file=sys.stderr)
    print(json.dumps(as_plain(options, workload, rounds)))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", choices=WORKLOADS, default="quickstart")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--competitors", nargs="*", choices=COMPETITORS, default=[*COMPETITORS])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", type=Path, help="where the datasets lie")
    return parser.parse_args()


def timed(name: str, workload: Workload, scratch: Path, options: argparse.Namespace) -> dict:
    """Seconds of a whole process and the quality it reached.

    Raises RuntimeError with the end of its output where it fails.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for file in ("workload.json", "arrays.npz"):
            os.link(scratch / file, Path(folder, file))
        words = bench_command(workload, folder, options) if name == "bench" else [
            sys.executable, str(HERE / f"{name}.py"), folder, str(options.workers),
            *(["--cuda"] if workload.cuda else []),
        ]  # fmt: skip
        started = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
        wall_s = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    quality = bench_quality(said) if name == "bench" else said
    return {"wall_s": round(wall_s, 2), **quality}


def bench_command(workload: Workload, folder: str, options: argparse.Namespace) -> list[str]:
    """`bench run` from nothing to finished tables; `--quiet` leaves the report out."""
    data = ["--data", str(options.data)] if options.data else []
    jobs = [] if workload.cuda else ["--jobs", str(options.workers)]
    return [
        str(Path(sys.executable).with_name("bench")), "run", workload.benchmark,
        *workload.overrides, "--results", f"{folder}/results", "--quiet", "--json", *data, *jobs,
    ]  # fmt: skip


def bench_quality(said: dict) -> dict:
    """What a competitor says of itself, said of bench."""
    if said["complete"] != said["trials"]:
        raise RuntimeError(f"bench completed {said['complete']} of {said['trials']} trials")
    validation = [one["validation"] for one in said["ranking"]]
    return {
        "configurations": len(validation),
        "best_validation": max(validation),
        "mean_validation": statistics.fmean(validation),
    }


def ratios(rounds: list[dict[str, dict]], name: str) -> list[float]:
    """bench's seconds over the competitor's, round by round."""
    return [one["bench"]["wall_s"] / one[name]["wall_s"] for one in rounds]


def table(rounds: list[dict[str, dict]], names: list[str]) -> str:
    """One line for each, medians over the rounds."""
    lines = ["| | seconds | bench / it | lowest to highest | best and mean val. accuracy |"]
    lines.append("|---|---|---|---|---|")
    for name in names:
        wall_s = statistics.median(one[name]["wall_s"] for one in rounds)
        all_ratios = ratios(rounds, name)
        spread = f"{min(all_ratios):.2f} to {max(all_ratios):.2f}"
        quality = rounds[-1][name]
        lines.append(
            f"| {COMPETITORS.get(name, name)} | {wall_s:.1f} | "
            f"{statistics.median(all_ratios):.2f} | {spread} | "
            f"{quality['best_validation']:.3f}, {quality['mean_validation']:.3f} |"
        )
    return "\n".join(lines)


def seconds_of(one: dict[str, dict]) -> str:
    """A round in one line."""
    return ", ".join(f"{name} {found['wall_s']:.1f} s" for name, found in one.items())


def as_plain(options: argparse.Namespace, workload: Workload, rounds: list[dict]) -> dict:
    """Everything measured, with the machine it was measured on."""
    return {
        "workload": options.workload,
        "benchmark": [workload.benchmark, *workload.overrides],
        "workers": options.workers,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()},
        "ratios": {name: round(statistics.median(ratios(rounds, name)), 3)
                   for name in rounds[0] if name != "bench"},
        "rounds": rounds,
    }  # fmt: skip


if __name__ == "__main__":
    main()
