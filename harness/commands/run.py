"""`harness run`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click

from harness.commands._following import open_log, warn
from harness.commands._options import format_option
from harness.commands._settings import config_option, setting_options, settings_of
from harness.commands._stopping import stoppable
from harness.printable import command as shell_command
from harness.printable import printable
from harness.report.cells import cells_document
from harness.report.events import TO_STDERR, Events
from harness.report.formats import OF_ROWS, render
from harness.report.progress import PluginLines, accounted, display
from harness.report.wrapping import wrapped
from harness.running import fit, plan_run
from harness.trials.saved_model import ModelFolder, read
from harness.trials.schedule import RunSummary
from harness.trials.trial import Outcome

_AFTER_THE_DEMO = (
    "What to do next:\n"
    "  harness leaderboard                  each category by itself\n"
    "  harness report --out report.html     the images, with what each method sees in them\n"
    "  harness data --data-root FOLDER      what your own images hold, before anything is fitted\n"
    "  harness run --data-root FOLDER       the same on your own images"
)


@click.command()
@setting_options
@click.option("--dry-run", is_flag=True, help="Show the cells; fit nothing.")
@format_option
@config_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Cross models, encoders, losses, categories and seeds; fit what is missing; show the leaderboard."""
    lines = open_log(ctx, given["log_json"])
    settings, style = settings_of(given), given["style"]
    planned = plan_run(settings, warn)
    if given["dry_run"]:
        click.echo(render(cells_document(planned.cells, planned.thresholds, planned.pools), style), nl=False)
        return
    if planned.demo:
        click.echo(planned.demo, err=True)
    quiet = settings.quiet or settings.log_json == TO_STDERR
    events = Events(lines, planned.judged) if lines else None
    farewell = f"Stopped. Finished trials are kept in {settings.store}; the same command goes on from there."
    code = 0
    try:
        with stoppable(farewell):
            watching = [None if quiet else display(), PluginLines(), events]
            finished = fit(planned, [observer for observer in watching if observer], warn)
        code = finished.exit_code
        shown = finished.results.overall if planned.demo else finished.results.document
        click.echo(render(shown, style), nl=False)
        _summarise(finished.summary, settings.store, say_reasons=style in OF_ROWS)
        if planned.demo:
            click.echo(wrapped(_AFTER_THE_DEMO), err=True)
        for remark in finished.remarks:
            warn(remark)
        _tell_of_limits(finished.results.source.outcomes)
        if finished.keep:
            _tell_of_models(finished.summary, finished.keep, settings.plugin_files)
    except KeyboardInterrupt as stop:
        click.echo(f"\n{farewell}", err=True)
        code = 128 + (stop.args[0] if stop.args else signal.SIGINT)
    if events and lines:
        events.summary(code)
        if lines.fault:
            warn(lines.fault)
    ctx.exit(code)


def _summarise(summary: RunSummary, store: Path, *, say_reasons: bool) -> None:
    """What was done, which cells were not, and why, each reason once; the tables for people say the reasons too."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for outcome in summary.unfinished:
        by_reason.setdefault((outcome.status, outcome.reason), []).append(outcome.trial.title)
    for (status, reason), trials in by_reason.items() if say_reasons else ():
        more = f" and {len(trials) - 1} more" if len(trials) > 1 else ""
        click.echo(f"{status}: {trials[0]}{more}: {printable(reason)}", err=True)
    for trial, share in summary.apart:
        click.echo(
            f"{trial.title} was fitted again for its pools, and its other scores came out up to {share:.2g} of the "
            "largest apart from the stored ones, which stay",
            err=True,
        )
    again = shell_command("harness", "leaderboard", "--store", store)
    click.echo(wrapped(f"{accounted(summary)}. Stored in {store}; `{again}` shows it again."), err=True)
    sys.stderr.flush()


def _tell_of_limits(outcomes: Collection[Outcome]) -> None:
    """Say once where the data set's own validation images set the limits, for nobody has asked for it."""
    counts = {outcome.record.n_calibration for outcome in outcomes if outcome.record.calibrated_on == "validation"}
    if counts:
        how_many = " or ".join(str(count) for count in sorted(filter(None, counts)))
        click.echo(
            f"Limits are set on the {how_many} normal images that the data set keeps for validation, which were not "
            "fitted; --holdout takes some of the training images instead",
            err=True,
        )


def _tell_of_models(summary: RunSummary, keep: ModelFolder, plugin_files: Sequence[Path]) -> None:
    """Where models are, the command that uses one, and which could not be kept."""
    for trial, reason in summary.unkept:
        click.echo(printable(f"no model of {trial.title}: {reason}"), err=True)
    doubts = {found: read(found).doubt for trial_id in summary.ids if (found := keep.of(trial_id))}
    for doubt in dict.fromkeys(filter(None, doubts.values())):
        click.echo(printable(f"harness: {doubt}"), err=True)
    if doubts:
        first = min(doubts, key=lambda directory: bool(doubts[directory]))
        shown = first.relative_to(Path.cwd()) if first.is_relative_to(Path.cwd()) else first
        plugins = [word for file in plugin_files for word in ("--plugin", file)]
        click.echo(
            f"{len(doubts)} model{'s' if len(doubts) > 1 else ''} kept. Judge images with one of them:\n"
            f"  {shell_command('harness', 'predict', shown, 'FOLDER_OF_IMAGES', *plugins)}",
            err=True,
        )
