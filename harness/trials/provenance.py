"""What a trial was made with: plugins, package versions, and digests of source code."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from harness.api import Part, Pool
from harness.errors import UsageError
from harness.plugin.options import options_of
from harness.plugin.registry import KINDS, Offer, Registry
from harness.plugin.spec import parse
from harness.trials.trial import UNUSED, Trial

PACKAGES = ("anomaly-harness", "numpy", "pillow", "pytorch-msssim", "scikit-learn", "scipy", "timm", "torch")
"""Packages of which another version may give other scores."""


@cache
def versions() -> dict[str, str]:
    """The versions of Python and of those PACKAGES that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "python": platform.python_version()}


def code_of(package: str, files: Mapping[str, ModuleType] = MappingProxyType({})) -> str:
    """8 hexadecimal digits of all Python source of an imported package or module; empty where there is none to read.

    `files` has the modules of plugin files by name, whose names another file of that name may have taken since.
    """
    module = files.get(package) or sys.modules.get(package)  # which a notebook's or a test's need not be
    return code_in(module) if module is not None else ""


@cache
def code_in(module: Any) -> str:
    """The same of a module itself: one that is loaded anew, as a plugin file may be, is another one."""
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    try:
        sources = [
            (file.relative_to(folder), file.read_bytes()) for folder in folders for file in sorted(folder.rglob("*.py"))
        ]
        if not folders and getattr(module, "__file__", None):
            sources = [(Path(), module.__loader__.get_data(module.__file__))]  # the file may be on another machine
    except OSError:
        return ""
    digest = hashlib.sha256()
    for name, source in sources:
        digest.update(f"{name.as_posix()}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()[:8] if sources else ""


class Makers(NamedTuple):
    """The plugins that offer the parts of a trial."""

    plugins: dict[str, str]
    """Kind of part to the distribution that offers it, with its version. Parts that nobody offers here are missing."""
    code: dict[str, str]
    """Package to the digest of its source code: of the harness, and of each package that a part comes from."""


def _offers_within(offers: Mapping[str, Offer], spelt: Mapping[str, str], registry: Registry) -> dict[str, Offer]:
    """The offers of parts that are options of these parts; a loss that a model takes is called `model's loss`."""
    found = {}
    for kind in offers:
        with suppress(UsageError):  # the trial itself will fail for this reason, and say so
            part = registry.make(KINDS[kind], spelt[kind])
            for option in options_of(type(part)):
                inner = getattr(part, option.name)
                if isinstance(inner, Part):
                    found[f"{kind}'s {option.name}"] = registry.offers(KINDS[inner.kind])[inner.name]
    return found


def makers(trial: Trial, registry: Registry) -> Makers:
    """The plugins that offer the parts of this trial in this registry."""
    spelt = {"dataset": trial.dataset, "model": trial.model, "encoder": trial.encoder, "loss": trial.loss}
    named = {kind: parse(text)[0] for kind, text in spelt.items() if text != UNUSED}
    offers = {kind: offer for kind, name in named.items() if (offer := registry.offers(KINDS[kind]).get(name))}
    offers |= _offers_within(offers, spelt, registry)
    files = registry.file_modules
    packages = {offer.part.__module__.partition(".")[0] for offer in offers.values()}
    return Makers(
        plugins={kind: f"{offer.plugin.distribution} {offer.plugin.version}" for kind, offer in offers.items()},
        code={name: digest for name in sorted({"harness", *packages}) if (digest := code_of(name, files))},
    )


def pool_maker(pool: str, registry: Registry) -> dict[str, str]:
    """The plugin that offers a pool, under the key `pool`; empty for a model that takes no pool."""
    offer = None if pool == UNUSED else registry.offers(Pool).get(parse(pool)[0])
    return {"pool": f"{offer.plugin.distribution} {offer.plugin.version}"} if offer else {}


def strange_pools(pools: Iterable[str], registry: Registry) -> dict[str, str]:
    """Those of these pools that do not ship with the harness, each with the plugin that offers it."""
    offers = {text: registry.offers(Pool)[parse(text)[0]] for text in pools if text != UNUSED}
    return {text: offer.plugin.recorded for text, offer in offers.items() if not offer.plugin.builtin}
