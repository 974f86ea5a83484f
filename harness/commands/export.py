"""`harness export`."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path

import click

from harness.api import Threshold
from harness.commands._options import plugin_option, store_option
from harness.errors import UsageError
from harness.metrics.pools import stored_pools
from harness.plugin.registry import Registry
from harness.report.source import why_empty
from harness.trials.store import Store
from harness.verdicts import exports as results
from harness.verdicts.asked import asked_metrics
from harness.verdicts.judging import judge


@click.command()
@click.option("--thresholds", default="all", show_default=True, help="Comma list of thresholds, or all.")
@click.option("--pools", default="all", show_default=True, help="Comma list of pools, or all that are stored.")
@click.option("--metrics", help="Comma list of more metrics, or all that plugins offer.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@store_option
@plugin_option
def command(
    thresholds: str, pools: str, metrics: str | None, out: Path | None, store: Path, plugin_files: tuple[Path, ...]
) -> None:
    """Write verdicts with their provenance as JSON lines."""
    registry = Registry.discover(plugin_files)
    chosen, wanted = registry.choose(Threshold, thresholds), stored_pools(registry, pools)
    asked = asked_metrics(registry, [metrics] if metrics else [])
    with Store(store) as opened:
        outcomes = opened.outcomes(with_pixels=asked.of_pixels)
        verdicts = (verdict for outcome in outcomes for verdict in judge(outcome, chosen, wanted, asked.parts))
        first = next(verdicts, None)
        if first is None:
            raise UsageError(why_empty(store))
        rows = map(results.row_of, chain([first], verdicts))
        if out is None:
            for line in results.lines(rows):
                click.echo(line, nl=False)
            return
        written = count()
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            results.save((row for row, _ in zip(rows, written, strict=False)), out)
        except OSError as error:
            raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    click.echo(f"{next(written)} verdicts written to {out}", err=True)
