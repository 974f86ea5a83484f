"""`harness latency`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harness.commands._options import format_option, plugin_option, some_of
from harness.deployment.conversion import engine_of
from harness.deployment.engines import ENGINES
from harness.deployment.kept import directory_of
from harness.deployment.latency import TORCH, Place, Protocol, latencies
from harness.errors import UsageError
from harness.images.tiles import Tiling
from harness.printable import command as shell_command
from harness.report.formats import render
from harness.report.latency import latency_document
from harness.trials import hardware
from harness.trials.database import FILE_NAME
from harness.trials.latencies import Latency
from harness.trials.saved_model import read
from harness.trials.store import Store


@click.command()
@click.argument("model")
@click.option("--engines", default="all", show_default=True, help="Comma list of torch, onnx, openvino, or all.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Images at once, besides one.")
@click.option("--repetitions", type=click.IntRange(1), default=100, show_default=True, help="Runs that are timed.")
@click.option("--warm-up", type=click.IntRange(0), default=10, show_default=True, help="Runs before them.")
@click.option("--threads", type=click.IntRange(1), help="For each engine alike.  [default: all that may be used]")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="For a loss that starts from published weights.")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Whose leaderboard is to show it.  [default: the one that MODEL lies in, else none]",
)
@format_option
@plugin_option
def command(
    model: str,
    engines: str,
    batch: int,
    repetitions: int,
    warm_up: int,
    threads: int | None,
    weights_dir: Path | None,
    store: Path | None,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Measure how long a kept model takes to decide, engine by engine.

    MODEL is a directory that `harness run --keep-models` wrote, or its name or trial id in the store. Each engine runs
    in a process of its own, on the CPU.
    """
    directory = directory_of(model, store or Path("runs"))
    saved = read(directory)
    trial = saved.trial
    if store is not None:
        Store(store).close()  # raises where there is no store
    elif ((around := directory.absolute().parent.parent) / FILE_NAME).is_file():
        store = around
    protocol = Protocol(batch, warm_up, repetitions, threads or hardware.cores())
    wanted = _installed(some_of(engines, [TORCH, *ENGINES], "engine"))

    def begun(name: str) -> None:
        click.echo(f"measuring on {name}", err=True)

    measured = list(latencies(Place(directory, plugin_files, weights_dir), wanted, protocol, begun))
    height, width = saved.image_shape
    title = f"{trial.method} · {trial.category} · "
    title += f"{width}x{height} px" if trial.protocol else f"{trial.image_size} px"
    title += f" in {len(Tiling(trial.tiles, trial.overlap).corners(height, width))} tiles" if trial.tiles else ""
    click.echo(render(latency_document(measured, title), style), nl=False)
    if store is not None:
        _keep(measured, saved.id, store)


def _installed(engines: Sequence[str]) -> list[str]:
    """The installed engines; a line for each other one says how to install it. Raises UsageError if there are none."""
    found, absent = [], []
    for name in engines:
        try:
            if name != TORCH:
                engine_of(name)
            found.append(name)
        except UsageError as error:
            absent.append(str(error))
    if not found:
        raise UsageError("; ".join(absent))
    for reason in absent:
        click.echo(f"harness: {reason}", err=True)
    return found


def _keep(measured: Sequence[Latency], trial_id: str, folder: Path) -> None:
    """Keep the latencies in the store for its leaderboard, if it has the trial. Raises StoreError."""
    with Store(folder, write=True) as store:
        kept = store.amend(trial_id, lambda record: record.with_latencies(measured))
    said = (
        f"`{shell_command('harness', 'leaderboard', '--store', folder)}` shows it"
        if kept
        else f"{folder} has no trial {trial_id} to show it"
    )
    click.echo(f"{said}.", err=True)
