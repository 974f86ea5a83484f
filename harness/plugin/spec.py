"""How a part is spelt: `cae[latent_dim=64,penalty=forward]`, the same on the command line, in records and in tables."""

from __future__ import annotations

from typing import TypeVar

from harness.api import Part
from harness.errors import HarnessError, UsageError, error_text, unknown_name, where_raised
from harness.plugin.grammar import parse, split_list
from harness.plugin.options import MakePart, describe, option_types, read, spelling

__all__ = ["make", "parse", "spell", "split_list"]

P = TypeVar("P", bound=Part)


def make(cls: type[P], options: dict[str, str], where: str, make_part: MakePart | None = None) -> P:
    """Make a part with these options, each read as the type of its field. Raises UsageError that names the option."""
    types_of = option_types(cls)
    values = {}
    for option, text in options.items():
        if option not in types_of:
            raise UsageError(f"{where}: {unknown_name('option', option, types_of)}")
        try:
            values[option] = read(text, types_of[option], make_part)
        except ValueError:
            wanted = describe(types_of[option])
            raise UsageError(f"{where}: option {option!r} is {text!r:.200}, expected {wanted}") from None
        except UsageError as error:  # of a part within this one
            raise UsageError(f"{where}: option {option!r}: {error}") from error
    try:
        return cls(**values)
    except ValueError as error:  # a part's own __post_init__ may refuse a value
        raise UsageError(f"{where}: {error_text(error)}") from error
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:  # which is a program of the plugin
        raise UsageError(f"{where}: {where_raised(error)}") from error


def spell(part: Part) -> str:
    """The shortest text from which the part can be made again. Options that have their default are left out."""
    return spelling(part)
