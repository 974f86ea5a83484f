"""One setting of a run: its name, kind, default and help."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.trials.setting_kinds import Kind


@dataclass(frozen=True)
class Setting:
    """One thing that can be asked of a run."""

    name: str
    kind: Kind
    default: Any
    """None where it is worked out, or comes from the data set."""
    help: str
    usual: Any = None
    """What is taken where nobody asks for anything and the data set has no default of its own."""
    in_words: str = ""
    """The default in words, where it is worked out."""
    option: str = ""
    """Its name on the command line, where that is not its own."""
    aliases: tuple[str, ...] = ()
    """Other names that are understood on the command line, in `--config` and in Python."""
    bare: Any = None
    """On the command line, the value where the option is given without one."""
    several_options: bool = False
    """Whether it may be given several times on the command line, one value each time."""

    @property
    def options(self) -> tuple[str, ...]:
        """`--learning-rate`, and what else it is called on the command line."""
        return tuple(f"--{(name).replace('_', '-')}" for name in (self.option or self.name, *self.aliases))

    @property
    def of_data(self) -> bool:
        """Whether a data set may have a default of its own for it."""
        return self.usual is not None

    @property
    def default_in_words(self) -> str:
        """Its default as help and README show it; empty for a flag, and for what is left out by default."""
        if self.in_words:
            return self.in_words
        value = self.usual if self.of_data else self.default
        if value is None or isinstance(value, bool):
            return ""
        said = f"{value:g}" if isinstance(value, float) else str(value)
        return f"{said}, or what suits the data set" if self.of_data else said

    def read(self, value: Any, where: str) -> Any:
        """The value in its type. Raises UsageError that says where it stands."""
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise UsageError(f"{where} is {_quoted(value)}: {error}") from error


def declared(kind: Kind, default: Any, help: str, **more: Any) -> Any:  # noqa: A002  it is what click calls it
    """A field of `Settings`, and all else that is said of it."""
    return dataclasses.field(default=default, metadata={"kind": kind, "default": default, "help": help, **more})


def _quoted(value: Any) -> str:
    """A value as a person wrote it, short enough for one line."""
    if isinstance(value, bool | Path):
        return str(value).lower() if isinstance(value, bool) else repr(str(value))
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else f"{said[:57]}..."
