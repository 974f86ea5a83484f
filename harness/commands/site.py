"""`harness site`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._options import plugin_option, trust_option
from harness.errors import UsageError
from harness.files import write_text
from harness.plugin.registry import Registry
from harness.printable import printable
from harness.report.site import pages_in_order, site


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write the pages to."
)
@trust_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context, folder: Path, out: Path, trust: tuple[Path, ...], plugin_files: tuple[Path, ...]
) -> None:
    """Write static pages of a folder of exports: an index, and a page for each data set.

    Each row has its provenance, whether it was verified, and the command that makes it again. The pages fetch nothing.
    Ends with exit code 3 where rows were left out, which is said.
    """
    contents, faults, notes = site(folder, Registry.discover(plugin_files), trust)
    for fault in (*faults, *notes):
        click.echo(printable(f"harness: {fault}"), err=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in pages_in_order(contents):
            write_text(out / name, content)
    except OSError as error:
        raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    click.echo(f"{len(contents)} pages written to {out / 'index.html'} and beside it", err=True)
    ctx.exit(3 if faults else 0)
