"""How a run was trained otherwise than its file says: what explains a gap before chance does."""

import shlex

from harness.report.benchmark_results import BenchmarkResults


def changed_settings(results: BenchmarkResults) -> list[str]:
    """Fewer examples, and what the run's command changed, each in a sentence."""
    texts = []
    limit = limit_of(results)
    if limit is not None:
        texts.append(f"Ours trained on fewer examples than the published ones: dataset.limit kept "
                     f"{limit:,} of all{_trained(results)}.")  # fmt: skip
    changes = _changes(results.record.get("command"))
    if changes:
        texts.append(f"The run's command changed the file ({', '.join(changes)}), so ours may "
                     "differ from the published ones by more than chance.")  # fmt: skip
    return texts


def limit_of(results: BenchmarkResults) -> int | None:
    """The largest `dataset.limit` of the file's variants; None where there is none."""
    limits = [one.dataset.limit for one in results.spec.variants if one.dataset.limit is not None]
    return max(limits, default=None)


def _trained(results: BenchmarkResults) -> str:
    sizes = results.folds["n_train"].dropna() if "n_train" in results.folds.columns else ()
    return f", {int(max(sizes)):,} to train in a fold" if len(sizes) else ""


def _changes(command: object) -> list[str]:
    """The `key=value` words of a command that change how a configuration trains."""
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return []
    return [word for word in words if "=" in word and not word.startswith(("-", "search."))]
