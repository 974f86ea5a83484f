"""Finds plugins, keeps the broken ones apart with their reason, and makes parts from their spelling."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import pluggy

from harness.api import (
    Corruption,
    Dataset,
    Defect,
    Encoder,
    Executor,
    Loss,
    Metric,
    Model,
    Part,
    Pool,
    Threshold,
    Tracker,
)
from harness.errors import HarnessError, UsageError, error_line, error_text, unknown_name
from harness.plugin import hookspecs, library_functions
from harness.plugin.contract import misfit, misfit_of_source
from harness.plugin.faults import fault_of, is_floor, named, needs_options
from harness.plugin.plugin_files import contents, module_names, module_of
from harness.plugin.spec import make, parse, split_list

P = TypeVar("P", bound=Part)

GROUP = "anomaly_harness"
"""The entry-point group."""
DISTRIBUTION = "anomaly-harness"
"""The name of our own distribution, whose plugins are called built-in."""

_OF_THE_CORE = {"local": "harness.trials.executors"}
"""Plugins inside the core, by name; they use the same hooks as all others."""

HOOKS: Mapping[type[Part], str] = {
    Model: "harness_models",
    Encoder: "harness_encoders",
    Loss: "harness_losses",
    Pool: "harness_pools",
    Threshold: "harness_thresholds",
    Metric: "harness_metrics",
    Dataset: "harness_datasets",
    Defect: "harness_defects",
    Corruption: "harness_corruptions",
    Executor: "harness_executors",
    Tracker: "harness_trackers",
}
MOST_PARTS = 1000
"""The most parts that one hook of a plugin may return, as a guard against endless iterables."""
KINDS: Mapping[str, type[Part]] = {kind.kind: kind for kind in HOOKS}


@dataclass
class Plugin:
    """One plugin, whether it works or not."""

    name: str
    """The name of its entry point or file."""
    distribution: str
    version: str
    problems: list[str] = field(default_factory=list)
    """The reasons why it, or something in it, is left out; empty if nothing is."""
    path: str = ""
    """Where its file lies, if it is one: for messages and for nothing that is kept, since it may name a person."""

    @property
    def builtin(self) -> bool:
        """Whether it is part of the harness's own distribution."""
        return self.distribution == DISTRIBUTION

    @property
    def place(self) -> str:
        """What tells it from other plugins of its name here."""
        return self.path or self.distribution

    @property
    def recorded(self) -> str:
        """What records say of it, which names no folder."""
        return f"{self.name} ({self.distribution} {self.version})"

    def __str__(self) -> str:
        return f"{self.name} ({self.place} {self.version})"


@dataclass(frozen=True)
class Offer:
    """A part and the plugin that offers it."""

    part: type[Part]
    plugin: Plugin
    rivals: tuple[Plugin, ...] = ()
    """Other plugins that offer a part of the same name. If there are any, the name cannot be used."""


class Registry:
    """All plugins that were found, and the parts that they offer."""

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self._manager = pluggy.PluginManager("harness")
        self._manager.add_hookspecs(hookspecs)
        self._modules: dict[str, Any] = {}
        self.file_modules: dict[str, ModuleType] = {}
        """The modules of plugin files by name; in `sys.modules` another registry may have put others there."""
        self._offers: dict[type[Part], dict[str, Offer]] = {}

    @classmethod
    def discover(
        cls, files: Sequence[Path] | Mapping[Path, bytes] = (), environ: Mapping[str, str] = os.environ
    ) -> Registry:
        """Load every installed plugin and these files. `HARNESS_PLUGINS=a,b` limits which plugins of others are loaded.

        Files may be given with their content, if that was read on another machine. A plugin that cannot be loaded stays
        in `plugins`, with its problem. Raises UsageError for a missing file.
        """
        registry = cls()
        for name, module in _OF_THE_CORE.items():
            own = Plugin(name, DISTRIBUTION, importlib.metadata.version(DISTRIBUTION))
            registry._load(own, partial(importlib.import_module, module))
        allowed = environ.get("HARNESS_PLUGINS")
        names = None if allowed is None else {name.strip() for name in allowed.split(",")}
        found = importlib.metadata.entry_points(group=GROUP)
        releases = _releases(found)
        entries = {(releases[id(entry.dist)][0], entry.name): entry for entry in found}
        for (distribution, _), entry in sorted(entries.items(), key=lambda item: (item[0][0] != DISTRIBUTION, item[0])):
            plugin = Plugin(entry.name, distribution or "unknown", releases[id(entry.dist)][1])
            if plugin.builtin or names is None or names & {plugin.name, plugin.distribution}:
                registry._load(plugin, entry.load, partial(_source_of, entry.module), entry.module.partition(".")[0])
        registry._load_files(files if isinstance(files, Mapping) else contents(files))
        return registry

    def _load_files(self, sources: Mapping[Path, bytes]) -> None:
        """Load plugin files from their content."""
        names = module_names(sources)
        for file, source in sources.items():
            version = hashlib.sha256(source).hexdigest()[:8]
            plugin = Plugin(file.stem, file.name, version, path=str(file))

            def load(file: Path = file, source: bytes = source) -> ModuleType:
                self.file_modules[names[file]] = module = module_of(file, source, names[file])
                return module

            self._load(plugin, load, partial(bytes, source))

    def register(
        self, module: object, name: str, distribution: str = "in this process", version: str = "-", path: str = ""
    ) -> Plugin:
        """Add a plugin that is imported already, for tests and notebooks."""
        plugin = Plugin(name, distribution, version, path=path)
        self._load(plugin, lambda: module)
        return plugin

    def offers(self, kind: type[Part]) -> Mapping[str, Offer]:
        """The parts of one kind by name, in alphabetical order; PixelMetric and the like give those of their kind."""
        kind = KINDS[kind.kind]
        if kind not in self._offers:
            self._offers[kind] = self._collect(kind)
        return self._offers[kind]

    def make(self, kind: type[P], text: str) -> P:
        """Make the part that is spelt `name[option=value,...]`. Raises UsageError, with a suggestion."""
        name, options = parse(text)
        offers = self.offers(kind)
        if name not in offers:
            raise UsageError(unknown_name(kind.kind, name, offers))
        offer = offers[name]
        if offer.rivals:
            rivals = " and ".join(str(plugin) for plugin in (offer.plugin, *offer.rivals))
            raise UsageError(f"{kind.kind} {name!r} is offered by {rivals}: uninstall one, or set HARNESS_PLUGINS")
        if not issubclass(offer.part, kind):
            raise UsageError(f"{kind.kind} {name!r} is no {kind.__name__}")
        return make(offer.part, options, f"{kind.kind} {name!r}", self.make)

    def choose(self, kind: type[P], text: str) -> list[P]:
        """The parts of a comma list, or of `all`, less floors, those that need options and what is in `left_out`.

        Raises UsageError.
        """
        if text.strip() == "all":
            known = self.offers(kind).items()
            usual = {name: one for name, one in known if not (needs_options(one.part) or is_floor(one.part))}
            return [self.make(kind, name) for name, one in usual.items() if not self._unmade(one)]
        parts = [self.make(kind, item) for item in split_list(text)]
        if not parts:
            raise UsageError(f"no {kind.kind} in {text!r}: expected a comma list, or 'all'")
        return parts

    def floors(self) -> list[Model]:
        """The models that runs fit beside those that are asked for."""
        offers = self.offers(Model).items()
        return [self.make(Model, name) for name, one in offers if is_floor(one.part) and not one.rivals]

    @property
    def broken(self) -> list[Plugin]:
        """The plugins that have problems, for which all hooks are called first."""
        for kind in HOOKS:
            self.offers(kind)
        return [plugin for plugin in self.plugins if plugin.problems]

    @property
    def left_out(self) -> list[str]:
        """Which parts of strangers `all` leaves out, and why, a line for each."""
        every = [(kind, offer) for kind in HOOKS for offer in self.offers(kind).values() if not offer.plugin.builtin]
        return [
            f"{offer.plugin}: `all` leaves {kind.kind} {offer.part.name!r} out, which cannot be made without options "
            f"({why}); needs_options = True in {offer.part.__name__} says that this is meant"
            for kind, offer in every
            if not offer.rivals and not needs_options(offer.part) and (why := self._unmade(offer))
        ]

    def _unmade(self, offer: Offer) -> str:
        """Why a part cannot be made with its defaults, or not under its name; empty when it can."""
        if offer.rivals:
            return "its name is offered twice"
        try:
            make(offer.part, {}, offer.part.name)
        except HarnessError as error:
            return str(error)
        return ""

    @cached_property
    def _hook_names(self) -> set[str]:
        return set(HOOKS.values())

    def _load(self, plugin: Plugin, load: Any, source: Callable[[], bytes] = bytes, own: str = "") -> None:
        """Import and register one plugin. Whatever goes wrong is noted among its problems."""
        self.plugins.append(plugin)
        self._offers.clear()
        try:
            module = self._imported(plugin, load, own)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            plugin.problems.append(misfit_of_source(source()) or f"cannot be imported: {error_line(error)}")
            return
        if reason := misfit(module):
            plugin.problems.append(reason)
            return
        plugin.problems.extend(self._misnamed(module))
        key = f"{plugin.place}:{plugin.name}"
        try:
            self._manager.register(module, name=key)
        except Exception as error:  # of pluggy, or of an attribute of the plugin that it has looked at
            reason = " ".join(error_text(error).split())
            plugin.problems.append(f"has a hook that does not fit: {reason}")
            if self._manager.has_plugin(key):
                self._manager.unregister(name=key)
            return
        self._modules[key] = plugin
        if not plugin.problems and not self._manager.get_hookcallers(module):
            plugin.problems.append("has no hook: expected a function such as harness_models with @hookimpl before it")

    def _imported(self, plugin: Plugin, load: Any, own: str) -> Any:
        """The module of a plugin. What it replaces in shared libraries while it is imported is put back, and noted."""
        if plugin.builtin:
            return load()
        with library_functions.kept(own) as replaced:
            module = load()
        if replaced:
            plugin.problems.append(f"replaced {library_functions.named(replaced)} when it was imported: put back")
        return module

    def _misnamed(self, module: object) -> Iterable[str]:
        """Mistakes in the names of hooks, which pluggy would ignore silently."""
        for name in dir(module):
            try:
                value = getattr(module, name, None)
            except Exception:  # noqa: S112  a module may have attributes that cannot be read; none of them is a hook
                continue
            if not inspect.isroutine(value):
                continue
            marked = self._manager.parse_hookimpl_opts(cast("Any", module), name) is not None
            if marked and name not in self._hook_names:
                yield f"has {unknown_name('hook', name, self._hook_names)}"
            elif not marked and name in self._hook_names and not hasattr(value, "harness_spec"):
                yield f"has a function {name!r} without @hookimpl in front of it"

    def _collect(self, kind: type[Part]) -> dict[str, Offer]:
        offers: dict[str, Offer] = {}
        for key, plugin in self._modules.items():
            others = [module for name, module in self._manager.list_name_plugin() if name != key]
            try:
                returned = self._manager.subset_hook_caller(HOOKS[kind], others)()
                parts = list(islice((part for result in returned for part in result), MOST_PARTS + 1))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                plugin.problems.append(f"{HOOKS[kind]} failed: {error_line(error)}")
                continue
            if len(parts) > MOST_PARTS:
                plugin.problems.append(f"{HOOKS[kind]} returned more than {MOST_PARTS} parts, which were left out")
                continue
            for part in parts:
                fault = fault_of(part, kind)
                if fault:
                    plugin.problems.append(f"{HOOKS[kind]} returned {named(part)}, {fault}")
                    continue
                earlier = offers.get(part.name)
                if earlier is None:
                    offers[part.name] = Offer(part, plugin)
                    continue
                plugin.problems.append(f"offers {kind.kind} {part.name!r}, which {earlier.plugin} offers too")
                if not earlier.plugin.builtin and earlier.plugin is not plugin:
                    offers[part.name] = dataclasses.replace(earlier, rivals=(*earlier.rivals, plugin))
        return dict(sorted(offers.items()))


def _releases(entries: Iterable[importlib.metadata.EntryPoint]) -> dict[int, tuple[str, str]]:
    """Name and version of each entry point's distribution, whose metadata is read once and not once for each plugin."""
    distributions = {id(entry.dist): entry.dist for entry in entries}
    read = {key: one.metadata if one else {"Name": "", "Version": "unknown"} for key, one in distributions.items()}
    return {key: (data["Name"], data["Version"]) for key, data in read.items()}


def _source_of(module: str) -> bytes:
    """The source of a module that cannot be imported; empty if it cannot be found."""
    try:
        spec = importlib.util.find_spec(module)
        return Path(spec.origin).read_bytes() if spec and spec.origin else b""
    except Exception:  # of the package that it lies in
        return b""
