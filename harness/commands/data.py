"""`harness data`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._options import format_option, plugin_option, some_of
from harness.errors import DataError, UsageError
from harness.plugin.registry import Registry
from harness.report.data import data_document
from harness.report.formats import render
from harness.trials.worker import open_dataset


@click.command()
@click.option("--dataset", help="A data set.  [default: mvtec_ad with --data-root, else synthetic]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder that holds the data set.")
@click.option("--categories", default="all", show_default=True, help="Comma list of categories, or all.")
@click.option("--image-size", type=click.IntRange(1), default=256, show_default=True, help="Size to decode to.")
@format_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    dataset: str | None,
    data_root: Path | None,
    categories: str,
    image_size: int,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Show what a data set holds: splits, defect kinds, masks, sizes, official counts, licence, fingerprint."""
    registry = Registry.discover(plugin_files)
    name = dataset or ("mvtec_ad" if data_root else "synthetic")
    part = open_dataset(registry, name, data_root)
    if part.needs_root and (data_root is None or not data_root.is_dir()):
        given = "no --data-root" if data_root is None else f"--data-root {str(data_root)!r} is not a folder"
        raise UsageError(f"{given}: get {part.name} from {part.homepage} and unpack it as {part.layout}")
    splits, faults = {}, {}
    for category in some_of(categories, part.categories(), "category"):
        try:
            splits[category] = part.load(category, image_size)
        except DataError as error:
            faults[category] = str(error)
    click.echo(render(data_document(part, splits, faults), style), nl=False)
    if faults:
        ctx.exit(3)
