"""The options of `bench run`: one list for the command, for Python and for what runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """What is asked of one call of `bench run`.

    Every field with a help text is an option of the command, in this order; `harness.cli.run`
    makes them. Whole numbers start at 1.

    Attributes:
        file: A benchmark's name or a path.
        overrides: `key=value` texts.
    """

    file: str
    overrides: Sequence[str] = ()
    results: Path = field(
        default=Path("results"), metadata={"help": "Folder that holds one folder per benchmark."}
    )
    data: Path | None = field(default=None, metadata={"help": "Folder that holds the datasets."})
    jobs: int | None = field(
        default=None, metadata={"help": "Trials at a time; default: all cores."}
    )
    address: str | None = field(default=None, metadata={"help": "Of a running Ray cluster."})
    in_process: bool = field(
        default=False, metadata={"help": "One trial at a time in this process, no Ray."}
    )
    limit: int | None = field(
        default=None, metadata={"help": "At most so many of the missing trials."}
    )
    smoke: bool = field(
        default=False, metadata={"help": "A few minutes' try: one epoch, few examples."}
    )
    dry_run: bool = field(
        default=False, metadata={"help": "Say what would be trained and why, and stop."}
    )
    force: bool = field(default=False, metadata={"help": "Train all trials again."})
    retry_failed: bool = field(default=False, metadata={"help": "Train failed trials again."})
    finish_pruned: bool = field(
        default=False, metadata={"help": "Train pruned trials again, to their end."}
    )
    tracking: str | None = field(
        default=None,
        metadata={"help": "Comma-separated: tensorboard, mlflow, wandb.", "metavar": "NAMES"},
    )

    @property
    def all_overrides(self) -> tuple[str, ...]:
        """Those that were typed, and `--tracking`, which is one."""
        named = () if self.tracking is None else (f"tracking=[{self.tracking}]",)
        return (*self.overrides, *named)
