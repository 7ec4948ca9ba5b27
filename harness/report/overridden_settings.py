"""How a run was trained otherwise than its file says: what explains a gap before chance does."""

import shlex

from harness.report.study import Study


def changed_settings(study: Study) -> list[str]:
    """Fewer examples, and what the run's command changed, each in a sentence."""
    texts = []
    limit = limit_of(study)
    if limit is not None:
        texts.append(f"Ours trained on fewer examples than the published ones: dataset.limit kept "
                     f"{limit:,} of all{_trained(study)}.")  # fmt: skip
    changes = _changes(study.record.get("command"))
    if changes:
        texts.append(f"The run's command changed the file ({', '.join(changes)}), so ours may "
                     "differ from the published ones by more than chance.")  # fmt: skip
    return texts


def limit_of(study: Study) -> int | None:
    """The largest `dataset.limit` of the file's variants; None where there is none."""
    limits = [one.dataset.limit for one in study.spec.variants if one.dataset.limit is not None]
    return max(limits, default=None)


def _trained(study: Study) -> str:
    sizes = study.folds["n_train"].dropna() if "n_train" in study.folds.columns else ()
    return f", {int(max(sizes)):,} to train in a fold" if len(sizes) else ""


def _changes(command: object) -> list[str]:
    """The `key=value` words of a command that change how a configuration trains."""
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return []
    return [word for word in words if "=" in word and not word.startswith(("-", "search."))]
