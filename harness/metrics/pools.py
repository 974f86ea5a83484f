"""Which pools turn a trial's error maps into image scores. They cost no fit, but need the maps, which are not kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.api import Model, Pool
from harness.plugin.registry import Registry
from harness.plugin.spec import spell

EVERY_POOL = "all"
"""Stands for all pools whose scores a trial has; no pool can be called so."""


def usual_pools(registry: Registry, model: Model) -> Mapping[str, Pool]:
    """The pools whose scores every trial of a model keeps, by their spelling: the built-in ones, and its own default.

    Raises UsageError where no plugin offers its default.
    """
    builtin = [name for name, offer in registry.offers(Pool).items() if offer.plugin.builtin]
    return made_pools(registry, (*builtin, model.default_pool)) if "pool" in model.uses else {}


def made_pools(registry: Registry, spelt: Iterable[str]) -> dict[str, Pool]:
    """Pools by their spelling. Raises UsageError for one that no plugin offers."""
    return {spell(pool): pool for pool in (registry.make(Pool, text) for text in spelt)}


def stored_pools(registry: Registry, text: str | None) -> list[str] | None:
    """The spelling of each pool of a comma list; `all` is EVERY_POOL, None none in particular. Raises UsageError."""
    if text is None:
        return None
    return [EVERY_POOL] if text.strip() == EVERY_POOL else [spell(pool) for pool in registry.choose(Pool, text)]
