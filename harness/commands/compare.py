"""`harness compare`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._judged import judged
from harness.commands._options import format_option, plugin_option, source_option
from harness.published import load


@click.command()
@click.option("--against", required=True, metavar="NAME", help="A published source that ships, or the path of one.")
@click.option("--thresholds", default="mean", show_default=True, help="Comma list of thresholds, or all.")
@click.option("--pools", help="Comma list of mean, max, topk, or all.  [default: what each model suits]")
@source_option
@format_option
@plugin_option
def command(
    against: str, thresholds: str, pools: str | None, store: Path, style: str, plugin_files: tuple[Path, ...]
) -> None:
    """Set our numbers beside published ones, with intervals and a verdict.

    NAME is a source that ships, or the path of a TOML or CSV file. leaderboards/README.md says which ship, and what the
    verdicts mean.
    """
    load(against)  # a name that is wrong is told before a large store is read
    results = judged(store, thresholds, pools, plugin_files)
    click.echo(results.compare(against, format=style), nl=False)
