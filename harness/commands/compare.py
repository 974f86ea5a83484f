"""`harness compare`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._judged import judged
from harness.commands._options import format_option, plugin_option, source_option
from harness.printable import printable
from harness.published import load
from harness.published.equivalence import MARGIN


@click.command()
@click.option("--against", required=True, metavar="NAME", help="A published source that ships, or the path of one.")
@click.option("--thresholds", default="mean", show_default=True, help="Comma list of thresholds, or all.")
@click.option("--pools", help="Comma list of mean, max, topk, or all.  [default: what each model suits]")
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=MARGIN,
    show_default=True,
    help="What two numbers may lie apart and still be the same; .15 and more tells methods hardly apart.",
)
@click.option("--conventions", is_flag=True, help="Say by which convention each number could be reached.")
@source_option
@format_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    against: str,
    thresholds: str,
    pools: str | None,
    margin: float,
    conventions: bool,
    store: Path,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Set our numbers beside published ones: equivalent, different or inconclusive, and against chance.

    NAME is a source that ships, or the path of a TOML or CSV file. leaderboards/README.md says which ship, and what the
    verdicts mean.
    """
    load(against)  # a name that is wrong is told before a large store is read
    results = judged(store, thresholds, pools, plugin_files)
    for fault in results.source.faults:
        click.echo(printable(f"harness: {fault}"), err=True)
    click.echo(results.compare(against, margin=margin, conventions=conventions, format=style), nl=False)
    ctx.exit(3 if results.source.faults else 0)
