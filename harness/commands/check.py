"""`harness check`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.api import Dataset, Part
from harness.commands._options import plugin_option
from harness.errors import UsageError, unknown_name
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import parse, spell
from harness.printable import printable
from harness.testing import attempt, checks_for


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of a data set's files.")
@plugin_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], data_root: Path | None, plugin_files: tuple[Path, ...]) -> None:
    """Put a part through the conformance kit.

    NAME is a part as it is spelt, such as dae or dae[level=0.2]; loss:mse says which kind is meant. Prints one line a
    check, and ends with exit code 1 where one failed.
    """
    registry = Registry.discover(plugin_files)
    for plugin in registry.broken:
        click.echo(printable(f"plugin {plugin} is broken: {plugin.problems[0]}"), err=True)
    parts = [part for name in names for part in _find(registry, name)]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for part in parts:
        if isinstance(part, Dataset):
            part.root = data_root
        for check in checks_for(part):
            outcome = attempt(check, part)
            counts[outcome.status] += 1
            reason = f": {' '.join(outcome.reason.split())}" if outcome.reason else ""
            click.echo(printable(f"{outcome.status:<7}  {spell(part)}  {check.__name__}{reason}"))
    click.echo(", ".join(f"{count} {status}" for status, count in counts.items()))
    ctx.exit(1 if counts["failed"] else 0)


def _find(registry: Registry, text: str) -> list[Part]:
    """The parts of this name, one of each kind that has it, or of the kind in front of a colon. Raises UsageError."""
    kind, colon, spelt = text.partition(":")
    if colon and "[" not in kind:
        if kind not in KINDS:
            raise UsageError(unknown_name("kind", kind, KINDS))
        return [registry.make(KINDS[kind], spelt)]
    name, _ = parse(text)
    offers = {base: registry.offers(base) for base in KINDS.values()}
    found = [base for base, parts in offers.items() if name in parts]
    if not found:
        raise UsageError(unknown_name("part", name, {known for parts in offers.values() for known in parts}))
    return [registry.make(base, text) for base in found]
