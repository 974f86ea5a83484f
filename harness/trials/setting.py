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
    """One setting of a run."""

    name: str
    kind: Kind
    default: Any
    """None if it is worked out later, or comes from the data set."""
    help: str
    usual: Any = None
    """The value if nobody asks for one and the data set has no default of its own."""
    in_words: str = ""
    """The default in words, if it is worked out later."""
    option: str = ""
    """Its name on the command line, if that differs from `name`."""
    aliases: tuple[str, ...] = ()
    """Other names that work on the command line, in `--config` and in Python."""
    bare: Any = None
    """The value if the option is given on the command line without one."""
    several_options: bool = False
    """Whether the option may be given several times on the command line, with one value each time."""

    @property
    def options(self) -> tuple[str, ...]:
        """All its names on the command line, such as `--learning-rate` and `--lr`."""
        return tuple(f"--{(name).replace('_', '-')}" for name in (self.option or self.name, *self.aliases))

    @property
    def of_data(self) -> bool:
        """Whether data sets may have their own default for it."""
        return self.usual is not None

    @property
    def default_in_words(self) -> str:
        """Its default as shown in help and README; empty for a flag, and if it is left out by default."""
        if self.in_words:
            return self.in_words
        value = self.usual if self.of_data else self.default
        if value is None or isinstance(value, bool):
            return ""
        said = f"{value:g}" if isinstance(value, float) else str(value)
        return f"{said}, or what suits the data set" if self.of_data else said

    def read(self, value: Any, where: str) -> Any:
        """Convert a value to the type of the setting. Raises UsageError that names the place of the value."""
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise UsageError(f"{where} is {_quoted(value)}: {error}") from error


def declared(kind: Kind, default: Any, help: str, **more: Any) -> Any:  # noqa: A002  it is what click calls it
    """A field of `Settings`, with everything that a Setting says."""
    return dataclasses.field(default=default, metadata={"kind": kind, "default": default, "help": help, **more})


def _quoted(value: Any) -> str:
    """A value as the user wrote it, shortened to fit into one line."""
    if isinstance(value, bool | Path):
        return str(value).lower() if isinstance(value, bool) else repr(str(value))
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else f"{said[:57]}..."
