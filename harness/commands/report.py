"""`harness report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.api import Dataset, Threshold
from harness.commands._options import plugin_option, rank_option, store_option
from harness.errors import UsageError
from harness.files import write_text
from harness.metrics.pools import stored_pools
from harness.plugin.registry import Registry
from harness.plugin.spec import parse
from harness.printable import printable
from harness.published import load
from harness.published.comparison import compare
from harness.trials.store import Store
from harness.trials.trial import Outcome
from harness.verdicts.asked import asked_metrics, metric_faults
from harness.verdicts.judging import judge


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
    store: Path,
    plugin_files: tuple[Path, ...],
) -> None:
    """Write what a store holds as one HTML file, or as markdown for a pull request."""
    registry = Registry.discover(plugin_files)
    chosen = registry.choose(Threshold, thresholds or {"html": "all", "md": "mean"}[style])
    wanted = stored_pools(registry, pools)
    asked = asked_metrics(registry, [rank_by, *([metrics] if metrics else [])])
    rank_by, *_ = asked.names
    table = load(against) if against else None
    with Store(store) as opened:
        outcomes = list(opened.outcomes(with_pixels=asked.of_pixels))
        if not any(outcome.status == "done" for outcome in outcomes):
            raise UsageError(
                f"the store {str(store)!r} has no finished trial: `harness run --store {store}` makes some"
            )
        verdicts = [verdict for outcome in outcomes for verdict in judge(outcome, chosen, wanted, asked.parts)]
        for fault in metric_faults(verdicts, asked.names):
            click.echo(printable(f"harness: {fault}"), err=True)
        compared = compare(table, verdicts) if table else None
        about: dict[str, Any] = {"ranked_by": rank_by, "metrics": asked.names, "title": title, "compared": compared}
        about["rootless"] = _rootless(registry, outcomes)
        if style == "html":
            from harness.report.html import page

            text = page(verdicts, opened, **about)
        else:
            from harness.report.summary import summary

            text = summary(verdicts, **about)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_text(out, text)
    except OSError as error:
        raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    click.echo(f"Written to {out}, {out.stat().st_size / 1e6:.1f} MB", err=True)


def _rootless(registry: Registry, outcomes: list[Outcome]) -> frozenset[str]:
    """The data sets, as they are spelt, that need no folder; one whose plugin is gone is taken to need one."""
    offers = registry.offers(Dataset)
    spelt = {outcome.trial.dataset for outcome in outcomes}
    return frozenset(
        text
        for text in spelt
        if (offer := offers.get(parse(text)[0])) is not None and not getattr(offer.part, "needs_root", True)
    )
