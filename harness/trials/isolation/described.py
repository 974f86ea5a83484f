"""Describes a part of a stranger in plain values, and makes of them the class that stands in for it here."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

from harness.api import Encoder, Loss, Model, Part
from harness.plugin.options import default_of, option_types, options_of, write

ISOLATED: Mapping[str, type[Part]] = {kind.kind: kind for kind in (Model, Encoder, Loss)}
"""The kinds of part that can be isolated: they work without knowing which image is defective."""

_FACTS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "model": {"uses": (frozenset,), "default_pool": (str,)},
    "encoder": {"pretrained": (bool,), "reduction": (int, type(None)), "bottleneck": (bool,)},
    "loss": {"mean_of_map": (bool,), "pretrained": (bool,)},
}
_LEAVES_OUT = "leaves_out"
"""The fact that a model can score images as if it had not been fitted on them."""
_COMMON: Mapping[str, tuple[type, ...]] = {
    "licence": (str,),
    "source": (str,),
    "needs_options": (bool,),
    "version": (int,),
}
_PLAIN: Mapping[str, type] = {one.__name__: one for one in (bool, int, float, str)}

MakePart = Callable[[type[Any], str], Part]


def describe(part: type[Part]) -> dict[str, Any]:
    """What planning a run needs to know of a part, as JSON values. Raises ValueError for an unsupported option type."""
    options, known = [], option_types(part)
    for option in options_of(part):
        default = default_of(option)
        told = write(default) if isinstance(default, Part) else default
        options.append({"name": option.name, "type": _type_told(known[option.name]), "default": told})
    facts = {}
    for fact, kinds in {**_COMMON, **_FACTS[part.kind]}.items():
        value = getattr(part, fact, None)
        if type(value) in kinds and fact not in known:  # what a property says depends on options
            facts[fact] = sorted(map(str, value)) if isinstance(value, frozenset) else value
    if issubclass(part, Model):
        facts[_LEAVES_OUT] = part.score_left_out is not Model.score_left_out
    return {"kind": part.kind, "name": part.name, "class": part.__name__, "facts": facts, "options": options}


def stand_in(told: Mapping[str, Any], make: MakePart) -> type[Part]:
    """The class that stands in for a stranger's while a run is planned. Raises ValueError for a wrong description."""
    kind = told.get("kind")
    base = ISOLATED.get(kind) if isinstance(kind, str) else None
    if base is None:
        raise ValueError(f"its kind is {kind!r:.60}")
    name, cls, facts, options = (told.get(key) for key in ("name", "class", "facts", "options"))
    if not (isinstance(name, str) and isinstance(cls, str) and isinstance(facts, dict) and isinstance(options, list)):
        raise ValueError("its name, class, facts or options are none")
    doc = (
        "Stands for a part in a process of strangers; its source is not here, so that no digest of code is made of it."
    )
    namespace: dict[str, Any] = {"name": name, "__module__": "isolated", "__doc__": doc}
    for fact, kinds in {**_COMMON, **_FACTS[base.kind]}.items():
        value = facts.get(fact)
        value = frozenset(map(str, value)) if frozenset in kinds and isinstance(value, list) else value
        if fact in facts and type(value) in kinds:
            namespace[fact] = value
    leaves_out = base is Model and facts.get(_LEAVES_OUT) is True
    for method in (*getattr(base, "__abstractmethods__", ()), *["score_left_out"] * leaves_out):
        namespace[method] = _elsewhere
    fields = [_option(one, make) for one in options]
    return dataclasses.make_dataclass(cls, fields, bases=(base,), namespace=namespace)


def _elsewhere(*_: Any, **__: Any) -> Any:
    raise TypeError("this part is in a process of its own, and cannot be called here")


def _option(told: Any, make: MakePart) -> tuple[str, Any, Any]:
    if not isinstance(told, dict) or not isinstance(told.get("name"), str):
        raise ValueError(f"an option is {told!r:.60}")
    wanted, default = _type_of(told.get("type")), told.get("default")
    kind = next(
        (one for one in (wanted, *typing.get_args(wanted)) if isinstance(one, type) and issubclass(one, Part)), None
    )
    if kind is not None and isinstance(default, str):
        spelt = default
        return told["name"], wanted, dataclasses.field(default_factory=lambda: make(kind, spelt))
    if isinstance(default, list):
        default = tuple(default)
    return told["name"], wanted, dataclasses.field(default=default)


def _type_told(wanted: Any) -> Any:
    """The type of an option as JSON values."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not type(None))
        return {"or_none": _type_told(inner)}
    if origin is typing.Literal:
        return {"one_of": list(arguments)}
    if origin is tuple:
        return {"several": [None if one is Ellipsis else _type_told(one) for one in arguments]}
    if isinstance(wanted, type) and issubclass(wanted, Part):
        return {"part": wanted.kind}
    return wanted.__name__


def _type_of(told: Any) -> Any:
    """The type of an option from these JSON values: the inverse of the function above."""
    if isinstance(told, str) and told in _PLAIN:
        return _PLAIN[told]
    if isinstance(told, dict) and len(told) == 1:
        ((form, inner),) = told.items()
        if form == "or_none":
            return _type_of(inner) | None
        if form == "one_of" and isinstance(inner, list) and inner and all(_is_choice(one) for one in inner):
            choices: Any = tuple(inner)
            return Literal[choices]
        if form == "several" and isinstance(inner, list):
            kinds: Any = tuple(Ellipsis if one is None else _type_of(one) for one in inner)
            return tuple[kinds]
        if form == "part" and isinstance(inner, str) and inner in ISOLATED:
            return ISOLATED[inner]
    raise ValueError(f"an option is of type {told!r:.60}")


def _is_choice(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
