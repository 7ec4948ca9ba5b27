"""`bench schema`: the JSON schema of the benchmark file."""

import json

import click

EPILOG = """\b
example:
  bench schema > bench.schema.json
  # first line of a benchmark file, for editors with a YAML language server:
  # yaml-language-server: $schema=bench.schema.json
"""


@click.command("schema", epilog=EPILOG)
def command() -> None:
    """Print the JSON schema of the benchmark file, for completion in editors."""
    from harness.spec.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
