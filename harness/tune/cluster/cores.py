"""Cores that a sweep can't fill, and those that it asks too much of."""

CROWDED = 3.0  # load per core from which other programs clearly slow the trials


def cores_note(n_trials: int, *, cpu: int, cores: int, jobs: int | None) -> str | None:
    """What to say where cores stay idle or threads outnumber them; None where neither is so.

    cpu: `resources.cpu`, the threads of a trial, which never change by themselves: a trial
    computes the same whatever runs beside it. jobs: trials at a time as asked for.
    """
    if (jobs or 1) * cpu > cores:
        asked = (
            f"resources.cpu={cpu}"
            if jobs is None
            else f"--jobs {jobs}, {_counted(cpu, 'thread')} each,"
        )
        return f"{asked} on {_counted(cores, 'core')}: threads will wait for each other"
    fitting = cores // max(1, n_trials)
    if jobs is not None or n_trials < 1 or fitting <= cpu:
        return None
    left = f"{_counted(n_trials, 'trial')} on {_counted(cores, 'core')}"
    return f"{left}: resources.cpu={fitting} would use them"


def crowded_note(load: float, *, cores: int) -> str | None:
    """Return what to say where other programs keep the cores busy; None where they don't.

    Args:
        load: Mean number of processes that wanted a core in the last minute, before the sweep.
        cores: Those that this process may use.
    """
    if load <= CROWDED * cores:
        return None
    return f"this machine is busy: load {load:.0f} on {_counted(cores, 'core')}; trials take longer"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
