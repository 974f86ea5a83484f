"""The settings of a run as options of the command line, and as names in a configuration file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.errors import UsageError, unknown_name
from harness.trials.setting import Setting
from harness.trials.setting_kinds import Flag
from harness.trials.settings import SETTINGS, Settings, find

F = TypeVar("F", bound=Callable[..., Any])


def setting_options(command: F) -> F:
    """An option for each setting of a run; each is None where nothing is asked."""
    for setting in reversed(list(SETTINGS.values())):
        command = _option(setting)(command)
    return command


def setting_option(name: str) -> Callable[[F], F]:
    """The option of one setting, for a command that takes some of them."""
    return _option(SETTINGS[name])


def settings_of(given: Mapping[str, Any]) -> Settings:
    """The settings that these options ask for. Raises UsageError."""
    asked = {name: given[name] for name in SETTINGS if given[name] not in (None, ())}
    return Settings.of(asked, "command line")


def config_option(command: F) -> F:
    """--config FILE.toml, whose names are those of the settings and of the command's other options.

    The command line wins.
    """
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="A TOML file with the same names as these options.",
    )(command)


def _option(setting: Setting) -> Callable[[F], F]:
    said, names = setting.default_in_words, list(setting.options)
    about: dict[str, Any] = {"help": setting.help + (f"  [default: {said}]" if said else ""), "default": None}
    if isinstance(setting.kind, Flag):
        about |= {"is_flag": True}
        names = [f"{name}/--no-{name.removeprefix('--')}" for name in names] if setting.default else names
    else:
        about |= {"type": click.UNPROCESSED, "metavar": setting.kind.metavar}  # read as those of a file and of Python
    if setting.bare is not None:
        about |= {"is_flag": False, "flag_value": setting.bare}
    if setting.several_options:
        about |= {"multiple": True}
    return click.option(*names, setting.name, **about)


def _read_config(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    if file is None:
        return
    where = f"configuration {str(file)!r}"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # editors on Windows put a mark in front
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise UsageError(f"{where} is no list of settings: too many brackets within brackets") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where} is not TOML: {error}") from error
    others = {
        option.lstrip("-"): parameter
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option) and parameter.name not in ("config", *SETTINGS)
        for option in parameter.opts
        if option.startswith("--")
    }
    defaults: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for name, value in table.items():
        setting = find(name)
        other = others.get(name.replace("_", "-"))
        if setting is not None:
            key, value = setting.name, setting.read(value, f"{where}: {name}")
        elif other is not None:
            key = str(other.name)
            _check(value, other, f"{where}: {name}")
        else:
            raise UsageError(f"{where}: {unknown_name('option', name, [*SETTINGS, *others])}")
        if key in defaults:
            raise UsageError(f"{where}: {spelt[key]} and {name} are the same setting: give one of them")
        spelt[key] = name
        defaults[key] = value
    ctx.default_map = {**defaults, **(ctx.default_map or {})}


def _check(value: Any, option: click.Option, where: str) -> None:
    """Refuse what an option that is no setting cannot take, before click turns it into something else."""
    if option.is_flag != isinstance(value, bool) or not isinstance(value, bool | str):
        raise UsageError(f"{where} is {value!r}: expected {'true or false' if option.is_flag else 'text'}")
