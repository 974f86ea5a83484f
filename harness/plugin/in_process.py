"""Parts of a notebook or script: classes and instances that are used in this process without a plugin file."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.api import Part
from harness.errors import UsageError, unknown_name
from harness.plugin.digest import digest_of
from harness.plugin.faults import fault_of
from harness.plugin.grammar import expanded, unquoted
from harness.plugin.hookspecs import hookimpl
from harness.plugin.options import describe, fits, option_types, options_of, same
from harness.plugin.registry import HOOKS, KINDS, Plugin, Registry
from harness.plugin.spec import spell

P = TypeVar("P", bound=Part)

IN_PROCESS = "in this process"
"""Stands in records where the distribution of an installed part would stand."""
UNREAD = "unread"
"""Stands in records where the version would stand, if the code of a part cannot be read."""


def registry_with(plugins: Sequence[Any]) -> Registry:
    """A registry of all installed plugins and of these files, modules and classes. Raises UsageError."""
    registry = Registry.discover([plugin for plugin in plugins if isinstance(plugin, Path)])
    register(registry, [plugin for plugin in plugins if not isinstance(plugin, Path)])
    return registry


def broken(registry: Registry) -> list[str]:
    """One line for each thing that is left out of a plugin, with the reason."""
    problems = [f"plugin {plugin} {problem}" for plugin in registry.broken for problem in plugin.problems]
    return [*problems, *(f"plugin {line}" for line in registry.left_out)]


def register(registry: Registry, given: Iterable[object]) -> None:
    """Add to a registry: classes of parts, the classes of instances, and modules that are plugins.

    A class that a plugin offers already is not added again. Raises UsageError for a class that cannot be used.
    """
    for one in given:
        if isinstance(one, types.ModuleType):
            _refuse_faults(registry, registry.register(one, one.__name__, IN_PROCESS, digest_of(one) or UNREAD))
        elif isinstance(one, Part):
            _register_class(registry, type(one))
        elif inspect.isclass(one) and issubclass(one, Part):
            _register_class(registry, one)


def choose(registry: Registry, kind: type[P], asked: Sequence[str | Part | type[Part]]) -> list[P]:
    """The parts that were asked for by spelling, by class or as instances. Raises UsageError, with a suggestion.

    The word `all` stands for every part that works without options.
    """
    if len(asked) == 1 and asked[0] == "all":
        return registry.choose(kind, "all")
    return [
        _again(registry, kind, one)
        if isinstance(one, Part)
        else registry.make(kind, one if isinstance(one, str) else one.name)
        for given in asked
        for one in (expanded(given) if isinstance(given, str) else [given])
    ]


def some_of(asked: Sequence[str], known: Sequence[str], kind: str) -> list[str]:
    """The names that were asked for, in their order and each once; `all` gives all known ones. Raises UsageError.

    A name in double quotes is read as JSON, so that `"all"` is a name like others.
    """
    if tuple(asked) == ("all",):
        return list(known)
    names = [unquoted(name) for name in asked]
    for name in names:
        if name not in known:
            raise UsageError(unknown_name(kind, name, known))
    if not names:
        raise UsageError(f"no {kind} is asked for: expected a comma list, or 'all'")
    return list(dict.fromkeys(names))


def _register_class(registry: Registry, part: type[Part]) -> None:
    kind = KINDS.get(getattr(part, "kind", ""))
    if kind is None:
        raise UsageError(f"{part.__name__} is a part of no kind: expected a subclass of harness.Model, say")
    if fault := fault_of(part, kind):
        said = re.sub("^which ", "it ", re.sub("^whose ", "its ", fault))
        raise UsageError(f"{part.__name__} cannot be used as a {kind.kind}: {said}")
    offer = registry.offers(kind).get(part.name)
    if offer is not None and _same(offer.part, part):
        return
    if offer is not None:
        raise UsageError(
            f"{kind.kind} {part.name!r} of this process has the name of one that {offer.plugin} offers: "
            f"give {part.__name__} another name"
        )
    parameters = inspect.signature(part.__init__).parameters.values()
    own = [p.name for p in list(parameters)[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if own and not options_of(part):
        raise UsageError(
            f"{part.__name__} takes {', '.join(own)}, which a record cannot remember: make it a dataclass, "
            "whose fields are its options"
        )
    module = types.ModuleType(part.__module__)
    setattr(module, HOOKS[kind], hookimpl(lambda: [part]))
    name = str(getattr(part, "name", part.__name__))
    _refuse_faults(registry, registry.register(module, name, IN_PROCESS, digest_of(part) or UNREAD))


def _refuse_faults(registry: Registry, plugin: Plugin) -> None:
    for kind in HOOKS:
        registry.offers(kind)
    if plugin.problems:
        raise UsageError(f"{plugin.name} cannot be used: {'; '.join(plugin.problems)}")


def _same(known: type[Part], given: type[Part]) -> bool:
    """Whether two classes have the same code, as when a plugin file was also imported by the caller."""
    digest = digest_of(given)
    return known is given or (known.__qualname__ == given.__qualname__ and digest != "" and digest == digest_of(known))


def _again(registry: Registry, kind: type[P], given: Part) -> P:
    """The part that a worker would make from an instance's spelling. Raises UsageError if the two differ."""
    for name, wanted in option_types(type(given)).items():
        if not fits(value := getattr(given, name), wanted):
            raise UsageError(
                f"{kind.kind} {type(given).name!r} has the option {name} = {value!r:.60}: expected {describe(wanted)}"
            )
    spelt = spell(given)
    made = registry.make(kind, spelt)
    for option in options_of(type(given)):
        asked, became = getattr(given, option.name), getattr(made, option.name)
        if not same(asked, became):
            raise UsageError(
                f"{kind.kind} {type(given).name!r} has the option {option.name} = {asked!r}, and its spelling "
                f"{spelt!r} makes {became!r} of it: choose another value (a text may not be 'none' where none is "
                "allowed, and those of a tuple may have no dash)"
            )
    return made
