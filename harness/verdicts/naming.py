"""Short names of parts and methods, the same wherever people read them: `patchcore · effnet_lite0`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from harness.errors import UsageError
from harness.plugin.spec import parse
from harness.trials.trial import UNUSED

T = TypeVar("T")

SEPARATOR = " · "
"""Between the parts of a method."""
_SHORTER = {"efficientnet": "effnet"}
"""What people write for long names of networks."""
_NETWORK = "name"
"""The option that says which network an encoder of many is: it stands for the encoder."""


def short_part(spelling: str) -> str:
    """`effnet_lite0` for `timm[name=tf_efficientnet_lite0.in1k]`, `subspace (likelihood)` for one with an option."""
    return short_parts([spelling])[spelling]


def short_parts(spellings: Iterable[str]) -> dict[str, str]:
    """The shortest name of each part that tells it from the others; options stand in it only where they differ.

    One that cannot be told apart so keeps its full spelling.
    """
    every = list(dict.fromkeys(spellings))
    groups: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for spelling in every:
        base, options = _base(spelling)
        groups.setdefault(base, []).append((spelling, options))
    names = {}
    for base, group in groups.items():
        keys = dict.fromkeys(key for _, options in group for key in options)
        differing = [key for key in keys if len(group) == 1 or len({options.get(key) for _, options in group}) > 1]
        for spelling, options in group:
            said = [_option(key, options[key]) for key in differing if key in options]
            names[spelling] = f"{base} ({', '.join(said)})" if said else base
    return _unique(names, every, lambda spelling: spelling)


def short_titles(methods: Iterable[Sequence[str]]) -> dict[tuple[str, ...], str]:
    """The same for methods, each the spellings of its model, encoder and loss."""
    every = list(dict.fromkeys(tuple(method) for method in methods))
    axes = [short_parts(part for part in axis if part != UNUSED) for axis in zip(*every, strict=True)]

    def joined(method: tuple[str, ...]) -> str:
        return SEPARATOR.join(names[part] for names, part in zip(axes, method, strict=True) if part != UNUSED)

    return _unique({method: joined(method) for method in every}, every, full_title)


def full_title(method: Iterable[str]) -> str:
    """`patchcore + timm[name=tf_efficientnet_lite0.in1k]`: a method's parts as they are typed, for programs too."""
    return " + ".join(part for part in method if part != UNUSED)


def _unique(names: dict[T, str], every: Sequence[T], full: Callable[[T], str]) -> dict[T, str]:
    """The names in their order, with the full one in place of each that something else is called, too."""
    taken = list(names.values())
    return {one: names[one] if taken.count(names[one]) == 1 else full(one) for one in every}


def _base(spelling: str) -> tuple[str, dict[str, str]]:
    """What a part is called without options, and those of its options that its name does not say."""
    try:
        name, options = parse(spelling)
    except UsageError:  # it is no spelling: a published table may hold any text
        return spelling, {}
    if _NETWORK in options:
        name = options.pop(_NETWORK).partition(".")[0].removeprefix("tf_") or name
    for long, short in _SHORTER.items():
        name = name.replace(long, short)
    return name, options


def _option(name: str, value: str) -> str:
    """`likelihood` where the value is a word, else `level=0.2`."""
    return value if value.replace("_", "").isalpha() and value not in ("true", "false") else f"{name}={value}"
