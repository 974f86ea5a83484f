"""`harness doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._options import format_option, plugin_option
from harness.plugin.registry import Registry
from harness.report.formats import render
from harness.report.installation import installation_document


@click.command()
@format_option
@plugin_option
def command(style: str, plugin_files: tuple[Path, ...]) -> None:
    """Show what a bug report needs: versions, machine, packages, variables and plugins.

    It names no folder and no person. Paste it as it is: `harness doctor --format md`.
    """
    click.echo(render(installation_document(Registry.discover(plugin_files)), style), nl=False)
