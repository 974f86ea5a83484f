"""`harness new-plugin`."""

from __future__ import annotations

import re
import shlex
from datetime import date
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from harness.errors import UsageError
from harness.plugin.contract import CONTRACT
from harness.plugin.registry import KINDS, Registry

LICENCES = ("MIT", "BSD-3-Clause", "none")
RUNS = {
    "model": "harness run --models {}",
    "encoder": "harness run --models dae --encoders {}",
    "loss": "harness run --models dae --encoders conv --losses {}",
    "pool": "harness run --models dae --encoders conv --pools mean,{}",
    "threshold": "harness run --models dae --encoders conv --thresholds mean,{}",
    "metric": "harness leaderboard --metrics {}",
    "dataset": "harness run --models dae --encoders conv --dataset {}",
    "defect": "harness list defects --plugin {}.py",
    "corruption": "harness list corruptions --plugin {}.py",
    "executor": "harness run --models dae --encoders conv --executor {}",
    "tracker": "harness run --models dae --encoders conv --tracker {}",
}
"""How each kind is tried out."""


@click.command()
@click.argument("name")
@click.option("--kind", default="model", show_default=True, type=click.Choice(list(RUNS)), help="What it is to be.")
@click.option(
    "--directory", default=".", type=click.Path(path_type=Path), help="Where its folder is made.  [default: here]"
)
@click.option("--licence", "--license", default="MIT", show_default=True, type=click.Choice(LICENCES))
@click.option("--author", help="Who holds the copyright.  [default: the authors of the plugin]")
def command(name: str, kind: str, directory: Path, licence: str, author: str | None) -> None:
    """Write a working plugin package to start from.

    NAME is what the part is called on the command line, such as my_model.
    """
    _check_name(name, kind)
    distribution = f"anomaly-{name.replace('_', '-')}"
    module = f"anomaly_{name}"
    folder = directory / distribution
    values = {
        "name": name,
        "kind": kind,
        "distribution": distribution,
        "module": module,
        "class_name": "".join(word.capitalize() for word in name.split("_")) + kind.capitalize(),
        "licence": "LicenseRef-Proprietary" if licence == "none" else licence,
        "author": author or f"the authors of {distribution}",
        "year": str(date.today().year),
        "contract": str(CONTRACT),
        "run": RUNS[kind].format(name),
    }
    templates = {
        "pyproject.toml": "pyproject.toml",
        f"{module}.py": f"{kind}.py",
        f"tests/test_{module}.py": "test.py",
        "README.md": "README.md",
        **({} if licence == "none" else {"LICENSE": licence}),
    }
    if folder.exists():
        raise UsageError(f"{str(folder)!r} is there already: choose another name, or another --directory")
    try:
        for file, template in templates.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(_filled(template, values), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{str(folder)!r} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {folder}: {', '.join(templates)}")
    place = shlex.quote(str(folder))
    click.echo(f"next: pip install -e {place} && harness check {kind}:{name} && {values['run']}")


def _check_name(name: str, kind: str) -> None:
    """Raises UsageError for what cannot be a part's name, or is one already."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "all":
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower().strip("_")
        suggestion = words if re.match(r"[a-z]", words) and words != "all" else f"my_{words or kind}"
        raise UsageError(
            f"{name!r} is not a name: expected lower case letters, digits and underscores, such as {suggestion!r}"
        )
    offer = Registry.discover().offers(KINDS[kind]).get(name)
    if offer is not None:
        raise UsageError(f"{kind} {name!r} is offered by {offer.plugin} already: choose another name, as 'my_{name}'")


def _filled(template: str, values: dict[str, str]) -> str:
    text = (files("harness.commands") / "_templates" / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values)
