"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.errors import UsageError, unknown
from harness.plugin.spec import split_list
from harness.report.formats import FORMATS

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
    """--format rich|md|csv|json|latex."""
    return click.option(
        "--format",
        "style",
        default="rich",
        show_default=True,
        type=click.Choice(list(FORMATS)),
        help="Form of the output.",
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


def config_option(command: F) -> F:
    """--config FILE.toml, whose names are those of the command's options; the command line wins."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="A TOML file with the same names as these options.",
    )(command)


def whole_numbers(text: str, option: str) -> list[int]:
    """`0,1,2`. Raises UsageError."""
    try:
        numbers = [int(item) for item in split_list(text)]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0:
        raise UsageError(f"{option} is {text!r}: expected whole numbers from 0, such as 0,1,2")
    return list(dict.fromkeys(numbers))


def some_of(text: str, known: Sequence[str], kind: str) -> list[str]:
    """The items of a comma list, or all. Raises UsageError with a suggestion."""
    if text.strip() == "all":
        return list(known)
    chosen = list(dict.fromkeys(split_list(text)))
    for name in chosen:
        if name not in known:
            raise UsageError(unknown(kind, name, known))
    if not chosen:
        raise UsageError(f"no {kind} in {text!r}: expected a comma list, or 'all'")
    return chosen


def _read_config(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    if file is None:
        return
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # editors on Windows put a mark in front
    except OSError as error:
        raise UsageError(f"configuration {str(file)!r} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"configuration {str(file)!r} is not TOML: {error}") from error
    names = {
        option.lstrip("-"): parameter
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option) and parameter.name != "config"
        for option in parameter.opts
        if option.startswith("--")
    }
    defaults: dict[str, Any] = {}
    for name, value in table.items():
        option = name.replace("_", "-")
        if option not in names:
            raise UsageError(f"configuration {str(file)!r}: {unknown('option', name, names)}")
        parameter = names[option]
        assert parameter.name is not None
        defaults[parameter.name] = _as_text(value, parameter, f"configuration {str(file)!r}: {name}")
    ctx.default_map = {**defaults, **(ctx.default_map or {})}


def _as_text(value: Any, option: click.Option, where: str) -> Any:
    """A TOML value as the command line would give it: a list is a comma list, or repeats where that is allowed."""
    plain = (str, int, float)
    if isinstance(value, list) and all(isinstance(item, plain) and not isinstance(item, bool) for item in value):
        return [str(item) for item in value] if option.multiple else ",".join(str(item) for item in value)
    if isinstance(value, bool):
        if not option.is_flag:
            raise UsageError(f"{where} is {str(value).lower()}: expected text, a number or a list")
        return value
    if isinstance(value, plain) and not option.is_flag:
        return [str(value)] if option.multiple else str(value)
    expected = "true or false" if option.is_flag else "text, a number or a list"
    raise UsageError(f"{where} is {value!r}: expected {expected}")
