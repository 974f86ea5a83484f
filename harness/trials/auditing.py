"""Audits the images of each category before its first fit, and writes grave findings into the record of each trial."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.api import Finding, Split
from harness.audit import findings_of
from harness.trials.observers import Observer
from harness.trials.trial import Outcome


@dataclass
class Auditor:
    """Audits each category once per run and passes the findings to an observer."""

    observer: Observer
    _found: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    """Fingerprint of a category's data to what was found about it."""

    def look(self, category: str, split: Split, fingerprint: str) -> None:
        """Audit the images of a category, unless that was done earlier in this run.

        The fingerprint is that of the images as they are presented to a trial which is about to be fitted.
        """
        if split.fingerprint not in self._found:
            self._found[split.fingerprint] = findings_of(split)
            self.observer.looked_at(category, self._found[split.fingerprint])
        self._found.setdefault(fingerprint, self._found[split.fingerprint])

    def remembered(self, outcome: Outcome) -> Outcome:
        """The same outcome, with the grave findings about its images added to its record."""
        grave: dict[str, str] = {}
        for one in self._found.get(outcome.fingerprint, ()):
            if one.grave:
                examples = f" ({', '.join(one.examples)})" if one.examples else ""
                grave[one.name] = " ".join(filter(None, [grave.get(one.name), one.sentence + examples]))
        return replace(outcome, record=replace(outcome.record, grave=grave)) if grave else outcome
