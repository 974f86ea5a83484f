"""`harness report`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._options import plugin_option, rank_option, store_option, trust_option, verified_option
from harness.errors import UsageError
from harness.files import write_text
from harness.plugin.registry import Registry
from harness.printable import printable
from harness.published import load
from harness.report.results import Results
from harness.report.source import Source


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file.  [default: standard output]")
@click.option(
    "--format",
    "style",
    type=click.Choice(["html", "md"]),
    default="html",
    show_default=True,
    help="One page with pictures, or a summary for a pull request.",
)
@click.option("--thresholds", help="Comma list of thresholds, or all.  [default: all in html, mean in md]")
@click.option("--pools", help="Comma list of pools, or all that are stored.  [default: what each model suits]")
@rank_option
@click.option("--metrics", help="Comma list of more metrics to show, or all.")
@click.option("--against", metavar="NAME", help="A published source, or the path of one, to set beside ours.")
@click.option("--title", default="Anomaly detectors compared", show_default=True, help="What stands above it.")
@verified_option
@trust_option
@store_option
@plugin_option
def command(
    out: Path | None,
    style: str,
    thresholds: str | None,
    pools: str | None,
    rank_by: str,
    metrics: str | None,
    against: str | None,
    title: str,
    verified: bool,
    trust: tuple[Path, ...],
    store: Path,
    plugin_files: tuple[Path, ...],
) -> None:
    """Write what a store holds as one HTML file, or as markdown for a pull request."""
    if against:
        load(against)  # a name that is wrong is told before a large store is read
    opened = Results(Source.of(store, Registry.discover(plugin_files), trust, light=True), verified=verified)
    results = opened.judged(thresholds or {"html": "all", "md": "mean"}[style], pools, rank_by, metrics)
    results = results.for_a_page(style)
    text = results.report_text(style, against=against, title=title)
    for fault in results.faults:
        click.echo(printable(f"harness: {fault}"), err=True)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_text(out, text)
    except OSError as error:
        raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    click.echo(f"Written to {out}, {out.stat().st_size / 1e6:.1f} MB", err=True)
