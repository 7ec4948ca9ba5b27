"""What many trials cost: time for each, the driver's memory, a second run, the report.

`bench run` of trivial configurations (see overhead.py), once with few and once with many of them,
in one session; between the two lies what a further trial costs:

    python benchmarks/performance/scale.py [--trials 10000] [--few 1000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from overhead import BENCHMARK, bare_training_s

SAMPLE_EVERY_S = 0.5
BENCH = [sys.executable, "-c", "from harness.cli import main; main()"]


def main() -> None:
    """Measures and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--keep", type=Path, help="Folder for the results; default: a temporary.")
    chosen = parser.parse_args()
    bare_s = bare_training_s()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.keep or Path(scratch)
        few, many = (measured(folder, trials, bare_s) for trials in (chosen.few, chosen.trials))
    further = many["trials"] - few["trials"]
    grown_kb = (many["driver_peak_mb"] - few["driver_peak_mb"]) * 1000
    print(
        json.dumps(
            {
                "cores": os.cpu_count(),
                "bare_training_ms_per_trial_one_core": round(bare_s * 1000, 1),
                "few": few,
                "many": many,
                "driver_kb_per_further_trial": round(grown_kb / further, 1),
            },
            indent=1,
        )
    )


def measured(folder: Path, trials: int, bare_s: float) -> dict[str, float]:
    """One size, from nothing to its report. bare_s: seconds of one trial by hand."""
    name = f"scale_{trials}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(BENCHMARK.format(trials=trials))
    first_s, memory = timed(folder, "run", name, "--json", "--quiet")
    second_s, _ = timed(folder, "run", name, "--json", "--quiet")
    report_s, _ = timed(folder, "report", name)
    tables = folder / "results" / name
    return {
        "trials": trials,
        "first_run_s": round(first_s, 1),
        "overhead_ms_per_trial": round((first_s - bare_s * trials / 2) / trials * 1000, 1),
        "driver_peak_mb": memory["driver"],
        "writer_peak_mb": memory["writer"],
        "second_run_s": round(second_s, 1),
        "report_s": round(report_s, 1),
        "page_mb": round((tables / "report.html").stat().st_size / 1e6, 1),
        "tables_mb": round(sum(f.stat().st_size for f in tables.rglob("*.parquet")) / 1e6, 1),
        "files": sum(1 for one in tables.rglob("*.parquet")),
    }


def timed(folder: Path, *words: str) -> tuple[float, dict[str, float]]:
    """Wall time of one whole process; largest memory (MB resident) of the two that grow."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*BENCH, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = {"driver": 0.0, "writer": 0.0}
    watching = threading.Thread(target=watch, args=(process, peak), daemon=True)
    watching.start()
    _, said = process.communicate()
    watching.join()
    assert process.returncode == 0, said
    return time.perf_counter() - started, {name: round(mb, 1) for name, mb in peak.items()}


def watch(process: "subprocess.Popen[str]", peak: dict[str, float]) -> None:
    """Samples until the process ends; the result writer is a child of Ray's, the driver's child."""
    import ray  # noqa: F401
    import psutil  # isort: skip  # Ray brings it along

    driver = psutil.Process(process.pid)
    writer = None
    while process.poll() is None:
        try:
            peak["driver"] = max(peak["driver"], driver.memory_info().rss / 1e6)
            if writer is None:
                children = driver.children(recursive=True)
                named = [c for c in children if "ResultWriter" in " ".join(c.cmdline()[:1])]
                writer = named[0] if named else None
            else:
                peak["writer"] = max(peak["writer"], writer.memory_info().rss / 1e6)
        except psutil.Error:
            writer = None
        time.sleep(SAMPLE_EVERY_S)


if __name__ == "__main__":
    main()
