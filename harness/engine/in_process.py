"""A sweep without Ray: one trial after another in this process.

For breakpoints, and for machines where Ray can't start. The rows are those of a sweep with Ray, to
the bit; what needs other processes (draws by results, schedulers, trackers, a second try after a
death) is refused or missing.
"""

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.engine.plan import Plan
from harness.errors import BenchError
from harness.events import EpochEnded, Note, OnEvent, TrialEnded, TrialStarted
from harness.results.rows import to_tables
from harness.training.trial_rows import TrialJob
from harness.tune.cluster.capacity import Capacity
from harness.tune.controller import trial_ended
from harness.tune.local import LocalActor, Value, put_value
from harness.tune.object_store import put_data
from harness.tune.result_writer import ResultWriter
from harness.tune.sweep import SweepEnd, SweepRequest, remember_first_interrupt
from harness.tune.trainable import CHANGED, TrialWorker, WorkerContext
from harness.tune.worker_failures import AttemptSettings, stopped_rows


def check_in_process(plan: Plan) -> None:
    """Refuse what only Ray's processes can do.

    Raises:
        BenchError: The file asks for a sampler or a scheduler that learns from other trials, or
            for trackers.
    """
    spec = plan.spec
    wanted = {
        f"search.algorithm: {spec.search.algorithm}": plan.to_draw > 0,
        "search.scheduler": spec.search.pruning is not None,
        f"tracking: {', '.join(spec.tracking)}": bool(spec.tracking),
    }
    refused = [name for name, asked in wanted.items() if asked]
    if refused:
        need = "needs" if len(refused) == 1 else "need"
        raise BenchError(f"--in-process runs without Ray, which {' and '.join(refused)} {need}")


@contextlib.contextmanager
def no_session(**of_ray: Any) -> Iterator[Callable[[], Capacity]]:
    """Stand where a run with Ray starts it: one core and the GPUs of this machine are there."""
    yield _capacity


def run_in_process(request: SweepRequest, *, capacity: Capacity, on_event: OnEvent) -> SweepEnd:
    """Run the trials in their order; see `harness.tune.sweep.run_sweep` for what it returns.

    The first Ctrl-C ends the sweep after the epoch that trains, a second one at once, as does
    leaving the debugger; what is finished is kept.
    """
    device = "cuda" if request.gpu and capacity.gpus else "cpu"
    trials = [replace(trial, device=device) for trial in request.trials]
    writer = ResultWriter(request.settings)
    interrupted = threading.Event()
    statuses: dict[str, str] = {}
    try:
        with (
            remember_first_interrupt(interrupted),
            tempfile.TemporaryDirectory(prefix="bench-logs-") as logs,
        ):
            worker = TrialWorker()
            context = _worker_context(request, trials, writer, Path(logs), device)
            for index, trial in enumerate(trials):
                if interrupted.is_set() or request.search.out_of_time():
                    break
                worker.setup({"index": index}, context)
                last = _train(worker, trial.trial_id, interrupted, on_event)
                statuses |= _ended(request, writer, trial, last, on_event)
                if last.get(CHANGED) and index + 1 < len(trials):
                    on_event(Note(_CHANGED))
                    break
    finally:
        error = writer.close()
    late = request.search.out_of_time()
    return SweepEnd(statuses, interrupted.is_set(), error, out_of_time=late)


_CHANGED = (
    "the last trial left this process changed, so the next ones need a new one: "
    "the same command trains them"
)


def _capacity() -> Capacity:
    import torch

    return Capacity(cpus=1.0, gpus=float(torch.cuda.device_count()))


def _worker_context(
    request: SweepRequest, trials: list[TrialJob], writer: ResultWriter, logs: Path, device: str
) -> WorkerContext:
    return WorkerContext(
        trials=Value(trials),
        schemas=Value(dict(request.settings.schemas)),
        data=put_data(request.data, put=put_value),
        writer=LocalActor(writer),
        settings=AttemptSettings(
            logs, request.time_limit_s, request.gpu if device == "cuda" else 0.0
        ),
        weights={key: Value(dict(value)) for key, value in request.weights.items()},
        checkpoint_interval_s=request.checkpoint_interval_s,
        in_process=True,
    )


def _train(
    worker: TrialWorker, trial_id: str, interrupted: threading.Event, on_event: OnEvent
) -> dict[str, Any]:
    """Train one trial and return what it reports last; an empty report where it was stopped."""
    on_event(TrialStarted(trial_id))
    while not interrupted.is_set():
        try:
            report = worker.step()
        except KeyboardInterrupt:  # in the middle of an epoch: there is nothing to keep of it
            interrupted.set()
            return {}
        for text in report.get("notes", ()):
            on_event(Note(text))
        if report.get("done"):
            return report
        on_event(EpochEnded(trial_id, report["epoch"], report["objective"]))
    worker.cleanup()
    return {}


def _ended(
    request: SweepRequest,
    writer: ResultWriter,
    trial: TrialJob,
    last: dict[str, Any],
    on_event: OnEvent,
) -> dict[str, str]:
    """Announce how a trial ended, and give a stopped one its row; trial id -> status."""
    trial_id = trial.trial_id
    if last:
        ended = trial_ended(trial_id, last)
    else:
        ended = TrialEnded(trial_id, "interrupted", None, None, 0.0, None)
        if not trial.rows_may_be_replaced(failed=False):
            return {}
        rows = stopped_rows(trial, "interrupted", writer.unfinished()[trial_id])
        writer.add(trial_id, to_tables(rows, request.settings.schemas))
    on_event(ended)
    return {trial_id: ended.status}
