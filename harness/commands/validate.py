"""`harness validate`."""

from __future__ import annotations

import click

from harness.commands._options import format_option
from harness.published import check, load
from harness.report.findings import findings_document
from harness.report.formats import render


@click.command(name="validate")
@click.argument("tables", nargs=-1, required=True, metavar="PATH...")
@format_option
@click.pass_context
def command(ctx: click.Context, tables: tuple[str, ...], style: str) -> None:
    """Recompute what a published table claims.

    PATH is a TOML or CSV file, or the name of a table that ships with the harness. Exits with 1 when a table holds
    numbers that no detector can have given on its test sets; leaderboards/README.md says what is looked at, and which
    columns a CSV has.
    """
    checked = [(table, check(table)) for table in map(load, tables)]
    click.echo(render(findings_document(checked), style), nl=False)
    if any(finding.severity == "impossible" for _, findings in checked for finding in findings):
        ctx.exit(1)
