"""Tells which stored trials were fitted with other code than their parts have now."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from harness.plugin.in_process import IN_PROCESS
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import parse
from harness.trials.provenance import Makers, makers
from harness.trials.record import Record
from harness.trials.trial import Trial


class Edit(NamedTuple):
    """Digests of the code of a part."""

    then: str
    now: str


class Edits:
    """Compares the code behind stored trials with that of a registry.

    That is code of this process, of plugin files, and of strangers' packages whose version is still the same. Parts
    that ship with the harness have versions of their own, which are in the ids of trials.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._any = any(not plugin.builtin for plugin in registry.plugins)
        self._makers: dict[tuple[str, ...], Makers] = {}

    def of(self, trial: Trial, record: Record) -> dict[str, Edit]:
        """Each part of a trial whose code has changed, as `model 'glow'`."""
        if not self._any:
            return {}
        spelt = trial.dataset, trial.model, trial.encoder, trial.loss
        if spelt not in self._makers:
            self._makers[spelt] = makers(trial, self._registry)
        now = self._makers[spelt]
        found = {}
        for kind, maker in now.plugins.items():
            edit = _of_file(record.plugins.get(kind, maker), maker) or self._of_package(kind, trial, record, now)
            if edit:
                of, _, inner = kind.partition("'s ")
                named = f"{inner} of " * bool(inner) + f"{of} {parse(getattr(trial, of))[0]!r}"
                found[named] = edit
        return found

    def _of_package(self, kind: str, trial: Trial, record: Record, now: Makers) -> Edit | None:
        """Where a package is of the same version, and its source is another, as while it is written."""
        offer = self._registry.offers(KINDS[kind]).get(parse(getattr(trial, kind))[0]) if kind in KINDS else None
        if offer is None or offer.plugin.builtin or record.plugins.get(kind) != now.plugins[kind]:
            return None
        package = offer.part.__module__.partition(".")[0]
        then, here = record.code.get(package, ""), now.code.get(package, "")
        return Edit(then, here) if then and here and then != here else None


def _of_file(then: str, now: str) -> Edit | None:
    """The edit between what records say of a part that is of this process or of a file; None where there is none."""
    (source_then, _, code_then), (source, _, code) = then.rpartition(" "), now.rpartition(" ")
    changeable = source == IN_PROCESS or source.endswith(".py")
    same = PurePath(source).name == PurePath(source_then).name  # records of before have the file's path
    return Edit(code_then, code) if changeable and same and code_then != code else None
