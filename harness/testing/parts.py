"""What the harness relies on in any part: that its options can be written down and read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from harness.api import Part
from harness.plugin.spec import make, option_types, options_of, parse, read, spell, write

Check = Callable[[Any], None]
"""Takes a part; raises AssertionError if it is wrong, UnavailableError if that cannot be checked here."""

P = TypeVar("P", bound=Part)


def fresh(part: P) -> P:
    """A new part with the same options."""
    return type(part)(**{option.name: getattr(part, option.name) for option in options_of(type(part))})


def checks(part: Part) -> Iterator[Check]:
    """The checks that apply to parts of any kind."""
    yield check_spelling_makes_it_again
    yield check_options_can_be_spelt


def check_spelling_makes_it_again(part: Part) -> None:
    """The text in records and tables makes a part with the same options."""
    text = spell(part)
    again = spell(make(type(part), parse(text)[1], part.name))
    assert again == text, f"the part spelt {text!r} makes one spelt {again!r}"


def check_options_can_be_spelt(part: Part) -> None:
    """The command line can give each option the value that it has."""
    types = option_types(type(part))
    for option in options_of(type(part)):
        value = getattr(part, option.name)
        if value in ("", None):  # these are written by leaving the option out
            continue
        try:
            again = read(write(value), types[option.name])
        except (TypeError, ValueError):
            again = None
        assert again == value, (
            f"option {option.name!r} is {value!r} of type {types[option.name]}, which cannot be spelt: "
            "expected a bool, int, float, str, Literal or tuple of ints, or one of these or None"
        )
