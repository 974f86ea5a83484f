"""Options that several commands share, and how their text is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.plugin import in_process
from harness.plugin.grammar import split_names
from harness.report.formats import FORMATS
from harness.verdicts.rows import RANKED_BY

F = TypeVar("F", bound=Callable[..., Any])


def store_option(command: F) -> F:
    """--store DIR."""
    return click.option(
        "--store", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder of the store."
    )(command)


def source_option(command: F) -> F:
    """--store DIR, for commands that only read: an export serves as well."""
    return click.option(
        "--store",
        default="runs",
        show_default=True,
        type=click.Path(path_type=Path),
        help="Folder of the store, or a .jsonl that `harness export` wrote.",
    )(command)


def format_option(command: F) -> F:
    """--format rich|md|csv|excel|json|latex."""
    return click.option(
        "--format",
        "style",
        default="rich",
        show_default=True,
        type=click.Choice(list(FORMATS)),
        help="Form of the output.",
    )(command)


def rank_option(command: F) -> F:
    """--rank-by METRIC."""
    return click.option(
        "--rank-by",
        default=RANKED_BY,
        show_default=True,
        metavar="METRIC",
        help="Any of `list metrics`.",
    )(command)


def plugin_option(command: F) -> F:
    """--plugin FILE.py, any number of times."""
    return click.option(
        "--plugin",
        "plugin_files",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A Python file that is a plugin; may be repeated.",
    )(command)


def trust_option(command: F) -> F:
    """--trust PATH, any number of times."""
    return click.option(
        "--trust",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A public key (.pub), or a folder of them, whose notes count beside those that ship; may be repeated.",
    )(command)


def verified_option(command: F) -> F:
    """--verified."""
    return click.option(
        "--verified", is_flag=True, help="Only what somebody who is trusted has fitted again, with the same scores."
    )(command)


def some_of(text: str, known: Sequence[str], kind: str) -> list[str]:
    """The items of a comma list, or all. Raises UsageError with a suggestion."""
    return in_process.some_of(split_names(text), known, kind)
