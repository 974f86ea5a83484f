"""`harness conventions`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._judged import judged
from harness.commands._options import format_option, plugin_option, source_option


@click.command()
@click.option("--threshold", default="mean", show_default=True, help="What makes decisions where nothing else is said.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of the images that kept models score again.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@source_option
@format_option
@plugin_option
def command(
    threshold: str,
    data_root: Path | None,
    device: str,
    store: Path,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Judge the same fits under the conventions that papers seldom state, and say what moves.

    Pools, limits, clamped scores and what pixel counts tell follow from the store. Crops, sizes, smoothing, masks and
    regions take error maps, which models that `run --keep-models` kept make again.
    """
    shown = judged(store, threshold, None, plugin_files).conventions(
        threshold=threshold, data_root=data_root, device=device
    )
    click.echo(shown.text(style), nl=False)
