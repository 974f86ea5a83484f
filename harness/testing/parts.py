"""What the harness relies on in any part: that its options can be written down and read again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from harness.api import Part
from harness.plugin.options import SUPPORTED, option_types, options_of, read, same, write
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import make, parse, spell

Check = Callable[[Any], None]
"""Takes a part; raises AssertionError if it is wrong, UnavailableError if that cannot be checked here."""

P = TypeVar("P", bound=Part)


def fresh(part: P) -> P:
    """A new part with the same options."""
    return type(part)(**{option.name: getattr(part, option.name) for option in options_of(type(part))})


def registry_of(part: Part) -> Registry:
    """What is installed, and what the module of a part offers."""
    registry = Registry.discover()
    module, offers = type(part).__module__, registry.offers(KINDS[part.kind]).values()
    if module in sys.modules and all(type(part) is not offer.part for offer in offers):
        registry.register(sys.modules[module], module)
    return registry


def checks(part: Part) -> Iterator[Check]:
    """The checks that apply to parts of any kind."""
    yield check_spelling_makes_it_again
    yield check_options_can_be_spelt


def check_spelling_makes_it_again(part: Part) -> None:
    """The text in records and tables makes a part with the same options."""
    text = spell(part)
    again = spell(make(type(part), parse(text)[1], part.name, registry_of(part).make))
    assert again == text, f"the part spelt {text!r} makes one spelt {again!r}"


def check_options_can_be_spelt(part: Part) -> None:
    """The command line can give each option the value that it has."""
    types = option_types(type(part))
    for option in options_of(type(part)):
        value = getattr(part, option.name)
        if value in ("", None):  # these are written by leaving the option out
            continue
        try:
            again = read(write(value), types[option.name], registry_of(part).make)
        except (TypeError, ValueError):
            again = None
        assert same(again, value), (
            f"option {option.name!r} is {value!r} of type {types[option.name]}, which cannot be spelt: "
            f"expected {SUPPORTED}"
        )
