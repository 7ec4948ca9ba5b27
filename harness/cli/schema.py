"""`bench schema`: the JSON schema of the benchmark file."""

import json

import click

EPILOG = """\b
examples:
  bench schema > bench.schema.json
  bench schema --markdown > keys.md
  # first line of a benchmark file, for editors with a YAML language server:
  # yaml-language-server: $schema=bench.schema.json
"""


@click.command("schema", epilog=EPILOG)
@click.option("--markdown", is_flag=True, help="The same as a page to read.")
def command(markdown: bool) -> None:
    """Print the JSON schema of the benchmark file, for completion in editors."""
    from harness.config.json_schema import json_schema, reference

    click.echo(reference().rstrip() if markdown else json.dumps(json_schema(), indent=2))
