"""`harness run`."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.api import Dataset, Encoder, Executor, Loss, Model, Pool, Threshold
from harness.commands._following import HERE, end_log, observers, open_log
from harness.commands._options import format_option
from harness.commands._settings import config_option, setting_options, settings_of
from harness.commands._stopping import stoppable
from harness.errors import ModelError, UsageError
from harness.plugin.in_process import choose, some_of
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.printable import printable
from harness.report.cells import cells_document
from harness.report.formats import OF_ROWS, render
from harness.report.leaderboard import leaderboard_document
from harness.report.progress import describe
from harness.trackers.asked import trackers_of
from harness.trials import hardware
from harness.trials.executors.asked import executor_of
from harness.trials.grid import Axes, Cell, plan
from harness.trials.observers import Observers
from harness.trials.saved_model import ModelFolder, read
from harness.trials.schedule import RunSummary, carry_out, run_start
from harness.trials.settings import Settings
from harness.trials.store import Store
from harness.trials.trial import Outcome
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.judging import judge


@click.command()
@setting_options
@click.option("--dry-run", is_flag=True, help="Show the cells; fit nothing.")
@format_option
@config_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Cross models, encoders, losses, categories and seeds; fit what is missing; show the leaderboard."""
    log = open_log(ctx, given["log_json"])
    settings = settings_of(given)
    registry = Registry.discover(plugin_files := [file for file in settings.plugins if isinstance(file, Path)])
    for plugin in registry.broken:
        for problem in plugin.problems:
            click.echo(printable(f"harness: plugin {plugin} {problem}"), err=True)
    thresholds = choose(registry, Threshold, settings.thresholds)
    pools = None if settings.pools is None else [spell(pool) for pool in choose(registry, Pool, settings.pools)]
    executor = executor_of(registry, settings)
    trackers = trackers_of(registry, settings)
    device = executor.prepare(settings.device) or hardware.device(settings.device)
    axes = _axes(registry, settings, device)
    cells = list(plan(axes))
    _refuse_if_nothing_fits(cells)
    if given["dry_run"]:
        click.echo(render(cells_document(cells, thresholds, pools), given["style"]), nl=False)
        return
    if axes.dataset.defaults and settings.dataset is None and settings.data_root is None:
        click.echo(
            f"No --data-root: running the demo on the built-in {axes.dataset.name!r} data set "
            f"({axes.image_size} px, {axes.epochs} epochs, {axes.weights} weights). These are not results.",
            err=True,
        )
    jobs = executor.side_by_side(device, len(cells))
    workplace = WorkerConfig(
        device,
        settings.data_root,
        settings.weights_dir,
        tuple(plugin_files),
        threads=hardware.threads(device, axes.precision, jobs),
        side_by_side=jobs,
        smaller_batches=settings.batch_size == "auto",
        pools=tuple(pools or ()),
        keep=_keep(settings.store, thresholds, pools) if settings.keep_models else None,
    )
    with Store(settings.store, write=True) as store:
        told, events = observers(
            dataset=axes.dataset,
            judged=lambda outcome: list(judge(outcome, thresholds, pools)),
            log=log,
            quiet=settings.quiet or settings.log_json == HERE,
            trackers=trackers,
        )
        start = run_start(cells, axes.dataset, store, refits=workplace.keep is not None)
        end = partial(end_log, log, events)
        tally = _fit(ctx, cells, store, Worker(workplace, registry), executor, told.following(start), end)
        outcomes = list(store.outcomes(tally.ids))
        verdicts = [verdict for outcome in outcomes for verdict in judge(outcome, thresholds, pools)]
    code = 3 if tally.unfinished or tally.unkept else 0
    click.echo(render(leaderboard_document(verdicts), given["style"]), nl=False)
    _summarise(tally, settings.store, say_reasons=given["style"] in OF_ROWS)
    _tell_of_limits(outcomes)
    if workplace.keep:
        _tell_of_models(tally, workplace.keep, plugin_files)
    end(code)
    ctx.exit(code)


def _axes(registry: Registry, settings: Settings, device: str) -> Axes:
    """What the settings ask for. Raises UsageError."""
    root, called = settings.data_root, settings.called
    if root is not None and not root.is_dir():
        raise UsageError(
            f"{called('data_root')} {str(root)!r} is not a folder: expected the folder that holds the data set"
        )
    asked = settings.dataset or (("mvtec_ad" if root else "synthetic"),)
    (dataset,) = choose(registry, Dataset, asked)
    dataset.root = root
    if dataset.needs_root and root is None:
        raise UsageError(
            f"data set {spell(dataset)!r} needs {called('data_root')}, a folder such as {dataset.layout}. "
            f"Get it from {dataset.homepage}"
        )
    if settings.weights_dir is not None and not settings.weights_dir.is_dir():
        raise UsageError(f"{called('weights_dir')} {str(settings.weights_dir)!r} is not a folder")
    return Axes(
        dataset=dataset,
        categories=some_of(settings.categories, dataset.categories(), "category"),
        models=choose(registry, Model, settings.models),
        encoders=choose(registry, Encoder, settings.encoders),
        losses=choose(registry, Loss, settings.losses),
        seeds=settings.seeds,
        holdout=settings.holdout,
        precision=hardware.precision(settings.precision, device),
        **settings.of_data(dataset),
    )


def _keep(store: Path, thresholds: Sequence[Threshold], pools: Sequence[str] | None) -> ModelFolder:
    """Where models go, made, and the first limit that a production line could set. Raises UsageError, ModelError."""
    blind = next((threshold for threshold in thresholds if not threshold.oracle), None)
    if blind is None:
        raise UsageError(
            "--keep-models needs a threshold that sees normal images only: add one, as in --thresholds mean"
        )
    folder = store / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"folder of models {str(folder)!r} cannot be made: {error.strerror}") from error
    return ModelFolder(folder.absolute(), spell(blind), pools[0] if pools else None)


def _refuse_if_nothing_fits(cells: list[Cell]) -> None:
    reasons = {cell.reason for cell in cells}
    if "" not in reasons:
        raise UsageError("; ".join(sorted(reasons)))


def _fit(
    ctx: click.Context,
    cells: list[Cell],
    store: Store,
    worker: Worker,
    executor: Executor,
    following: AbstractContextManager[Observers],
    end: Callable[[int], None],
) -> RunSummary:
    """Fit what is missing; an interrupt ends it and keeps what is finished."""
    farewell = f"Stopped. Finished trials are kept in {store.folder}; the same command goes on from there."
    try:
        with stoppable(farewell), following as told:
            return carry_out(cells, store=store, worker=worker, executor=executor, observer=told)
    except KeyboardInterrupt as stop:
        click.echo(f"\n{farewell}", err=True)
        code = 128 + (stop.args[0] if stop.args else signal.SIGINT)
        end(code)
        ctx.exit(code)


def _tell_of_limits(outcomes: Sequence[Outcome]) -> None:
    """Say once where the data set's own validation images set the limits, for nobody has asked for it."""
    counts = {outcome.record.n_calibration for outcome in outcomes if outcome.record.calibrated_on == "validation"}
    if counts:
        how_many = " or ".join(str(count) for count in sorted(filter(None, counts)))
        click.echo(
            f"Limits are set on the {how_many} normal images that the data set keeps for validation, which were not "
            "fitted; --holdout takes some of the training images instead",
            err=True,
        )


def _summarise(tally: RunSummary, store: Path, *, say_reasons: bool) -> None:
    """What was done, which cells were not, and why, each reason once; the tables for people say the reasons too."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for outcome in tally.unfinished:
        by_reason.setdefault((outcome.status, outcome.reason), []).append(describe(outcome.trial))
    for (status, reason), trials in by_reason.items() if say_reasons else ():
        more = f" and {len(trials) - 1} more" if len(trials) > 1 else ""
        click.echo(f"{status}: {trials[0]}{more}: {printable(reason)}", err=True)
    again = f" ({tally.again} of them again, for {' and '.join(tally.again_for)})" if tally.again else ""
    for trial, share in tally.apart:
        click.echo(
            f"{describe(trial)} was fitted again for its pools, and its other scores came out up to {share:.2g} of the "
            "largest apart from the stored ones, which stay",
            err=True,
        )
    parts = [f"{tally.fitted} fitted{again}", f"{tally.found} already there"]
    parts += [f"{len(tally.unfinished)} skipped or failed"] if tally.unfinished else []
    click.echo(
        f"{', '.join(parts)}. Stored in {store}; "
        f"`harness leaderboard --store {shlex.quote(str(store))}` shows it again.",
        err=True,
    )
    sys.stderr.flush()


def _tell_of_models(tally: RunSummary, keep: ModelFolder, plugin_files: Sequence[Path]) -> None:
    """Where models are, the command that uses one, and which could not be kept."""
    for trial, reason in tally.unkept:
        click.echo(printable(f"no model of {describe(trial)}: {reason}"), err=True)
    doubts = {found: read(found).doubt for trial_id in tally.ids if (found := keep.of(trial_id))}
    for doubt in dict.fromkeys(filter(None, doubts.values())):
        click.echo(printable(f"harness: {doubt}"), err=True)
    if doubts:
        first = min(doubts, key=lambda directory: bool(doubts[directory]))
        shown = first.relative_to(Path.cwd()) if first.is_relative_to(Path.cwd()) else first
        plugins = "".join(f" --plugin {shlex.quote(str(file))}" for file in plugin_files)
        click.echo(
            f"{len(doubts)} model{'s' if len(doubts) > 1 else ''} kept. Judge images with one of them:\n"
            f"  harness predict {shlex.quote(str(shown))} FOLDER_OF_IMAGES{plugins}",
            err=True,
        )
