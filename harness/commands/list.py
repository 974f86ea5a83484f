"""`harness list`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands._options import format_option, plugin_option
from harness.errors import UsageError, unknown_name
from harness.plugin.registry import KINDS, Registry
from harness.printable import printable
from harness.report.formats import render
from harness.report.parts import parts_document, plugins_document, plural


@click.command()
@click.argument("kind", required=False)
@format_option
@plugin_option
def command(kind: str | None, style: str, plugin_files: tuple[Path, ...]) -> None:
    """Show the parts that can be crossed, and who offers them.

    KIND is one of models, encoders, losses, pools, thresholds, metrics, datasets, executors, trackers, plugins; all
    parts when left out.
    """
    registry = Registry.discover(plugin_files)
    by_plural = {plural(name): part for name, part in KINDS.items()}
    singular = {name: plural(name) for name in KINDS}
    wanted = singular.get(kind, kind) if kind else None
    if wanted == "plugins":
        registry.broken  # noqa: B018  asks every plugin for its parts, which is what finds the faults
        click.echo(render(plugins_document(registry.plugins), style), nl=False)
        return
    if wanted is not None and wanted not in by_plural:
        raise UsageError(unknown_name("kind", wanted, [*by_plural, "plugins"]))
    kinds = list(by_plural.values()) if wanted is None else [by_plural[wanted]]
    click.echo(render(parts_document(registry, kinds), style), nl=False)
    for plugin in registry.broken:
        problem = printable(f"plugin {plugin} is broken: {plugin.problems[0]}.")
        click.echo(f"{problem} `harness list plugins` shows all.", err=True)
