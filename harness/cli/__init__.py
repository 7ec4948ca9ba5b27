"""The `bench` command: one file a command; it parses, calls and prints. Only here is printed."""

import errno
import importlib
import sys
from typing import Any

import click

from harness import __version__
from harness.cli.terminal import echo
from harness.errors import BenchError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # nothing of ours is wrong then
COMMANDS = {
    "run": "train what is missing of a benchmark file",
    "report": "turn results into one page",
    "compare": "is B better than A, and could so few folds tell",
    "rerun": "repeat a trial: the same numbers, or what differs",
    "merge": "join results of several machines",
    "export": "take a trained model out of its results",
    "predict": "classes and probabilities of new inputs, by an exported model",
    "check": "validate benchmark files without training",
    "list": "benchmarks, models, datasets and metrics",
    "show": "a dataset's classes, folds and examples, as a page",
    "prepare": "download a dataset and check it",
    "new": "start a benchmark, model or dataset of your own",
    "info": "versions, folders and hardware",
    "schema": "JSON schema of the benchmark file, for editors",
    "clean": "remove weights, old runs, caches or results, after saying which",
}


class _LazyGroup(click.Group):
    """Imports a command's module when it is called, so that `--help` is instant."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [*COMMANDS]  # once imported, `list` is a module of this package

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"harness.cli.{name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from harness.errors import nearest

        close = nearest(args[0], [*COMMANDS])
        if args[0] not in COMMANDS and close and not args[0].startswith("-"):
            context.fail(f"no such command {args[0]!r}; did you mean {close!r}?")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def bench() -> None:
    """One YAML file asks one question about model variants; bench answers it.

    \b
    bench run quickstart                 train every configuration, four folds each
    bench check my_benchmark.yaml        every mistake of a file, before anything starts
    bench new model my_model             a model file that runs as it is
    """


def main(arguments: list[str] | None = None) -> Any:
    """Entry point. Exit codes: 0 done, 1 a trial failed, 2 usage or file, 130 interrupted."""
    try:
        sys.exit(bench.main(args=arguments, prog_name="bench", standalone_mode=False) or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BenchError as error:
        echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.errno not in DISK:
            raise
        echo(f"error: {error}", err=True)
        sys.exit(1)
