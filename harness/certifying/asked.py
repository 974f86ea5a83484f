"""What a certificate may be asked for, with each value read into its type."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Corruption, Defect
from harness.deployment.engines import ENGINES
from harness.deployment.latency import TORCH
from harness.errors import UsageError, unknown_name
from harness.plugin.registry import Registry
from harness.plugin.spec import spell, split_list

SIZES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)
"""Sizes of painted defects, as shares of the photo's side."""
CONTRASTS = (0.1, 0.25, 0.5)
MOST = 20
"""At most this many photos are painted on and corrupted."""
FEWEST = 4
"""With three photos the share of false alarms could be 63 % though none was called anomalous."""


@dataclass(frozen=True)
class Asked:
    """A model, the photos to judge it by, and how much is tried."""

    model: str
    images: str
    """A folder of photos, or a table that lists them. The model must not have seen all of them."""
    today: str = ""
    """A folder of normal photos that were taken now; empty if there is none."""
    sizes: tuple[float, ...] = SIZES
    contrasts: tuple[float, ...] = CONTRASTS
    defects: tuple[str, ...] = ("all",)
    corruptions: tuple[str, ...] = ("all",)
    most: int = MOST
    seed: int = 0
    engines: tuple[str, ...] = ("all",)
    """The engines that are timed."""
    repetitions: int = 100

    @classmethod
    def of(cls, model: Any, images: Any, **given: Any) -> Asked:
        """Read values into their types. Raises UsageError that quotes the wrong one."""
        if odd := next((name for name in given if name not in cls.__dataclass_fields__), None):
            raise UsageError(unknown_name("setting of a certificate", odd, set(cls.__dataclass_fields__) - {"model"}))
        read = {name: _READERS[name](name, value) for name, value in given.items() if value is not None}
        return cls(_place("model", model), _place("images", images), **read)

    def chosen(self, registry: Registry) -> tuple[list[Defect], list[Corruption]]:
        """The defects and corruptions that are asked for. Raises UsageError with a suggestion."""
        defects = registry.choose(Defect, ",".join(self.defects))
        corruptions = registry.choose(Corruption, ",".join(self.corruptions))
        return defects, corruptions

    def named(self, registry: Registry) -> Asked:
        """The same with `all` replaced by names, so that plugins which are installed later do not change it."""
        defects, corruptions = self.chosen(registry)
        engines = (TORCH, *ENGINES) if self.engines == ("all",) else self.engines
        return replace(
            self, defects=tuple(map(spell, defects)), corruptions=tuple(map(spell, corruptions)), engines=engines
        )


def _place(name: str, value: Any) -> str:
    try:
        return os.fsdecode(value)
    except TypeError:
        raise UsageError(f"{name} is {value!r:.60}: expected the path of a folder") from None


def _number(name: str, value: Any, least: float, most: float, kind: type = float) -> Any:
    try:
        found = kind(value)
        if kind is int and float(value) != found:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        found = None
    if isinstance(value, bool) or found is None or not least <= found <= most:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} is {value!r:.40}: expected {what} from {least:g} to {most:g}")
    return found


def _several(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [one.strip() for one in value.split(",") if one.strip()]
    return list(value) if isinstance(value, Iterable) else [value]


def _shares(name: str, value: Any) -> tuple[float, ...]:
    """Ascending shares. Sizes need at least two, because a curve is fitted through them."""
    found = tuple(sorted({_number(name, one, 0.001, 1.0) for one in _several(value)}))
    if len(found) < (2 if name == "sizes" else 1):
        raise UsageError(f"{name} is {value!r:.40}: expected numbers from 0.001 to 1, two different ones or more")
    return found


def _names(name: str, value: Any) -> tuple[str, ...]:
    parts: Sequence[Any] = split_list(value) if isinstance(value, str) else _several(value)
    found = tuple(one if isinstance(one, str) else spell(one) for one in parts)
    if not found:
        raise UsageError(f"no {name} in {value!r}: expected names, or 'all'")
    return found


def _engines(name: str, value: Any) -> tuple[str, ...]:
    found = tuple(_several(value))
    if found in (("none",), ()):
        return ()
    for one in found:
        if one != "all" and one not in (TORCH, *ENGINES):
            raise UsageError(unknown_name("engine", str(one), [TORCH, *ENGINES, "none"]))
    return ("all",) if "all" in found else found


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "today": _place,
    "sizes": _shares,
    "contrasts": _shares,
    "defects": _names,
    "corruptions": _names,
    "most": lambda name, value: _number(name, value, FEWEST, 10_000, int),
    "seed": lambda name, value: _number(name, value, 0, 2**32 - 1, int),
    "engines": _engines,
    "repetitions": lambda name, value: _number(name, value, 1, 100_000, int),
}
