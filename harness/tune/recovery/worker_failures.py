"""Why a worker's process died, judged by what it left on its machine and by what Ray says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.failures import OUT_OF_MEMORY, TRACEBACK_LINES
from harness.tune.recovery.out_of_memory import killed_by_ray, kills
from harness.tune.recovery.trial_log import kills_before, log_file, read_log

Cause = Literal["time limit", "out of memory", "unknown"]

_HUNG = re.compile(r"^Timeout \(\d+:\d\d:\d\d", re.MULTILINE)
_CRASH = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)
_SEGMENTATION_FAULT = "Segmentation fault"
_WRITES = ", as where a model writes into the data that all trials share"
_EXIT_CODE = re.compile(r"exit code (-?\d+)")


@dataclass(frozen=True)
class Remains:
    """What a dead process left on its machine. kernel_killed: memory ran out there meanwhile."""

    log: str = ""
    kernel_killed: bool = False


@dataclass(frozen=True)
class Death:
    """Why a process died, in words: what, and how exactly where that is known.

    trace: where, as far as the process could still say so.
    """

    cause: Cause
    text: str = "the worker's process died"
    detail: str = ""
    log: str = ""
    trace: str | None = None


def judge(remains: Remains, ray_error: str) -> Death:
    """The death of a worker. ray_error: what Ray says of it, in whatever words."""
    hung, crash = _last(_HUNG, remains.log), _last(_CRASH, remains.log)
    if hung:
        trace = _from(remains.log, hung.start())
        return Death("time limit", "time limit reached", log=remains.log, trace=trace)
    if crash:
        reason, trace = crash.group(1).strip(), _from(remains.log, crash.start())
        reason = f"{reason}{_WRITES}" if reason == _SEGMENTATION_FAULT else reason
        text = "the worker's process crashed"
        return Death("unknown", text, reason, log=remains.log, trace=trace)
    if killed_by_ray(ray_error):
        text = f"{OUT_OF_MEMORY}Ray ended the worker, as its machine was nearly full"
        return Death("out of memory", text, log=remains.log)
    if remains.kernel_killed:
        text = f"{OUT_OF_MEMORY}the worker's process died while the kernel killed for memory"
        return Death("out of memory", text, log=remains.log)
    code = _EXIT_CODE.search(ray_error)
    detail = f"it ended itself with exit code {code.group(1)}" if code else ""
    return Death("unknown", detail=detail, log=remains.log)


def find_remains(folder: Path, trial_ids: Sequence[str]) -> dict[str, Remains]:
    """What dead processes left, wherever in the cluster they ran; the files there go."""
    found = collect(folder, trial_ids)
    missing = [one for one in trial_ids if one not in found]
    return found | (_from_other_nodes(folder, missing) if missing else {})


def collect(folder: Path, trial_ids: Sequence[str]) -> dict[str, Remains]:
    """The same on this machine."""
    found = {}
    now = kills()
    for trial_id in trial_ids:
        file = log_file(folder, trial_id)
        if not file.exists():
            continue
        before = kills_before(file)
        known = now is not None and before is not None
        found[trial_id] = Remains(read_log(file), known and now > before)  # type: ignore[operator]
        for left in (file, file.with_suffix(".json")):
            left.unlink(missing_ok=True)
    return found


def _from_other_nodes(folder: Path, trial_ids: Sequence[str]) -> dict[str, Remains]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not nodes:
        return {}
    task: Any = ray.remote(num_cpus=0)(collect)
    pinned = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [task.options(scheduling_strategy=one).remote(folder, trial_ids) for one in pinned]
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=30)
    found: dict[str, Remains] = {}
    for answer in answered:
        try:
            found |= ray.get(answer)
        except ray.exceptions.RayError:
            continue  # that machine has gone too
    return found


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for found in pattern.finditer(text):  # noqa: B007
        pass
    return found


def _from(log: str, start: int) -> str:
    return "\n".join(log[start:].splitlines()[:TRACEBACK_LINES])
