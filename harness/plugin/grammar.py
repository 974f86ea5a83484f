"""The grammar of spellings, such as `cae[latent_dim=64],dae`: comma lists, parts, options and quoted texts."""

from __future__ import annotations

import json
import re
from itertools import product

from harness.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NAMES = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*(?=,|$)|[^,]+', re.DOTALL)
_HARMLESS = re.compile(r"[\w.+/-]+")
"""Texts that need no quotes, which is seen without trying."""


def split_list(text: str) -> list[str]:
    """The items of a comma list; commas inside brackets belong to the item. Raises UsageError on unequal brackets."""
    return _split(text, outermost=True)


def split_joined(text: str) -> list[str]:
    """The items that plus signs join, as in `flip+shift`, but not within brackets. Raises UsageError."""
    return _split(text, outermost=True, at="+")


def parse(text: str) -> tuple[str, dict[str, str]]:
    """`name[option=value,...]` as the name and its options, values still as text. Raises UsageError.

    A value with commas, brackets or spaces around it stands in double quotes, as a string of JSON.
    """
    name, bracket, rest = text.strip().partition("[")
    if not _NAME.fullmatch(name) or (bracket and not rest.endswith("]")):
        raise UsageError(f"{text!r:.200} is not a part: expected a name, or name[option=value,...]")
    options: dict[str, str] = {}
    for item in _split(rest[:-1], outermost=False) if bracket else []:
        option, equals, value = (piece.strip() for piece in item.partition("="))
        if not equals or not _NAME.fullmatch(option) or not value:
            raise UsageError(f"{item!r:.200} in {text!r:.200} is not an option: expected option=value")
        if option in options:
            raise UsageError(f"{text!r:.200} gives {option!r:.200} twice")
        options[option] = unquoted(value)
    return name, options


def quoted(value: str) -> str:
    """A value as it stands behind `option=`: in quotes where it would be read as something else without them."""
    if _HARMLESS.fullmatch(value):
        return value
    try:
        # One that begins with a quote would go on to the next quote, which may be that of another part.
        plain = not value.startswith('"') and parse(f"part[option={value}]") == ("part", {"option": value})
    except UsageError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)


def split_names(text: str) -> list[str]:
    """The items of a comma list of names, which may hold brackets; those in double quotes keep them for `unquoted`."""
    items = (item.group().strip() for item in _NAMES.finditer(text))
    return [item for item in items if item]


def expanded(text: str) -> list[str]:
    """The parts that a spelling with alternatives stands for: `cae[contraction=1e-4|1e-3]` is two, in that order.

    Each combination of the alternatives of several options is one. Quoted values have none. Raises UsageError.
    """
    name, bracket, rest = text.strip().partition("[")
    if "|" not in rest or not rest.endswith("]"):
        return [text]
    choices = []
    for item in _split(rest[:-1], outermost=False):
        option, equals, value = item.partition("=")
        found = [inner for one in _split(value, outermost=False, at="|") for inner in expanded(one)]
        if len(found) < 1 + ("|" in value):
            found = [value]
        choices.append([f"{option}{equals}{one}" for one in found])
    return [f"{name}{bracket}{','.join(items)}]" for items in product(*choices)]


def _split(text: str, *, outermost: bool, at: str = ",") -> list[str]:
    """The items between commas, or another sign. Quotes count within brackets alone, directly behind an equals sign."""
    items, depth, item, place = [], 0, "", 0
    while place < len(text) and depth >= 0:
        character = text[place]
        behind_equals = (depth > 0 or not outermost) and item.rstrip().endswith("=")
        begins = behind_equals or (at == "|" and not item.strip())
        if character == '"' and begins and (whole := _QUOTED.match(text, place)):
            item, place = item + whole.group(), whole.end()
            continue
        depth += (character == "[") - (character == "]")
        if character == at and depth == 0:
            items.append(item)
            item = ""
        else:
            item += character
        place += 1
    if depth != 0:
        raise UsageError(f"{text!r:.200} has unequal brackets: expected a form such as 'cae[latent_dim=64],dae'")
    return [stripped for stripped in (part.strip() for part in [*items, item]) if stripped]


def unquoted(value: str) -> str:
    """What stands in quotes; any other text is itself."""
    if not _QUOTED.fullmatch(value):
        return value
    try:
        return str(json.loads(value, strict=False))
    except ValueError:  # a backslash that is none of JSON's
        return value
