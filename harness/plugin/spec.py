"""How a part is spelt: `cae[latent_dim=64,penalty=forward]`, the same on the command line, in records and in tables."""

from __future__ import annotations

import re
from typing import TypeVar

from harness.api import Part
from harness.errors import HarnessError, UsageError, unknown, where_raised
from harness.plugin.options import MakePart, describe, option_types, read, spelling

P = TypeVar("P", bound=Part)

_NAME = re.compile(r"[A-Za-z0-9_]+")


def split_list(text: str) -> list[str]:
    """The items of a comma list; commas inside brackets belong to the item. Raises UsageError on unequal brackets."""
    items, depth, item = [], 0, ""
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += character
    if depth != 0:
        raise UsageError(f"{text!r} has unequal brackets: expected a form such as 'cae[latent_dim=64],dae'")
    return [stripped for stripped in (part.strip() for part in [*items, item]) if stripped]


def parse(text: str) -> tuple[str, dict[str, str]]:
    """`name[option=value,...]` as the name and its options, values still as text. Raises UsageError."""
    name, bracket, rest = text.strip().partition("[")
    if not _NAME.fullmatch(name) or (bracket and not rest.endswith("]")):
        raise UsageError(f"{text!r} is not a part: expected a name, or name[option=value,...]")
    options: dict[str, str] = {}
    for item in split_list(rest[:-1]) if bracket else []:
        option, equals, value = (piece.strip() for piece in item.partition("="))
        if not equals or not _NAME.fullmatch(option) or not value:
            raise UsageError(f"{item!r} in {text!r} is not an option: expected option=value")
        if option in options:
            raise UsageError(f"{text!r} gives {option!r} twice")
        options[option] = value
    return name, options


def make(cls: type[P], options: dict[str, str], where: str, make_part: MakePart | None = None) -> P:
    """The part with these options, each read as its field's type. Raises UsageError naming the option."""
    types_of = option_types(cls)
    values = {}
    for option, text in options.items():
        if option not in types_of:
            raise UsageError(f"{where}: {unknown('option', option, types_of)}")
        try:
            values[option] = read(text, types_of[option], make_part)
        except ValueError:
            wanted = describe(types_of[option])
            raise UsageError(f"{where}: option {option!r} is {text!r}, expected {wanted}") from None
        except UsageError as error:  # of a part within this one
            raise UsageError(f"{where}: option {option!r}: {error}") from error
    try:
        return cls(**values)
    except ValueError as error:  # a part's own __post_init__ may refuse a value
        raise UsageError(f"{where}: {error}") from error
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:  # which is a program of the plugin
        raise UsageError(f"{where}: {where_raised(error)}") from error


def spell(part: Part) -> str:
    """The shortest text that makes this part again: options at their defaults are left out."""
    return spelling(part)
