"""What is found about the images of a run's categories, told before their first fit and remembered with each trial."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.api import Finding, Split
from harness.audit import findings_of
from harness.trials.observers import Observer
from harness.trials.trial import Outcome


@dataclass
class Auditor:
    """Looks at each category once, and tells an observer of it."""

    observer: Observer
    _found: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    """By fingerprint."""

    def look(self, category: str, split: Split) -> None:
        """Look at a category whose images are about to be fitted to, unless these images were looked at before."""
        if split.fingerprint not in self._found:
            self._found[split.fingerprint] = _findings(split)
            self.observer.looked_at(category, self._found[split.fingerprint])

    def remembered(self, outcome: Outcome) -> Outcome:
        """The outcome with the grave findings on its images in its record."""
        grave = {one.name: one.sentence for one in self._found.get(outcome.fingerprint, ()) if one.grave}
        return replace(outcome, record=replace(outcome.record, grave=grave)) if grave else outcome


def _findings(split: Split) -> tuple[Finding, ...]:
    try:
        return findings_of(split)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # images of a plugin may be of any kind; its trials go on and say what is wrong
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return (Finding("audit", f"The images could not be looked at: {reason}."),)
