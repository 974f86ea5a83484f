"""`harness reproduce`."""

from __future__ import annotations

import sys
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import click

from harness.api import Progress, Threshold
from harness.commands._options import format_option, plugin_option, store_option
from harness.commands._stopping import stoppable
from harness.errors import UsageError
from harness.report.formats import render
from harness.report.reproduction import reproduction_document
from harness.trials import hardware
from harness.trials.datasets import open_dataset
from harness.trials.isolation.registry import registry_of
from harness.trials.observers import Observer
from harness.trials.store import Store
from harness.trials.trial import UNUSED, Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.reproduction import TOLERANCE, refuse_missing_parts, reproduce


@click.command()
@click.argument("key")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder that holds the data set.")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="Folder of <timm name>.safetensors files.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--thresholds", default="mean", show_default=True, help="Comma list of what makes decisions, or all.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=TOLERANCE,
    show_default=True,
    help="How far off a score may be, as a share of the range of the stored ones.",
)
@click.option("--isolate", is_flag=True, help="Fit it in a process that never had labels.")
@store_option
@format_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    key: str,
    data_root: Path | None,
    weights_dir: Path | None,
    device: str,
    thresholds: str,
    tolerance: float,
    isolate: bool,
    store: Path,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Fit a stored trial again; say whether its scores are equal, and what has changed since.

    KEY is a trial's id, or its beginning; `harness leaderboard --format csv` shows ids in the column trial. Ends with
    exit code 0 where scores are equal or within tolerance, and 3 where they differ or cannot be compared. The store
    stays as it is.
    """
    registry = registry_of(plugin_files, isolate=isolate)
    judges = registry.choose(Threshold, thresholds)
    with Store(store) as opened:
        stored = _find(opened, key)
    refuse_missing_parts(stored, registry)
    trial, device = stored.trial, hardware.device(device)
    dataset = open_dataset(registry, trial.dataset, data_root)
    if dataset.needs_root and data_root is None:
        raise UsageError(f"data set {trial.dataset!r} needs --data-root, a folder such as {dataset.layout}")
    threads = stored.record.threads or hardware.threads(device, trial.precision, 1)
    pools = tuple(pool for pool in (stored.evidence.test if stored.evidence else ()) if pool != UNUSED)
    place = WorkerConfig(device, data_root, weights_dir, plugin_files, threads=threads, pools=pools, isolate=isolate)
    worker = Worker(replace(place, skip_unreadable=True), registry)  # whether the same are read, the fingerprint tells
    try:
        with stoppable(farewell := "Stopped. The store is as it was."):
            found = reproduce(stored, worker, _OneLine(), judges, tolerance)
    except KeyboardInterrupt:
        click.echo(f"\n{farewell}", err=True)
        raise
    click.echo(render(reproduction_document(found, tolerance), style), nl=False)
    ctx.exit(0 if found.result in ("equal", "within tolerance") else 3)


class _OneLine(Observer):
    """Where the fit is, in one line of a terminal that is written over."""

    def progressed(self, trial: Trial, progress: Progress) -> None:
        if sys.stderr.isatty() and progress.epoch_done:
            last = progress.epoch == progress.epochs
            said = f"\r{trial.title} · epoch {progress.epoch}/{progress.epochs} · loss {progress.loss:.4g}\x1b[K"
            click.echo(said, nl=last, err=True)


def _find(store: Store, key: str) -> Outcome:
    """The trial whose id begins so. Raises UsageError where there is none, or more than one."""
    known = store.ids()
    found = [trial_id for trial_id in known if trial_id.startswith(key.lower())]
    if len(found) > 1:
        raise UsageError(f"{len(found)} trials begin with {key!r}: expected more digits, as of {_named(store, found)}")
    if not found:
        near = get_close_matches(key.lower(), known, n=3, cutoff=0.5) or known[:3]
        guess = f"Did you mean {_named(store, near)}?" if near else "It is empty."
        raise UsageError(f"no trial {key!r} in {str(store.folder)!r}. {guess}")
    (outcome,) = store.outcomes(found)
    return outcome


def _named(store: Store, ids: list[str]) -> str:
    """A few trials with what they are."""
    return ", ".join(f"{outcome.id} ({outcome.trial.title})" for outcome in store.outcomes(ids[:3]))
