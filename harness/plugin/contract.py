"""The version of the contract between the harness and plugins."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import NamedTuple

from harness.errors import error_line

CONTRACT = 1
"""The version in force. It rises only when working plugins would have to change; plugins/README.md has the policy."""
ATTRIBUTE = "harness_contract"
"""The module attribute by which a plugin says which version it was written for; without it, version 1 is assumed."""


def misfit(module: object) -> str:
    """The reason why a plugin cannot be used with this harness; empty if it can."""
    try:
        wanted = getattr(module, ATTRIBUTE, 1)
    except Exception as error:  # a module may have a __getattr__ of its own
        return f"does not say its {ATTRIBUTE}: {error_line(error)}"
    if type(wanted) is not int or wanted < 1:
        return f"says {ATTRIBUTE} = {wanted!r}, expected the whole number of a contract, as {CONTRACT}"
    if wanted > CONTRACT:
        return f"is made for contract {wanted}, and this harness has contract {CONTRACT}: upgrade anomaly-harness"
    return ""


def misfit_of_source(source: bytes) -> str:
    """The same for a module that cannot be imported, for example because it imports something of a later contract."""
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
    """The replacement of a public name that was renamed."""

    now: str
    since: str
    removed_in: str
    """The version that removes the old name, two minor versions after `since`."""


RENAMED: Mapping[str, Renamed] = {
    "unknown": Renamed("unknown_name", "0.1", "0.3"),
    "shown": Renamed("path_text", "0.1", "0.3"),
}
"""Old public names of the package `harness` that still work, with a warning."""


def current_name(old: str, stacklevel: int = 3) -> str:
    """The new name of a renamed public name; warns of its removal. Raises AttributeError for any other name."""
    if old not in RENAMED:
        raise AttributeError(f"module 'harness' has no attribute {old!r}")
    renamed = RENAMED[old]
    warnings.warn(
        f"harness.{old} is harness.{renamed.now} since {renamed.since}; the old name goes in {renamed.removed_in}",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
    return renamed.now
