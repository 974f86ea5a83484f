"""The version of the contract between the harness and plugins."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import NamedTuple

CONTRACT = 1
"""Rises when a plugin that keeps the contract would have to be changed; plugins/README.md has the policy."""
ATTRIBUTE = "harness_contract"
"""What a plugin's module calls the version that it is made for; without it, it is made for the first."""


def misfit(module: object) -> str:
    """Why a plugin cannot be used with this harness; empty when it can."""
    try:
        wanted = getattr(module, ATTRIBUTE, 1)
    except Exception as error:  # a module may have a __getattr__ of its own
        return f"does not say its {ATTRIBUTE}: {type(error).__name__}: {error}"
    if type(wanted) is not int or wanted < 1:
        return f"says {ATTRIBUTE} = {wanted!r}, expected the whole number of a contract, as {CONTRACT}"
    if wanted > CONTRACT:
        return f"is made for contract {wanted}, and this harness has contract {CONTRACT}: upgrade anomaly-harness"
    return ""


def misfit_of_source(source: bytes) -> str:
    """The same of a module that cannot be imported, as one that imports what only a later contract has."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return ""
    for line in body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            names = [target.id for target in line.targets if isinstance(target, ast.Name)]
            if ATTRIBUTE in names:
                return misfit(SimpleNamespace(**{ATTRIBUTE: line.value.value}))
    return ""


class Renamed(NamedTuple):
    """A public name that is called otherwise now."""

    now: str
    since: str
    removed_in: str
    """Two minor versions later, when the old name goes."""


RENAMED: Mapping[str, Renamed] = {
    "unknown": Renamed("unknown_name", "0.1", "0.3"),
    "shown": Renamed("path_text", "0.1", "0.3"),
}
"""Old names of the package `harness`, which are still understood."""


def current_name(old: str, stacklevel: int = 3) -> str:
    """What an old public name is called now, with a DeprecationWarning. Raises AttributeError for any other name."""
    if old not in RENAMED:
        raise AttributeError(f"module 'harness' has no attribute {old!r}")
    renamed = RENAMED[old]
    warnings.warn(
        f"harness.{old} is harness.{renamed.now} since {renamed.since}; the old name goes in {renamed.removed_in}",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
    return renamed.now
