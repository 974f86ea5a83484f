"""`harness leaderboard`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from harness.commands._judged import judged
from harness.commands._options import (
    format_option,
    plugin_option,
    rank_option,
    source_option,
    trust_option,
    verified_option,
)
from harness.commands._settings import setting_option
from harness.errors import UsageError
from harness.printable import printable
from harness.report.curves import curves_document
from harness.report.formats import OF_ROWS, render, rendered
from harness.report.significance import significance_document
from harness.report.table import Document
from harness.trials.settings import Settings
from harness.verdicts.leaderboard import boards
from harness.verdicts.paired_tests import paired_tests
from harness.verdicts.verdict import Verdict

_NO_DECISIONS = "No tests on the same images: the export does not say on which each is right; export it anew."


@click.command()
@click.option("--thresholds", help="Comma list of thresholds, or all.  [default: mean]")
@setting_option("max_false_alarms")
@setting_option("defect_rate")
@click.option("--pools", help="Comma list of pools, or all that are stored.  [default: what each model suits]")
@rank_option
@click.option("--metrics", help="Comma list of more metrics to show, or all.")
@click.option(
    "--significance", is_flag=True, help="Say which methods differ by more than chance; in csv and json, only that."
)
@click.option(
    "--rope",
    type=click.FloatRange(min=0),
    help="With --significance: also how likely methods differ by more than this over categories, as 0.01.",
)
@click.option(
    "--curves", is_flag=True, help="Show how figures change with --shots and --contaminate of a run; only that."
)
@verified_option
@trust_option
@source_option
@format_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    thresholds: str | None,
    max_false_alarms: str | None,
    defect_rate: str | None,
    pools: str | None,
    rank_by: str,
    metrics: str | None,
    significance: bool,
    rope: float | None,
    curves: bool,
    verified: bool,
    trust: tuple[Path, ...],
    store: Path,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Show the ranked results of a store."""
    asked = {"thresholds": thresholds, "max_false_alarms": max_false_alarms, "defect_rate": defect_rate}
    if rope is not None and not significance:
        raise UsageError(f"--rope {rope:g} belongs to the tests over categories: add --significance")
    settings = Settings.of(asked, "command line")
    metrics = ",".join([*filter(None, [metrics]), *map(str, settings.shown_metrics)]) or None
    results = judged(
        store,
        settings.thresholds,
        pools,
        plugin_files,
        rank_by,
        metrics,
        verified=verified,
        trust=trust,
        light=not significance,
    )
    verdicts, (rank_by, *_) = results.verdicts, results.asked.names
    for fault in results.faults:
        click.echo(printable(f"harness: {fault}"), err=True)
    if curves:
        click.echo(render(curves_document(boards(verdicts, rank_by), rank_by), style), nl=False)
    elif not significance or style not in OF_ROWS:
        for text in rendered(results.document, style):
            click.echo(text, nl=False)
    if significance:
        click.echo("\n" * (style == "md"), nl=False)
        click.echo(render(_tested(verdicts, rank_by, rope), style), nl=False)
    ctx.exit(3 if results.source.faults else 0)


def _tested(verdicts: Sequence[Verdict], rank_by: str, rope: float | None) -> Document:
    """Which methods differ, with a remark where an export does not say on which images each is right."""
    tests = significance_document(paired_tests(boards(verdicts, rank_by), rank_by, rope))
    done = [verdict for verdict in verdicts if verdict.status == "done"]
    if done and all(verdict.images.right() is None for verdict in done):
        return replace(tests, remarks=[*tests.remarks, [_NO_DECISIONS]])
    return tests
