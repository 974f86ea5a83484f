"""A registry with the built-in plugins and stand-ins for parts of strangers, whose code is not imported here."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.api import Part
from harness.errors import error_text
from harness.plugin.hookspecs import hookimpl
from harness.plugin.plugin_files import contents
from harness.plugin.registry import DISTRIBUTION, GROUP, HOOKS, Plugin, Registry
from harness.trials.isolation.described import ISOLATED, stand_in
from harness.trials.isolation.process import strangers


class IsolatedRegistry(Registry):
    """A registry in which parts of strangers are stand-ins. `files` are the plugin files sent to their processes."""

    files: Mapping[Path, bytes]


def isolated_registry(files: Sequence[Path] | Mapping[Path, bytes] = ()) -> IsolatedRegistry:
    """The registry for isolated trials. Raises UsageError for a missing file, TrainingError if plugins stay silent."""
    sources = files if isinstance(files, Mapping) else contents(files)
    registry = IsolatedRegistry.discover((), {**os.environ, "HARNESS_PLUGINS": ""})
    assert isinstance(registry, IsolatedRegistry)
    registry.files = sources
    known = [*_files(sources), *_installed()]
    if not known:
        return registry
    with strangers(sources) as process:
        told, _ = process.ask("describe")
    named = {str(file.absolute()): str(file) for file in sources}  # the process runs in another folder
    offered: dict[tuple[str, str], list[type[Part]]] = {}
    problems: dict[tuple[str, str], list[str]] = {}
    for told_by, name, problem in _threes(told.get("problems")):
        problems.setdefault((named.get(told_by, told_by), name), []).append(problem)
    for part in _dicts(told.get("parts")):
        told_by, name = _who(part.get("plugin"))
        who = named.get(told_by, told_by), name
        try:
            offered.setdefault(who, []).append(stand_in(part, registry.make))
        except (TypeError, ValueError) as error:
            problems.setdefault(who, []).append(f"offers a part that cannot be isolated: {error_text(error)}")
    for one in known:
        who = one.place, one.name
        module = _module(one.name, offered.get(who, []))
        plugin = registry.register(module, one.name, one.distribution, one.version, one.path)
        plugin.problems += problems.get(who, [])
    return registry


def registry_of(files: Sequence[Path] | Mapping[Path, bytes], *, isolate: bool) -> Registry:
    """The registry of a process that fits trials. Raises UsageError for a missing file."""
    return isolated_registry(files) if isolate else Registry.discover(files)


def _files(sources: Mapping[Path, bytes]) -> Iterator[Plugin]:
    """Plugins that are files, each with a digest of it as its version."""
    for file, source in sources.items():
        yield Plugin(file.stem, file.name, hashlib.sha256(source).hexdigest()[:8], path=str(file))


def _installed() -> Iterator[Plugin]:
    """Installed plugins of strangers, with the versions of their distributions."""
    allowed = os.environ.get("HARNESS_PLUGINS")
    names = None if allowed is None else {name.strip() for name in allowed.split(",")}
    for entry in importlib.metadata.entry_points(group=GROUP):
        distribution = entry.dist.name if entry.dist else "unknown"
        wanted = names is None or names & {entry.name, distribution}
        if distribution != DISTRIBUTION and wanted:
            yield Plugin(entry.name, distribution, entry.dist.version if entry.dist else "unknown")


def _module(name: str, parts: Sequence[type[Part]]) -> types.ModuleType:
    """A plugin that offers these parts."""
    module = types.ModuleType(f"isolated_{name}")
    for kind in ISOLATED.values():
        of_kind = [part for part in parts if part.kind == kind.kind]
        if of_kind:
            setattr(module, HOOKS[kind], hookimpl(_giving(of_kind)))
    return module


def _giving(parts: list[type[Part]]) -> Callable[[], list[type[Part]]]:
    return lambda: parts


def _dicts(told: Any) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _threes(told: Any) -> list[tuple[str, str, str]]:
    found = told if isinstance(told, list) else []
    return [tuple(map(str, one)) for one in found if isinstance(one, list) and len(one) == 3]  # type: ignore[misc]


def _who(told: Any) -> tuple[str, str]:
    return (str(told[0]), str(told[1])) if isinstance(told, list) and len(told) == 2 else ("", "")
