"""`harness data`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.audit import findings_of
from harness.commands._downloading import download as fetch_into
from harness.commands._options import format_option, plugin_option, some_of
from harness.errors import DataError, UsageError
from harness.plugin.registry import Registry
from harness.recommending.written import write_photos
from harness.report.data import data_document
from harness.report.formats import render
from harness.trials.datasets import categories_of, how_to_get, load, open_dataset, usual_dataset


@click.command()
@click.option("--dataset", help="A data set.  [default: found out from --data-root; synthetic without]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder that holds the data set.")
@click.option("--categories", default="all", show_default=True, help="Comma list of categories, or all.")
@click.option("--image-size", type=click.IntRange(1), default=256, show_default=True, help="Size to decode to.")
@click.option(
    "--write", type=click.Path(path_type=Path), help="Write the images as a folder of photos: good/ and bad/<defect>/."
)
@click.option("--download", metavar="NAME", help="Fetch this data set into the folder first; its licence is shown.")
@click.option("--accept-licence", is_flag=True, help="Agree to its licence without being asked.")
@click.option("--strict", is_flag=True, help="Exit with 3 where a finding is grave.")
@format_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    dataset: str | None,
    data_root: Path | None,
    categories: str,
    image_size: int,
    write: Path | None,
    download: str | None,
    accept_licence: bool,
    strict: bool,
    style: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Show what a data set holds, and what is odd about its images.

    Looked for are duplicates, shortcuts (one number of an image that tells the classes apart), shifts between training
    and test images, blank images, odd masks and depths, and files that are passed over. Exit code: 0 all categories
    were read, 3 some could not be, or with --strict some have a grave finding.
    """
    registry = Registry.discover(plugin_files)
    if download is not None:
        fetch_into(open_dataset(registry, download, data_root), data_root, accept_licence)
    name = dataset or download or usual_dataset(registry, data_root)
    part = open_dataset(registry, name, data_root)
    if part.needs_root and (data_root is None or not data_root.is_dir()):
        given = "no --data-root" if data_root is None else f"--data-root {str(data_root)!r} is not a folder"
        raise UsageError(f"{given}: {how_to_get(part)}")
    looked_at, faults = {}, {}
    here = categories_of(part)
    for category in some_of(categories, here, "category"):
        try:
            split = load(part, category, image_size)
            looked_at[category] = split, findings_of(split)
        except DataError as error:
            faults[category] = str(error)
    for category, (split, _) in looked_at.items() if write is not None else ():
        assert write is not None
        write_photos(split, write if len(looked_at) == 1 else write / category)
    click.echo(render(data_document(part, here, looked_at, faults), style), nl=False)
    if faults or (strict and any(one.grave for _, found in looked_at.values() for one in found)):
        ctx.exit(3)
