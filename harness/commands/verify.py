"""`harness verify`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._options import format_option, plugin_option, trust_option
from harness.commands._stopping import stoppable
from harness.errors import UsageError
from harness.printable import printable
from harness.report.formats import render
from harness.report.verification import refits_document, rows_document
from harness.trials import hardware
from harness.trials.isolation.registry import registry_of
from harness.trials.observers import Observer
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.exports import Export, digest_of, read
from harness.verification.keys import Signer, signer
from harness.verification.notes import Notes, save
from harness.verification.verifying import Request, drawn_claims, note_of, redrawn, refits_of


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--sample", type=click.IntRange(1), help="How many trials to fit again.  [default: none]")
@click.option("--seed", type=click.IntRange(0), help="What draws them: state one that you could not choose at will.")
@click.option("--within", type=click.FloatRange(0), metavar="SECONDS", help="Draw only what was fitted within this.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    help="How far off a score may be, as a share of the range of the stated ones.  [default: as measured]",
)
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), help="Private key that signs; made where there is none."
)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder that holds the data set.")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="Folder of <timm name>.safetensors files.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option(
    "--isolate/--no-isolate",
    default=True,
    show_default=True,
    help="Fit in processes that never had labels; data sets and pools then have to be installed ones.",
)
@click.option("--trial-minutes", type=click.FloatRange(0, min_open=True), help="End a trial that takes longer.")
@trust_option
@format_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    sample: int | None,
    seed: int | None,
    within: float | None,
    tolerance: float | None,
    key: Path | None,
    data_root: Path | None,
    weights_dir: Path | None,
    device: str,
    isolate: bool,
    trial_minutes: float | None,
    trust: tuple[Path, ...],
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Check an export, fit some of its trials again, and sign what came of it.

    FILE is a .jsonl that `harness export` wrote. Its rows are worked out again from their scores. Of its trials a
    sample is drawn by the seed, those that rank high more readily, and fitted anew in processes of their own. With
    --key, the result is written beside FILE as a note, and boards then say what is verified. Ends with exit code 3
    where a row does not follow, or a trial comes out differently or cannot be fitted here.
    """
    if (sample is None) != (seed is None):
        raise UsageError("--sample and --seed go together: the seed draws the trials, and is stated in the note")
    signs = _signer(key) if key is not None else None
    if file is None:
        if signs is None:
            raise UsageError("nothing to do: give an export (.jsonl), or --key FILE alone to make a key")
        return
    registry = registry_of(plugin_files, isolate=isolate and sample is not None)
    export = read(file, registry)
    notes = Notes.beside(file, trust)
    marked = notes.marked(export.verdicts, [digest_of(row) for row in export.rows])
    odd = [f"note {str(at)!r}: {said}" for at, note in notes.counted.items() if (said := redrawn(note, export))]
    for fault in (*export.faults, *notes.faults, *odd):
        click.echo(printable(f"harness: {fault}"), err=True)
    if sample is None or seed is None:
        click.echo(render(rows_document(export, marked), style), nl=False)
        ctx.exit(3 if export.faults else 0)
    where = (hardware.device(device), data_root, weights_dir, plugin_files)
    place = WorkerConfig(*where, isolate=isolate, skip_unreadable=True, trial_minutes=trial_minutes)
    worker = Worker(place, registry)  # whether the same images are read, the fingerprint tells
    whole = _refit(export, Request(sample, seed, within, tolerance), worker, style, signs, key)
    ctx.exit(3 if export.faults or not whole else 0)


def _signer(key: Path) -> Signer:
    """The key, said once where it was made just now."""
    signs, made = signer(key)
    if made:
        click.echo(
            f"Made the key {key}: keep it to yourself, and out of repositories. Others need its public half, as a file "
            f"leaderboards/keys/NAME.pub or for --trust:\n{signs.public} {key.stem}",
            err=True,
        )
    return signs


def _refit(
    export: Export, request: Request, worker: Worker, style: str, signs: Signer | None, key: Path | None
) -> bool:
    """Fit what is drawn again, show and sign it; whether all scores came out as stated."""
    drawn, claims = drawn_claims(export, request)
    found = []
    try:
        with stoppable(farewell := "Stopped. No note was written."):
            for claim, refit in refits_of(claims, request, worker, Observer()):
                found.append((claim, refit))
                click.echo(f"{len(found)} of {len(claims)}: {refit.trial} is {refit.result}", err=True)
    except KeyboardInterrupt:
        click.echo(f"\n{farewell}", err=True)
        raise
    click.echo(render(refits_document(found, drawn, request), style), nl=False)
    if signs is not None and key is not None:
        refits = [refit for _, refit in found]
        note = note_of(export, drawn, refits, request, worker.config, (key.stem, signs.public))
        click.echo(f"Signed: {save(note, signs, export.file)}", err=True)
    else:
        click.echo("Not signed: --key FILE writes a note beside the rows.", err=True)
    return all(refit.result in ("equal", "within tolerance") for _, refit in found)
